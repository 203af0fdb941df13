//! `Timers`, compared with a sorted list.

use std::rc::Rc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use switchboard_reactor::{TimerKey, Timers};

#[derive(Clone, Debug)]
enum Op {
    Arm(u64),
    /// Cancels the timer of the nth key, which may be stale.
    Cancel(usize),
    Change(usize),
    /// Advances the time by the first number, and pops all timers with a deadline by then, except as many of
    /// the newest as the second number says.
    Pop(u64, u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..20_u64).prop_map(Op::Arm),
        2 => any::<usize>().prop_map(Op::Cancel),
        1 => any::<usize>().prop_map(Op::Change),
        2 => (0..5_u64, 0..8_u64).prop_map(|(time, spared)| Op::Pop(time, spared)),
    ]
}

/// A sorted list of deadlines, numbers and values.
#[derive(Default)]
struct Naive(Vec<(Instant, u64, u64)>);

impl Naive {
    fn cancel(&mut self, number: u64) -> Option<u64> {
        let at = self.0.iter().position(|&(_, seq, _)| seq == number)?;
        Some(self.0.remove(at).2)
    }

    fn pop(&mut self, now: Instant, limit: u64) -> Option<u64> {
        let &(deadline, number, _) = self.0.first()?;
        (deadline <= now && number < limit).then(|| self.0.remove(0).2)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn timers_behave_like_a_sorted_list(ops in prop::collection::vec(op(), 0..300)) {
        let mut now = Instant::now();
        let mut timers = Timers::new();
        let mut naive = Naive::default();
        let mut keys: Vec<TimerKey> = Vec::new();
        for op in ops {
            let number = keys.len() as u64;
            match op {
                Op::Arm(delay) => {
                    let deadline = now + Duration::from_millis(delay);
                    prop_assert_eq!(timers.next_seq(), number);
                    keys.push(timers.arm(deadline, number));
                    naive.0.push((deadline, number, number));
                    naive.0.sort_unstable();
                }
                Op::Cancel(_) | Op::Change(_) if keys.is_empty() => {}
                Op::Cancel(nth) => {
                    let nth = nth % keys.len();
                    prop_assert_eq!(timers.cancel(keys[nth]), naive.cancel(nth as u64));
                }
                Op::Change(nth) => {
                    let nth = nth % keys.len();
                    let mine = timers.get_mut(keys[nth]);
                    let entry = naive.0.iter_mut().find(|(_, seq, _)| *seq == nth as u64);
                    let theirs = entry.map(|(_, _, value)| value);
                    prop_assert_eq!(&mine, &theirs);
                    if let (Some(mine), Some(theirs)) = (mine, theirs) {
                        *mine += 1000;
                        *theirs += 1000;
                    }
                }
                Op::Pop(time, spared) => {
                    now += Duration::from_millis(time);
                    let limit = number.saturating_sub(spared);
                    loop {
                        let popped = timers.pop(now, limit);
                        prop_assert_eq!(popped, naive.pop(now, limit));
                        if popped.is_none() {
                            break;
                        }
                    }
                }
            }
            prop_assert_eq!(timers.len(), naive.0.len());
            prop_assert_eq!(timers.is_empty(), naive.0.is_empty());
            prop_assert_eq!(timers.next_deadline(), naive.0.first().map(|first| first.0));
        }
        for (_, number, _) in naive.0 {
            prop_assert!(timers.cancel(keys[number as usize]).is_some());
        }
        for key in keys {
            prop_assert!(timers.cancel(key).is_none());
        }
    }
}

#[test]
fn a_million_timers_are_added_and_cancelled() {
    const PENDING: u64 = 100_000;
    let start = Instant::now();
    let value = Rc::new(());
    let mut timers = Timers::new();
    let mut keys: Vec<TimerKey> = Vec::new();
    let mut rng = fastrand::Rng::with_seed(1);
    let mut arm = |timers: &mut Timers<Rc<()>>| {
        let deadline = start + Duration::from_micros(rng.u64(..1 << 40));
        timers.arm(deadline, value.clone())
    };
    for _ in 0..PENDING {
        keys.push(arm(&mut timers));
    }
    for nth in 0..1_000_000 {
        let key = arm(&mut timers);
        // Cancels the new timer, or keeps it and cancels an old one.
        let at = nth * 31 % keys.len();
        let gone = if nth % 2 == 0 {
            std::mem::replace(&mut keys[at], key)
        } else {
            key
        };
        assert!(timers.cancel(gone).is_some());
        assert!(timers.cancel(gone).is_none());
    }
    assert_eq!(timers.len() as u64, PENDING);
    assert_eq!(Rc::strong_count(&value) as u64, 1 + PENDING);
    for key in &keys {
        assert!(timers.cancel(*key).is_some());
    }
    assert_eq!((timers.len(), Rc::strong_count(&value)), (0, 1));
    // The memory is freed, and still no old key matches a new timer.
    assert!(format!("{timers:?}").contains("entries: []"));
    for _ in 0..1000 {
        timers.arm(start, value.clone());
    }
    assert!(keys.iter().all(|key| timers.cancel(*key).is_none()));
}
