//! Callbacks that panic, and callbacks that take long.

use std::time::Duration;

use switchboard_reactor::{Budget, CallbackKey};

use crate::support::{Fixture, Log, busy_wait, lock, send, unix_pair};

/// Checks that one panic was reported, by the name of this file and `line`.
fn panicked(fixture: &Fixture, line: u32) {
    let panics = lock(&fixture.recorder.panics);
    let names: Vec<_> = panics
        .iter()
        .map(|name| (name.file(), name.line()))
        .collect();
    assert_eq!(names, [(file!(), line)]);
}

pub(crate) fn the_loop_continues_after_a_call_panics(fixture: &Fixture) {
    let log = Log::new();
    fixture.call_soon(log.adds("before"));
    let line = line!() + 1;
    fixture.call_soon(|| panic!("on purpose"));
    fixture.call_soon(log.adds("after"));
    fixture.run_turn();
    assert_eq!(log.all(), ["before", "after"]);
    panicked(fixture, line);
    fixture.run_to_the_end();
}

pub(crate) fn the_loop_continues_after_a_timer_panics(fixture: &Fixture) {
    let log = Log::new();
    let due = fixture.now();
    let line = line!() + 1;
    fixture.call_at(due, || panic!("on purpose"));
    fixture.call_at(due, log.adds("after"));
    fixture.run_to_the_end();
    assert_eq!(log.all(), ["after"]);
    panicked(fixture, line);
}

pub(crate) fn the_loop_continues_after_a_reader_panics(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let own = Log::<CallbackKey>::new();
    let (lp, registrations) = (fixture.lp.clone(), own.clone());
    let line = line!() + 1;
    let registration = fixture.add_reader(&here, move |_| {
        lp.remove(registrations.all()[0])
            .expect("the callback is there");
        panic!("on purpose");
    });
    own.add(registration.expect("adding a reader succeeds"));
    send(&there);
    fixture.run_to_the_end();
    panicked(fixture, line);
}

pub(crate) fn stalls_are_reported_with_their_names(fixture: &Fixture) {
    const STALL: Duration = Duration::from_millis(20);
    // The measurement may be 10 ms too short.
    let long = || busy_wait(STALL + Duration::from_millis(15));
    fixture.set_budget(Budget {
        stall: STALL,
        ..Budget::default()
    });
    let mut lines = Vec::new();
    lines.push(line!() + 1);
    fixture.call_soon(long);
    fixture.run_to_the_end();

    lines.push(line!() + 1);
    fixture.call_later(Duration::from_millis(1), long);
    fixture.run_to_the_end();

    lines.push(line!() + 1);
    fixture.spawn(async move { long() }).detach();
    fixture.run_to_the_end();

    let (here, there) = unix_pair();
    let own = Log::<CallbackKey>::new();
    let (lp, registrations) = (fixture.lp.clone(), own.clone());
    lines.push(line!() + 1);
    let registration = fixture.add_reader(&here, move |_| {
        long();
        lp.remove(registrations.all()[0])
            .expect("the callback is there");
    });
    own.add(registration.expect("adding a reader succeeds"));
    send(&there);
    fixture.run_to_the_end();

    let stalls = lock(&fixture.recorder.stalls);
    assert!(stalls.iter().all(|stall| stall.name.file() == file!()));
    let named: Vec<_> = stalls.iter().map(|stall| stall.name.line()).collect();
    assert_eq!(named, lines);
    assert!(stalls.iter().all(|stall| stall.held >= STALL));
    assert!(stalls[0].to_string().contains(file!()));
}
