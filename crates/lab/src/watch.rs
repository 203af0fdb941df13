//! What disturbs measuring: other programs, the host of a virtual machine, a clock that slows down.
//!
//! Other programs are what the kernel counts for the cores of this process and is not of its tree. A control loop, a
//! fixed computation, is timed again and again: it finds what is not counted.

mod counted;

use std::fs;
use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::machine::cores;
use crate::report::Figure;
use crate::usage::{tree, tree_cpu};

use counted::{Counted, Others, counted, greatest, others};

/// A share above which something disturbs: of the cores for other programs and the host, of its time for the control
/// loop.
const TOLERATED: f64 = 0.10;

/// What is shorter is not judged: the kernel counts in ticks of 10 ms.
const SHORTEST: Duration = Duration::from_millis(200);

/// Steps of the control loop: some two milliseconds.
const STEPS: u32 = 1_000_000;

/// The watch for disturbances of a run of the lab.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The seconds of the control loop, each time.
    control: Mutex<Vec<f64>>,
}

/// What had been used by a moment.
#[derive(Debug)]
pub(crate) struct Moment {
    at: Instant,
    ours: Duration,
    counted: Counted,
    others: Others,
}

/// What disturbed a part of the measuring.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Disturbance {
    /// The share of the cores that other programs used.
    pub(crate) others: f64,
    /// The share of the cores that the host of this virtual machine used for others.
    pub(crate) steal: f64,
    /// How much longer the control loop took than at its best: 0.2 is a fifth.
    pub(crate) slower: f64,
    /// The greatest of the other programs, with their shares.
    pub(crate) names: Vec<(String, f64)>,
}

impl Watch {
    /// Times the control loop, which takes some 10 ms. The least of five is taken: a core that has slept is slow at first,
    /// and what interrupts is counted elsewhere.
    pub(crate) fn control(&self) -> f64 {
        let times = (0..5).map(|_| {
            let start = Instant::now();
            black_box(compute(black_box(STEPS)));
            start.elapsed().as_secs_f64()
        });
        let took = times.fold(f64::INFINITY, f64::min);
        if let Ok(mut control) = self.control.lock() {
            control.push(took);
        }
        took
    }

    /// Returns all times of the control loop; their spread is the drift of the machine.
    pub(crate) fn drift(&self) -> Option<Figure> {
        Figure::of(self.control.lock().ok()?.clone())
    }

    /// Returns what has been used so far.
    pub(crate) fn moment(&self) -> Moment {
        let me = std::process::id();
        let (user, system) = tree_cpu(me).unwrap_or_default();
        Moment {
            at: Instant::now(),
            ours: user + system,
            counted: counted(
                &fs::read_to_string("/proc/stat").unwrap_or_default(),
                &cores(),
            ),
            others: others(&tree(me)),
        }
    }

    /// Returns what has disturbed since a moment; `None` if nothing did, or if that cannot be known.
    pub(crate) fn since(&self, before: &Moment) -> Option<Disturbance> {
        let took = self.control();
        let now = self.moment();
        let elapsed = now.at - before.at;
        if elapsed < SHORTEST {
            return None;
        }
        let tick = 1.0 / rustix::param::clock_ticks_per_second().max(1) as f64;
        let capacity = elapsed.as_secs_f64() * cores().len() as f64;
        let share = |ticks: u64| ticks as f64 * tick / capacity;
        let busy = share(now.counted.busy.saturating_sub(before.counted.busy));
        let ours = now.ours.saturating_sub(before.ours).as_secs_f64() / capacity;
        let best = self.drift()?.samples().iter().copied().fold(took, f64::min);
        let names = greatest(&before.others, &now.others, share);
        let named: f64 = names.iter().map(|(_, share)| share).sum();
        let found = Disturbance {
            // Two clocks that count differently: the greater one is not less than what is named.
            others: (busy - ours).max(named).clamp(0.0, 1.0),
            steal: share(now.counted.steal.saturating_sub(before.counted.steal)).min(1.0),
            slower: took / best - 1.0,
            names,
        };
        found.is_one().then_some(found)
    }
}

impl Disturbance {
    fn is_one(&self) -> bool {
        [self.others, self.steal, self.slower]
            .iter()
            .any(|share| *share > TOLERATED)
    }

    /// Returns the factor by which it can have slowed what was measured. A server, or its load, is pinned to one core, and
    /// a neighbour may have been on that one all the time.
    pub(crate) fn factor(&self) -> f64 {
        self.factor_on(cores().len())
    }

    fn factor_on(&self, cores: usize) -> f64 {
        let left = (1.0 - self.others * cores as f64 - self.steal).max(0.1);
        (1.0 / left).max(1.0 + self.slower)
    }

    /// Says what disturbed, as a sentence without its end: `other programs used 63 % of the 2 cores (cc1plus 40 %)`.
    pub(crate) fn said(&self) -> String {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let mut said = Vec::new();
        if self.others > TOLERATED {
            let names: Vec<String> = self
                .names
                .iter()
                .map(|(name, share)| format!("{name} {}", percent(*share)))
                .collect();
            let names = match names.is_empty() {
                true => "none of them can be seen from here".to_owned(),
                false => names.join(", "),
            };
            let count = cores().len();
            let of = if count == 1 {
                "core".to_owned()
            } else {
                format!("{count} cores")
            };
            said.push(format!(
                "other programs used {} of the {of} ({names})",
                percent(self.others)
            ));
        }
        if self.steal > TOLERATED {
            said.push(format!(
                "the host of this virtual machine used {} of its cores for others",
                percent(self.steal)
            ));
        }
        if self.slower > TOLERATED {
            said.push(format!(
                "a control loop took up to {} longer than at its best",
                percent(self.slower)
            ));
        }
        said.join("; ")
    }

    /// Takes the greater of each from another one.
    pub(crate) fn worse(self, other: Disturbance) -> Disturbance {
        let names = if other.others > self.others {
            other.names
        } else {
            self.names
        };
        Disturbance {
            others: self.others.max(other.others),
            steal: self.steal.max(other.steal),
            slower: self.slower.max(other.slower),
            names,
        }
    }
}

/// A fixed computation that stays in registers: a xorshift generator.
fn compute(steps: u32) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..steps {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disturbance_is_said_with_its_shares_and_bounds_what_it_can_have_done() {
        let found = Disturbance {
            others: 0.5,
            steal: 0.3,
            slower: 0.0,
            names: vec![("cc".to_owned(), 0.45)],
        };
        let said = found.said();
        assert!(
            said.starts_with("other programs used 50 % of the ") && said.contains("(cc 45 %)"),
            "{said}"
        );
        assert!(
            said.ends_with("; the host of this virtual machine used 30 % of its cores for others"),
            "{said}"
        );
        // Half of one core of two is all of the other one.
        assert!((found.factor_on(1) - 5.0).abs() < 1e-9);
        assert!((found.factor_on(2) - 10.0).abs() < 1e-9);
        let slow = Disturbance {
            slower: 0.4,
            ..Disturbance::default()
        };
        assert!(slow.is_one() && slow.factor() == 1.4);
        assert_eq!(found.clone().worse(slow).slower, 0.4);
        assert!(
            !Disturbance {
                others: 0.1,
                ..Disturbance::default()
            }
            .is_one()
        );
    }
}
