//! Timers of a loop.

use std::rc::Rc;
use std::time::{Duration, Instant};

use switchboard_reactor::Loop;
use switchboard_reactor::plumbing::Sockets;

use crate::kit::{Bench, Flag, Log, lock, send, take, unix};

const SOON: Duration = Duration::from_millis(2);

pub(crate) fn never_early(bench: &Bench) {
    let ran = Log::new();
    for micros in [0, 1, 999, 1_000, 1_500, 7_001] {
        let delay = Duration::from_micros(micros);
        let start = bench.now();
        for at in [false, true] {
            let (lp, ran) = (bench.lp.clone(), ran.clone());
            let check = move || {
                assert!(lp.now() >= start + delay, "early");
                ran.add(micros);
            };
            if at {
                bench.call_at(start + delay, check);
            } else {
                bench.call_later(delay, check);
            }
        }
    }
    bench.run_out();
    assert_eq!(ran.len(), 12);
}

pub(crate) fn in_order_of_deadline(bench: &Bench) {
    let log = Log::new();
    let start = bench.now();
    for nth in [7, 3, 9, 1, 5, 8, 0, 2, 6, 4] {
        bench.call_at(
            start + SOON + nth * Duration::from_micros(100),
            log.adds(nth),
        );
    }
    bench.run_out();
    assert_eq!(log.all(), (0..10).collect::<Vec<_>>());
}

pub(crate) fn equal_deadlines_in_order(bench: &Bench) {
    let log = Log::new();
    let start = bench.now();
    for nth in 0..100 {
        // Others between them, so that the heap is moved about.
        bench.call_at(start + SOON + SOON * (nth % 3), log.adds((nth % 3, nth)));
    }
    bench.run_out();
    let mut expected: Vec<_> = (0..100).map(|nth| (nth % 3, nth)).collect();
    expected.sort_unstable();
    assert_eq!(log.all(), expected);
}

pub(crate) fn a_cancelled_timer_drops_at_once(bench: &Bench) {
    let value = Rc::new(());
    let kept = value.clone();
    let handle = bench.call_later(SOON, move || drop(kept));
    assert_eq!(Rc::strong_count(&value), 2);
    assert!(handle.cancel());
    assert_eq!(Rc::strong_count(&value), 1);
    assert!(!handle.cancel());

    // One that takes its place has nothing to fear from the old handle.
    let log = Log::new();
    let next = bench.call_later(SOON, log.adds(()));
    assert!(!handle.cancel());
    bench.run_out();
    assert_eq!(log.len(), 1);
    assert!(!next.cancel());
}

pub(crate) fn cancelled_by_an_earlier_one(bench: &Bench) {
    let log = Log::new();
    let handles = Log::<switchboard_reactor::Handle>::new();
    let due = bench.now() + SOON;
    let value = Rc::new(());
    let (all, said, witness) = (handles.clone(), log.clone(), value.clone());
    handles.add(bench.call_at(due, move || {
        let [own, other] = all.all().try_into().expect("two");
        said.add((own.cancel(), other.cancel()));
        // The witness itself, and `value`.
        assert_eq!(Rc::strong_count(&witness), 2);
    }));
    let (kept, said) = (value.clone(), log.clone());
    handles.add(bench.call_at(due, move || {
        drop(kept);
        said.add((true, true));
    }));
    bench.run_out();
    assert_eq!(log.all(), [(false, true)]);
    assert_eq!(lock(&bench.spy.panics).len(), 0);
}

/// A timer that arms itself again whenever it fires.
fn rearm(lp: &Loop, when: fn(&Loop) -> Instant, log: &Log<()>) {
    let (again, count) = (lp.clone(), log.clone());
    lp.call_at(when(lp), move || {
        count.add(());
        assert!(count.len() < 10_000, "it starves the others");
        rearm(&again, when, &count);
    });
}

pub(crate) fn rearming_starves_no_descriptor(bench: &Bench) {
    let (here, there) = unix();
    let fired = Log::new();
    rearm(bench, Loop::now, &fired);
    let lp = bench.lp.clone();
    let watched = here.try_clone().expect("a duplicate");
    let slot = bench.add_reader(&here, move |_| {
        if take(&watched, 8).is_some() {
            lp.stop();
        }
    });
    send(&there);
    bench.run_forever().expect("a run");
    bench.remove(slot.expect("a reader"));
    assert!(fired.len() >= 1);
    assert!(lock(&bench.spy.turns).iter().all(|turn| turn.timers <= 1));
}

pub(crate) fn rearming_in_the_past_starves_no_timer(bench: &Bench) {
    let fired = Log::new();
    rearm(bench, |lp| lp.now() - Duration::from_secs(1), &fired);
    let lp = bench.lp.clone();
    bench.call_later(Duration::ZERO, move || lp.stop());
    bench.run_forever().expect("a run");
    assert!(fired.len() <= 2);
}

pub(crate) fn the_far_future(bench: &Bench) {
    let log = Log::new();
    let handle = bench.call_later(Duration::MAX, log.adds(()));
    bench.few_turns();
    assert!(handle.cancel());
    bench.run_out();
    assert_eq!(log.len(), 0);
}

pub(crate) fn wakers(bench: &Bench) {
    let [(old, old_waker), (new, new_waker), (not, not_waker)] = [(); 3].map(|()| Flag::new());
    let due = bench.now() + SOON;
    let timer = bench.wake_at(due, old_waker);
    assert!(bench.replace_waker(timer, &new_waker));
    let unwanted = bench.wake_at(due, not_waker.clone());
    bench.cancel_wake(unwanted);
    bench.cancel_wake(unwanted);
    assert!(!bench.replace_waker(unwanted, &not_waker));
    bench.run_out();
    assert!(bench.now() >= due);
    assert_eq!([old, new, not].map(|flag| flag.count()), [0, 1, 0]);
    assert!(!bench.replace_waker(timer, &new_waker));
}

pub(crate) fn a_burst_is_cancelled(bench: &Bench) {
    let value = Rc::new(());
    let handles: Vec<_> = (0..10_000)
        .map(|nth| {
            let kept = value.clone();
            bench.call_later(Duration::from_secs(nth % 77), move || drop(kept))
        })
        .collect();
    assert_eq!(Rc::strong_count(&value), 10_001);
    assert!(handles.iter().all(|handle| handle.cancel()));
    assert_eq!(Rc::strong_count(&value), 1);
    // Nothing is left to wait for.
    bench.run_out();
}
