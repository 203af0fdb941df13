//! `call_soon`: order, budget and cancellation.

use std::rc::Rc;

use switchboard_reactor::Budget;

use crate::support::{Fixture, Log, OnDrop, lock};

pub(crate) fn calls_run_first_in_first_out(fixture: &Fixture) {
    let log = Log::new();
    for nth in 0..100 {
        fixture.call_soon(log.adds(nth));
    }
    fixture.run_to_the_end();
    assert_eq!(log.all(), (0..100).collect::<Vec<_>>());
}

pub(crate) fn a_call_added_by_a_call_runs_in_the_next_turn(fixture: &Fixture) {
    let log = Log::new();
    let (lp, inner) = (fixture.lp.clone(), log.clone());
    fixture.call_soon(move || {
        inner.add("first");
        lp.call_soon(inner.adds("added"));
    });
    fixture.call_soon(log.adds("second"));
    fixture.run_turn();
    assert_eq!(log.all(), ["first", "second"]);
    fixture.run_turn();
    assert_eq!(log.all(), ["first", "second", "added"]);
}

pub(crate) fn a_turn_runs_no_more_than_its_budget(fixture: &Fixture) {
    fixture.set_budget(Budget {
        ready: 3,
        ..Budget::default()
    });
    let log = Log::new();
    for nth in 0..10 {
        fixture.call_soon(log.adds(nth));
    }
    fixture.run_to_the_end();
    assert_eq!(log.all(), (0..10).collect::<Vec<_>>());
    let ran: Vec<_> = lock(&fixture.recorder.turns)
        .iter()
        .map(|turn| turn.ran)
        .collect();
    assert_eq!(ran, [3, 3, 3, 1]);
}

pub(crate) fn a_cancelled_call_does_not_run(fixture: &Fixture) {
    let log = Log::new();
    let handle = fixture.call_soon(log.adds("no"));
    let other = fixture.call_soon(log.adds("yes"));
    let clone = handle.clone();
    assert!(handle.cancel());
    assert!(!handle.cancel());
    assert!(!clone.cancel());
    fixture.run_to_the_end();
    assert_eq!(log.all(), ["yes"]);
    assert!(!other.cancel());
}

pub(crate) fn a_call_can_cancel_another(fixture: &Fixture) {
    let log = Log::new();
    let handles = Log::new();
    let (mine, seen) = (handles.clone(), log.clone());
    fixture.call_soon(move || {
        let [own, later]: [switchboard_reactor::Handle; 2] =
            mine.all().try_into().expect("two handles");
        seen.add((own.cancel(), later.cancel()));
    });
    // The first callback runs by the time it cancels itself, which is too late.
    let later = fixture.call_soon(log.adds((true, true)));
    handles.add(fixture.call_soon(|| ()));
    assert!(handles.all()[0].cancel());
    handles.add(later);
    fixture.run_to_the_end();
    assert_eq!(log.all(), [(false, true)]);
}

pub(crate) fn cancelling_a_call_drops_it_at_once(fixture: &Fixture) {
    let value = Rc::new(());
    let kept = value.clone();
    let handle = fixture.call_soon(move || drop(kept));
    assert_eq!(Rc::strong_count(&value), 2);
    assert!(handle.cancel());
    assert_eq!(Rc::strong_count(&value), 1);
}

pub(crate) fn a_dropped_call_may_use_the_loop(fixture: &Fixture) {
    let log = Log::new();
    for cancels in [true, false] {
        let (lp, inner) = (fixture.lp.clone(), log.clone());
        let guard = OnDrop(move || {
            lp.call_soon(inner.adds("dropped"));
        });
        let handle = fixture.call_soon(move || drop(guard));
        assert!(!cancels || handle.cancel());
        fixture.run_to_the_end();
    }
    assert_eq!(log.all(), ["dropped"; 2]);
}

pub(crate) fn a_stale_handle_cancels_nothing(fixture: &Fixture) {
    let log = Log::new();
    let stale = fixture.call_soon(|| ());
    assert!(stale.cancel());
    fixture.call_soon(log.adds("new"));
    assert!(!stale.cancel());
    fixture.run_to_the_end();
    assert_eq!(log.len(), 1);
}

pub(crate) fn a_handle_may_outlive_its_loop(fixture: &Fixture) {
    let value = Rc::new(());
    let handle = {
        let other = fixture.another_loop();
        let kept = value.clone();
        other.call_soon(move || drop(kept))
    };
    assert_eq!(Rc::strong_count(&value), 1);
    assert!(!handle.cancel());
}
