//! Callbacks that panic, and those that hold the loop.

use std::time::Duration;

use switchboard_reactor::{Budget, Registration};

use crate::kit::{Bench, Log, hold, lock, send, unix};

/// Checks that the last panic was told by its name, of this file and `line`.
fn panicked(bench: &Bench, line: u32) {
    let panics = lock(&bench.spy.panics);
    let names: Vec<_> = panics
        .iter()
        .map(|name| (name.file(), name.line()))
        .collect();
    assert_eq!(names, [(file!(), line)]);
}

pub(crate) fn a_callback_panics(bench: &Bench) {
    let log = Log::new();
    bench.call_soon(log.adds("before"));
    let line = line!() + 1;
    bench.call_soon(|| panic!("on purpose"));
    bench.call_soon(log.adds("after"));
    bench.turn_now();
    assert_eq!(log.all(), ["before", "after"]);
    panicked(bench, line);
    bench.run_out();
}

pub(crate) fn a_timer_panics(bench: &Bench) {
    let log = Log::new();
    let due = bench.now();
    let line = line!() + 1;
    bench.call_at(due, || panic!("on purpose"));
    bench.call_at(due, log.adds("after"));
    bench.run_out();
    assert_eq!(log.all(), ["after"]);
    panicked(bench, line);
}

pub(crate) fn a_reader_panics(bench: &Bench) {
    let (here, there) = unix();
    let own = Log::<Registration>::new();
    let (lp, registrations) = (bench.lp.clone(), own.clone());
    let line = line!() + 1;
    let registration = bench.add_reader(&here, move |_| {
        lp.remove(registrations.all()[0]);
        panic!("on purpose");
    });
    own.add(registration.expect("a reader"));
    send(&there);
    bench.run_out();
    panicked(bench, line);
}

pub(crate) fn stalls_are_named(bench: &Bench) {
    const STALL: Duration = Duration::from_millis(20);
    // The clock may be a tick of 10 ms behind.
    let long = || hold(STALL + Duration::from_millis(15));
    bench.set_budget(Budget {
        stall: STALL,
        ..Budget::default()
    });
    let mut lines = Vec::new();
    lines.push(line!() + 1);
    bench.call_soon(long);
    bench.run_out();

    lines.push(line!() + 1);
    bench.call_later(Duration::from_millis(1), long);
    bench.run_out();

    lines.push(line!() + 1);
    bench.spawn(async move { long() }).detach();
    bench.run_out();

    let (here, there) = unix();
    let own = Log::<Registration>::new();
    let (lp, registrations) = (bench.lp.clone(), own.clone());
    lines.push(line!() + 1);
    let registration = bench.add_reader(&here, move |_| {
        long();
        lp.remove(registrations.all()[0]);
    });
    own.add(registration.expect("a reader"));
    send(&there);
    bench.run_out();

    let stalls = lock(&bench.spy.stalls);
    assert!(stalls.iter().all(|stall| stall.name.file() == file!()));
    let named: Vec<_> = stalls.iter().map(|stall| stall.name.line()).collect();
    assert_eq!(named, lines);
    assert!(stalls.iter().all(|stall| stall.held >= STALL));
    assert!(stalls[0].to_string().contains(file!()));
}
