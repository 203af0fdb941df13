//! `call_soon`: order, budget and cancelling.

use std::rc::Rc;

use switchboard_reactor::Budget;

use crate::kit::{Bench, Log, OnDrop, lock};

pub(crate) fn first_in_first_out(bench: &Bench) {
    let log = Log::new();
    for nth in 0..100 {
        bench.call_soon(log.adds(nth));
    }
    bench.run_out();
    assert_eq!(log.all(), (0..100).collect::<Vec<_>>());
}

pub(crate) fn what_is_added_waits_a_turn(bench: &Bench) {
    let log = Log::new();
    let (lp, inner) = (bench.lp.clone(), log.clone());
    bench.call_soon(move || {
        inner.add("first");
        lp.call_soon(inner.adds("added"));
    });
    bench.call_soon(log.adds("second"));
    bench.turn_now();
    assert_eq!(log.all(), ["first", "second"]);
    bench.turn_now();
    assert_eq!(log.all(), ["first", "second", "added"]);
}

pub(crate) fn the_budget_is_kept(bench: &Bench) {
    bench.set_budget(Budget {
        ready: 3,
        ..Budget::default()
    });
    let log = Log::new();
    for nth in 0..10 {
        bench.call_soon(log.adds(nth));
    }
    bench.run_out();
    assert_eq!(log.all(), (0..10).collect::<Vec<_>>());
    let ran: Vec<_> = lock(&bench.spy.turns).iter().map(|turn| turn.ran).collect();
    assert_eq!(ran, [3, 3, 3, 1]);
}

pub(crate) fn cancelled_before(bench: &Bench) {
    let log = Log::new();
    let handle = bench.call_soon(log.adds("no"));
    let other = bench.call_soon(log.adds("yes"));
    let clone = handle.clone();
    assert!(handle.cancel());
    assert!(!handle.cancel());
    assert!(!clone.cancel());
    bench.run_out();
    assert_eq!(log.all(), ["yes"]);
    assert!(!other.cancel());
}

pub(crate) fn cancelled_from_a_callback(bench: &Bench) {
    let log = Log::new();
    let handles = Log::new();
    let (mine, seen) = (handles.clone(), log.clone());
    bench.call_soon(move || {
        let [own, later]: [switchboard_reactor::Handle; 2] = mine.all().try_into().expect("two");
        seen.add((own.cancel(), later.cancel()));
    });
    // The first callback is running when it is asked for: too late for it.
    let later = bench.call_soon(log.adds((true, true)));
    handles.add(bench.call_soon(|| ()));
    assert!(handles.all()[0].cancel());
    handles.add(later);
    bench.run_out();
    assert_eq!(log.all(), [(false, true)]);
}

pub(crate) fn cancel_drops_at_once(bench: &Bench) {
    let value = Rc::new(());
    let kept = value.clone();
    let handle = bench.call_soon(move || drop(kept));
    assert_eq!(Rc::strong_count(&value), 2);
    assert!(handle.cancel());
    assert_eq!(Rc::strong_count(&value), 1);
}

pub(crate) fn what_is_dropped_may_use_the_loop(bench: &Bench) {
    let log = Log::new();
    for cancels in [true, false] {
        let (lp, inner) = (bench.lp.clone(), log.clone());
        let guard = OnDrop(move || {
            lp.call_soon(inner.adds("dropped"));
        });
        let handle = bench.call_soon(move || drop(guard));
        assert!(!cancels || handle.cancel());
        bench.run_out();
    }
    assert_eq!(log.all(), ["dropped"; 2]);
}

pub(crate) fn a_stale_handle_cancels_nothing(bench: &Bench) {
    let log = Log::new();
    let stale = bench.call_soon(|| ());
    assert!(stale.cancel());
    bench.call_soon(log.adds("it takes the place"));
    assert!(!stale.cancel());
    bench.run_out();
    assert_eq!(log.len(), 1);
}

pub(crate) fn a_handle_outlives_the_loop(bench: &Bench) {
    let value = Rc::new(());
    let handle = {
        let other = bench.another();
        let kept = value.clone();
        other.call_soon(move || drop(kept))
    };
    assert_eq!(Rc::strong_count(&value), 1);
    assert!(!handle.cancel());
}
