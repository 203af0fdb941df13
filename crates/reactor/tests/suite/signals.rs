//! Signals as events of a loop.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::low_level::raise;
use switchboard_reactor::SignalPipe;

use crate::support::{Fixture, Log};

/// Adds to `log`, and stops the loop, whenever a signal arrives.
fn listen(fixture: &Fixture, log: &Log<()>) -> Rc<SignalPipe> {
    let pipe = Rc::new(SignalPipe::new(&[SIGUSR1]).expect("the signal is caught"));
    let (lp, inner, seen) = (fixture.lp.clone(), pipe.clone(), log.clone());
    let own = Rc::new(Cell::new(None));
    let slot = own.clone();
    let added = fixture.add_reader(&*pipe, move |_| {
        if inner.take().expect("the pipe is readable") {
            seen.add(());
            if seen.len() == 3 {
                slot.take()
                    .into_iter()
                    .for_each(|slot| lp.remove(slot).expect("the callback is there"));
            }
            lp.stop();
        }
    });
    own.set(Some(added.expect("adding a reader succeeds")));
    pipe
}

pub(crate) fn signals_run_the_reader_of_their_pipe(fixture: &Fixture) {
    let log = Log::new();
    let pipe = listen(fixture, &log);
    assert!(!pipe.take().expect("the pipe is readable"));
    for nth in 1..=3 {
        // Several signals that arrive before they are taken count as one.
        fixture.call_soon(|| (0..5).for_each(|_| raise(SIGUSR1).expect("the signal is raised")));
        fixture.run_forever().expect("the run succeeds");
        assert_eq!(log.len(), nth);
        assert!(!pipe.take().expect("the pipe is readable"));
    }
    fixture.run_to_the_end();
    // Without a pipe, the signal has no effect.
    drop(pipe);
    raise(SIGUSR1).expect("the signal is raised");
}

pub(crate) fn signals_of_other_threads_arrive(fixture: &Fixture) {
    let log = Log::new();
    let _pipe = listen(fixture, &log);
    for nth in 1..=3 {
        thread::scope(|scope| {
            scope.spawn(|| raise(SIGUSR1).expect("the signal is raised"));
            fixture.run_forever().expect("the run succeeds");
        });
        assert_eq!(log.len(), nth);
    }
}

pub(crate) fn a_signal_that_is_left_keeps_its_pipe_readable(_fixture: &Fixture) {
    let pipe = SignalPipe::new(&[SIGUSR2, SIGWINCH]).expect("the signals are caught");
    let is_readable = || {
        let mut fds = [PollFd::new(&pipe, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).expect("the pipe is polled") == 1
    };
    let take = || pipe.take_signal().expect("the pipe is readable");
    raise(SIGWINCH).expect("the signal is raised");
    assert_eq!(take(), Some(SIGWINCH));
    // The look that finds no signal reads the bytes of all.
    assert_eq!(take(), None);
    assert!(!is_readable());
    // Read the bytes of both signals before either is returned.
    raise(SIGUSR2).expect("the signal is raised");
    raise(SIGWINCH).expect("the signal is raised");
    assert!(pipe.take().expect("the pipe is readable"));
    assert_eq!(take(), Some(SIGUSR2));
    assert!(is_readable());
    assert_eq!(take(), Some(SIGWINCH));
    assert_eq!(take(), None);
    assert!(!is_readable());
}

/// Returns the id of this thread if the system can send signals to threads, or else of the process.
fn this_thread() -> Pid {
    #[cfg(target_os = "linux")]
    return rustix::thread::gettid();
    #[cfg(not(target_os = "linux"))]
    rustix::process::getpid()
}

/// A wait that a signal interrupts continues until its deadline, and no longer.
pub(crate) fn signals_do_not_end_a_wait(fixture: &Fixture) {
    const WHILE: Duration = Duration::from_millis(50);
    let caught = Arc::new(AtomicBool::new(false));
    let handler =
        signal_hook::flag::register(SIGUSR1, caught.clone()).expect("the handler is registered");
    let over = AtomicBool::new(false);
    let sleeper = this_thread();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                kill_process(sleeper, Signal::USR1).expect("the signal is sent");
                // This sleep only limits the rate of the signals.
                thread::sleep(Duration::from_millis(3));
            }
        });
        // The thread that sends runs from here on.
        while !caught.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let start = fixture.now();
        let log = Log::new();
        let (lp, seen) = (fixture.lp.clone(), log.clone());
        fixture.call_later(WHILE, move || seen.add(lp.now() - start >= WHILE));
        let result = fixture.run_until_empty();
        over.store(true, Ordering::Release);
        result.expect("the run succeeds");
        assert_eq!(log.all(), [true]);
        // Interruptions do not count as turns.
        assert!(fixture.recorder.turns() <= 3);
    });
    signal_hook::low_level::unregister(handler);
}
