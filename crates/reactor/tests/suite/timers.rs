//! Timers of a loop.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use switchboard_reactor::Loop;
use switchboard_reactor::plumbing::Sockets;

use crate::support::{Fixture, Log, WakeCounter, lock, send, take, unix_pair};

const SOON: Duration = Duration::from_millis(2);

pub(crate) fn timers_never_run_early(fixture: &Fixture) {
    let ran = Log::new();
    for micros in [0, 1, 999, 1_000, 1_500, 7_001] {
        let delay = Duration::from_micros(micros);
        let start = fixture.now();
        for at in [false, true] {
            let (lp, ran) = (fixture.lp.clone(), ran.clone());
            let check = move || {
                assert!(lp.now() >= start + delay, "early");
                ran.add(micros);
            };
            if at {
                fixture.call_at(start + delay, check);
            } else {
                fixture.call_later(delay, check);
            }
        }
    }
    fixture.run_to_the_end();
    assert_eq!(ran.len(), 12);
}

pub(crate) fn timers_run_in_order_of_deadline(fixture: &Fixture) {
    let log = Log::new();
    let start = fixture.now();
    for nth in [7, 3, 9, 1, 5, 8, 0, 2, 6, 4] {
        fixture.call_at(
            start + SOON + nth * Duration::from_micros(100),
            log.adds(nth),
        );
    }
    fixture.run_to_the_end();
    assert_eq!(log.all(), (0..10).collect::<Vec<_>>());
}

pub(crate) fn timers_of_one_deadline_run_in_order_of_creation(fixture: &Fixture) {
    let log = Log::new();
    let start = fixture.now();
    for nth in 0..100 {
        // Three deadlines are mixed, so that the heap is reordered.
        fixture.call_at(start + SOON + SOON * (nth % 3), log.adds((nth % 3, nth)));
    }
    fixture.run_to_the_end();
    let mut expected: Vec<_> = (0..100).map(|nth| (nth % 3, nth)).collect();
    expected.sort_unstable();
    assert_eq!(log.all(), expected);
}

pub(crate) fn cancelling_a_timer_drops_it_at_once(fixture: &Fixture) {
    let value = Rc::new(());
    let kept = value.clone();
    let handle = fixture.call_later(SOON, move || drop(kept));
    assert_eq!(Rc::strong_count(&value), 2);
    assert!(handle.cancel());
    assert_eq!(Rc::strong_count(&value), 1);
    assert!(!handle.cancel());

    // The old handle does not cancel a timer that reuses its place.
    let log = Log::new();
    let next = fixture.call_later(SOON, log.adds(()));
    assert!(!handle.cancel());
    fixture.run_to_the_end();
    assert_eq!(log.len(), 1);
    assert!(!next.cancel());
}

pub(crate) fn a_timer_can_cancel_another_of_its_deadline(fixture: &Fixture) {
    let log = Log::new();
    let handles = Log::<switchboard_reactor::Handle>::new();
    let due = fixture.now() + SOON;
    let value = Rc::new(());
    let (all, said, witness) = (handles.clone(), log.clone(), value.clone());
    handles.add(fixture.call_at(due, move || {
        let [own, other] = all.all().try_into().expect("two handles");
        said.add((own.cancel(), other.cancel()));
        // `witness` and `value` are left.
        assert_eq!(Rc::strong_count(&witness), 2);
    }));
    let (kept, said) = (value.clone(), log.clone());
    handles.add(fixture.call_at(due, move || {
        drop(kept);
        said.add((true, true));
    }));
    fixture.run_to_the_end();
    assert_eq!(log.all(), [(false, true)]);
    assert_eq!(lock(&fixture.recorder.panics).len(), 0);
}

/// Adds a timer that adds itself again whenever it expires.
fn repeat(lp: &Loop, when: fn(&Loop) -> Instant, log: &Log<()>) {
    let (again, count) = (lp.clone(), log.clone());
    lp.call_at(when(lp), move || {
        count.add(());
        assert!(count.len() < 10_000, "the timer starves the others");
        repeat(&again, when, &count);
    });
}

