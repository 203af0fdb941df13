//! Signals.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::SIGUSR1;
use signal_hook::low_level::raise;
use switchboard_reactor::SignalPipe;

use crate::kit::{Bench, Log};

/// Counts what arrives through a pipe; stops the loop at each.
fn listen(bench: &Bench, log: &Log<()>) -> Rc<SignalPipe> {
    let pipe = Rc::new(SignalPipe::new(&[SIGUSR1]).expect("it is caught"));
    let (lp, inner, seen) = (bench.lp.clone(), pipe.clone(), log.clone());
    let own = Rc::new(Cell::new(None));
    let slot = own.clone();
    let added = bench.add_reader(&*pipe, move |_| {
        if inner.take().expect("a pipe") {
            seen.add(());
            if seen.len() == 3 {
                slot.take().into_iter().for_each(|slot| lp.remove(slot));
            }
            lp.stop();
        }
    });
    own.set(Some(added.expect("a reader")));
    pipe
}

pub(crate) fn into_the_loop(bench: &Bench) {
    let log = Log::new();
    let pipe = listen(bench, &log);
    assert!(!pipe.take().expect("a pipe"));
    for nth in 1..=3 {
        // Many that come before they are taken are one.
        bench.call_soon(|| (0..5).for_each(|_| raise(SIGUSR1).expect("it is raised")));
        bench.run_forever().expect("a run");
        assert_eq!(log.len(), nth);
        assert!(!pipe.take().expect("a pipe"));
    }
    bench.run_out();
    // Nobody listens any more, and nothing comes of it.
    drop(pipe);
    raise(SIGUSR1).expect("it is raised");
}

pub(crate) fn from_elsewhere(bench: &Bench) {
    let log = Log::new();
    let _pipe = listen(bench, &log);
    for nth in 1..=3 {
        thread::scope(|scope| {
            scope.spawn(|| raise(SIGUSR1).expect("it is raised"));
            bench.run_forever().expect("a run");
        });
        assert_eq!(log.len(), nth);
    }
}

/// A thread, if this system can aim at one; else the process.
fn this_thread() -> Pid {
    #[cfg(target_os = "linux")]
    return rustix::thread::gettid();
    #[cfg(not(target_os = "linux"))]
    rustix::process::getpid()
}

/// A wait that a signal interrupts goes on, to its end and no further.
pub(crate) fn interrupted_waits(bench: &Bench) {
    const WHILE: Duration = Duration::from_millis(50);
    let caught = Arc::new(AtomicBool::new(false));
    let handler = signal_hook::flag::register(SIGUSR1, caught.clone()).expect("a handler");
    let over = AtomicBool::new(false);
    let sleeper = this_thread();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                kill_process(sleeper, Signal::USR1).expect("it is sent");
                // The pace of the signals; nothing waits for it.
                thread::sleep(Duration::from_millis(3));
            }
        });
        let start = bench.now();
        let log = Log::new();
        let (lp, seen) = (bench.lp.clone(), log.clone());
        bench.call_later(WHILE, move || seen.add(lp.now() - start >= WHILE));
        let result = bench.run_until_empty();
        over.store(true, Ordering::Release);
        result.expect("a run");
        assert_eq!(log.all(), [true]);
        // The interruptions were no turns.
        assert!(bench.spy.turns() <= 3);
    });
    if bench.is_exact() {
        assert!(caught.load(Ordering::Acquire));
    }
    signal_hook::low_level::unregister(handler);
}
