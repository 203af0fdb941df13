//! Which of the back ends that may be used is taken next.

use std::fmt;
use std::str::FromStr;

/// How connections or requests are spread over the back ends of a pool.
///
/// ```
/// use switchboard_apps::proxy::Balance;
///
/// assert_eq!("two-choices".parse(), Ok(Balance::TwoChoices));
/// assert_eq!("hash:x-user".parse(), Ok(Balance::Hash(Some("x-user".to_owned()))));
/// assert!("fair".parse::<Balance>().unwrap_err().contains("round-robin"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// One after another.
    #[default]
    RoundRobin,
    /// The one with the fewest connections or requests in flight; among equals one after another.
    Least,
    /// Of two random ones that with fewer connections or requests in flight.
    TwoChoices,
    /// The same one for the same key: the client's IP address, or the value of the header field of this name.
    /// When a back end goes down only its own keys move.
    Hash(Option<String>),
}

impl FromStr for Balance {
    type Err = String;

    fn from_str(text: &str) -> Result<Balance, String> {
        match text {
            "round-robin" => Ok(Balance::RoundRobin),
            "least" => Ok(Balance::Least),
            "two-choices" => Ok(Balance::TwoChoices),
            "hash" => Ok(Balance::Hash(None)),
            _ => match text.strip_prefix("hash:") {
                Some(name) if http::HeaderName::try_from(name).is_ok() => {
                    Ok(Balance::Hash(Some(name.to_ascii_lowercase())))
                }
                _ => Err(format!(
                    "unknown balance `{text}`: use round-robin, least, two-choices, hash or hash:HEADER"
                )),
            },
        }
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Balance::RoundRobin => f.write_str("round-robin"),
            Balance::Least => f.write_str("least"),
            Balance::TwoChoices => f.write_str("two-choices"),
            Balance::Hash(None) => f.write_str("hash"),
            Balance::Hash(Some(name)) => write!(f, "hash:{name}"),
        }
    }
}

/// What a choice knows of the back ends of a pool.
pub(crate) trait Candidates {
    /// How many there are.
    fn len(&self) -> usize;
    /// Whether one of them may be used now.
    fn is_usable(&self, index: usize) -> bool;
    /// How many connections or requests it has in flight.
    fn load(&self, index: usize) -> usize;
    /// A number that its name alone determines.
    fn hash(&self, index: usize) -> u64;
}

/// Chooses one of the candidates that may be used; `None` if there is none. `turn` is one more at each call, and
/// `key` the hash of what `Hash` goes by.
pub(crate) fn choose(
    balance: &Balance,
    candidates: &impl Candidates,
    turn: u64,
    key: u64,
) -> Option<usize> {
    let usable = || (0..candidates.len()).filter(|&index| candidates.is_usable(index));
    let count = usable().count();
    // A back end may go down between the count and the choice.
    let nth = |n: u64| {
        usable()
            .nth((n % count as u64) as usize)
            .or_else(|| usable().next())
    };
    if count <= 1 {
        return usable().next();
    }
    match balance {
        Balance::RoundRobin => nth(turn),
        Balance::Least => {
            let least = usable().map(|index| candidates.load(index)).min()?;
            let equals = || usable().filter(|&index| candidates.load(index) <= least);
            let nth = turn % equals().count().max(1) as u64;
            // Their load may change meanwhile.
            equals().nth(nth as usize).or_else(|| usable().next())
        }
        Balance::TwoChoices => {
            let random = mix(turn);
            let first = random % count as u64;
            // Another one than the first, each as likely.
            let step = 1 + (random >> 32) % (count as u64 - 1);
            let (a, b) = (nth(first)?, nth(first + step)?);
            Some(if candidates.load(b) < candidates.load(a) {
                b
            } else {
                a
            })
        }
        Balance::Hash(_) => usable().max_by_key(|&index| mix(key ^ candidates.hash(index))),
    }
}

/// Returns a hash of bytes that is the same in every process (FNV-1a).
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Spreads a number over all bits (the finaliser of splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed {
        usable: Vec<bool>,
        load: Vec<usize>,
    }

    impl Fixed {
        fn new(count: usize) -> Fixed {
            Fixed {
                usable: vec![true; count],
                load: vec![0; count],
            }
        }

        /// Chooses many times, and returns how often each was chosen.
        fn counts(&mut self, balance: &Balance, times: u64, keeps: bool) -> Vec<usize> {
            let mut counts = vec![0; self.load.len()];
            for turn in 0..times {
                let chosen = choose(balance, self, turn, mix(turn)).unwrap();
                assert!(self.usable[chosen]);
                counts[chosen] += 1;
                self.load[chosen] += usize::from(keeps);
            }
            counts
        }
    }

    impl Candidates for Fixed {
        fn len(&self) -> usize {
            self.usable.len()
        }
        fn is_usable(&self, index: usize) -> bool {
            self.usable[index]
        }
        fn load(&self, index: usize) -> usize {
            self.load[index]
        }
        fn hash(&self, index: usize) -> u64 {
            hash(format!("10.0.0.{index}:80").as_bytes())
        }
    }

    #[test]
    fn all_that_are_usable_get_an_equal_share() {
        for balance in [Balance::RoundRobin, Balance::Least, Balance::TwoChoices] {
            let mut pool = Fixed::new(4);
            pool.usable[1] = false;
            let counts = pool.counts(&balance, 3000, true);
            assert_eq!(counts[1], 0);
            let within = |count: &usize| (980..=1020).contains(count);
            assert!(
                [0, 2, 3].iter().all(|&at| within(&counts[at])),
                "{balance}: {counts:?}"
            );
        }
    }

    #[test]
    fn the_loaded_one_is_spared() {
        let loaded = || Fixed {
            load: vec![5, 0, 0],
            ..Fixed::new(3)
        };
        assert_eq!(loaded().counts(&Balance::Least, 300, false), [0, 150, 150]);
        let counts = loaded().counts(&Balance::TwoChoices, 3000, false);
        assert_eq!(counts[0], 0, "another one is always looked at");
        assert_eq!(loaded().counts(&Balance::RoundRobin, 300, false), [100; 3]);
    }

    #[test]
    fn a_key_keeps_its_back_end_and_only_those_of_one_that_is_down_move() {
        let mut pool = Fixed::new(5);
        let balance = Balance::Hash(None);
        let place = |pool: &Fixed| -> Vec<usize> {
            (0..5000)
                .map(|key| choose(&balance, pool, 7, mix(key)).unwrap())
                .collect()
        };
        let before = place(&pool);
        for index in 0..5 {
            let share = before.iter().filter(|&&at| at == index).count();
            assert!((850..1150).contains(&share), "{index}: {share}");
        }
        pool.usable[2] = false;
        let after = place(&pool);
        for (old, new) in before.iter().zip(&after) {
            assert!(old == new || *old == 2);
            assert_ne!(*new, 2);
        }
    }

    #[test]
    fn none_is_chosen_where_all_are_down() {
        let pool = Fixed {
            usable: vec![false; 3],
            ..Fixed::new(3)
        };
        assert_eq!(choose(&Balance::Least, &pool, 0, 0), None);
        assert_eq!(choose(&Balance::RoundRobin, &Fixed::new(0), 0, 0), None);
    }
}