pub(crate) fn a_repeating_timer_starves_no_descriptor(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let fired = Log::new();
    repeat(fixture, Loop::now, &fired);
    let lp = fixture.lp.clone();
    let watched = here.try_clone().expect("the descriptor is duplicated");
    let slot = fixture.add_reader(&here, move |_| {
        if take(&watched, 8).is_some() {
            lp.stop();
        }
    });
    send(&there);
    fixture.run_forever().expect("the run succeeds");
    fixture
        .remove(slot.expect("adding a reader succeeds"))
        .expect("the callback is there");
    assert!(fired.len() >= 1);
    assert!(
        lock(&fixture.recorder.turns)
            .iter()
            .all(|turn| turn.timers <= 1)
    );
}

pub(crate) fn a_timer_repeating_in_the_past_starves_no_timer(fixture: &Fixture) {
    let fired = Log::new();
    repeat(fixture, |lp| lp.now() - Duration::from_secs(1), &fired);
    let lp = fixture.lp.clone();
    fixture.call_later(Duration::ZERO, move || lp.stop());
    fixture.run_forever().expect("the run succeeds");
    assert!(fired.len() <= 2);
}

pub(crate) fn the_longest_delay_is_accepted(fixture: &Fixture) {
    let log = Log::new();
    let handle = fixture.call_later(Duration::MAX, log.adds(()));
    fixture.run_some_turns();
    assert!(handle.cancel());
    fixture.run_to_the_end();
    assert_eq!(log.len(), 0);
}

pub(crate) fn a_timer_wakes_the_waker_that_was_set_last(fixture: &Fixture) {
    let [(old, old_waker), (new, new_waker), (not, not_waker)] =
        [(); 3].map(|()| WakeCounter::new());
    let due = fixture.now() + SOON;
    let timer = fixture.wake_at(due, old_waker);
    assert!(fixture.replace_waker(timer, &new_waker));
    let unwanted = fixture.wake_at(due, not_waker.clone());
    fixture.cancel_wake(unwanted);
    fixture.cancel_wake(unwanted);
    assert!(!fixture.replace_waker(unwanted, &not_waker));
    fixture.run_to_the_end();
    assert!(fixture.now() >= due);
    assert_eq!([old, new, not].map(|flag| flag.count()), [0, 1, 0]);
    assert!(!fixture.replace_waker(timer, &new_waker));
}

pub(crate) fn a_waker_that_is_replaced_may_use_the_timers(fixture: &Fixture) {
    struct UsesTimers;
    impl Wake for UsesTimers {
        fn wake(self: Arc<UsesTimers>) {}
    }
    impl Drop for UsesTimers {
        fn drop(&mut self) {
            let lp = Loop::current().expect("a loop runs");
            let timer = lp.wake_at(lp.now(), Waker::noop().clone());
            lp.cancel_wake(timer);
        }
    }
    let (woken, waker) = WakeCounter::new();
    let lp = fixture.lp.clone();
    fixture.call_soon(move || {
        let timer = lp.wake_at(lp.now() + SOON, Arc::new(UsesTimers).into());
        assert!(lp.replace_waker(timer, &waker));
    });
    fixture.run_to_the_end();
    assert!(lock(&fixture.recorder.panics).is_empty());
    assert_eq!(woken.count(), 1);
}

pub(crate) fn ten_thousand_timers_can_be_cancelled(fixture: &Fixture) {
    let value = Rc::new(());
    let handles: Vec<_> = (0..10_000)
        .map(|nth| {
            let kept = value.clone();
            fixture.call_later(Duration::from_secs(nth % 77), move || drop(kept))
        })
        .collect();
    assert_eq!(Rc::strong_count(&value), 10_001);
    assert!(handles.iter().all(|handle| handle.cancel()));
    assert_eq!(Rc::strong_count(&value), 1);
    // No timer is left, so the run ends.
    fixture.run_to_the_end();
}
