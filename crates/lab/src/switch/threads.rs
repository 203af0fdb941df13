//! Acts of two threads, which pass a turn there and back; a switch is half of it. Each function returns the time that
//! its acts took once both threads ran.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{Builder, JoinHandle, Thread};
use std::time::{Duration, Instant};

use switchboard_reactor::{Driver, Loop, Quiet, Remote};
use switchboard_runtime::{self as runtime, Model, Receiver, Sender};

use crate::machine::pin;

fn start(core: usize, f: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<Side> {
    let run = move || {
        pin(None, core)?;
        f()
    };
    Builder::new().spawn(run).map(Side)
}

/// The other thread.
struct Side(JoinHandle<io::Result<()>>);

impl Side {
    fn join(self) -> io::Result<()> {
        let panicked = |_| Err(io::Error::other("the other thread panicked"));
        self.0.join().unwrap_or_else(panicked)
    }
}

/// Parks and unparks two threads by turns, `count` times in all.
pub(super) fn park(count: u64, core: usize) -> io::Result<Duration> {
    let turn = Arc::new(AtomicU64::new(0));
    let main = std::thread::current();
    let theirs = turn.clone();
    // The first two turns wait for the thread's start.
    let last = count.next_multiple_of(2) + 2;
    let other = start(core, move || {
        take_turns(&theirs, 1..last, &main);
        Ok(())
    })?;
    take_turns(&turn, 0..2, other.0.thread());
    wait_for(&turn, 2);
    let start = Instant::now();
    take_turns(&turn, 2..last, other.0.thread());
    wait_for(&turn, last);
    let took = start.elapsed();
    other.join()?;
    Ok(took)
}

/// Takes every other turn, from the first of `turns` on.
fn take_turns(turn: &AtomicU64, turns: Range<u64>, other: &Thread) {
    for mine in turns.step_by(2) {
        wait_for(turn, mine);
        turn.store(mine + 1, Ordering::Release);
        other.unpark();
    }
}

fn wait_for(turn: &AtomicU64, mine: u64) {
    while turn.load(Ordering::Acquire) != mine {
        std::thread::park();
    }
}

/// Passes numbers through two channels of the standard library.
pub(super) fn mpsc(count: u64, core: usize) -> io::Result<Duration> {
    let ((to, there), (back, here)) = (mpsc::sync_channel(1), mpsc::sync_channel(1));
    let other = start(core, move || {
        while let Ok(number) = there.recv() {
            if back.send(number).is_err() {
                break;
            }
        }
        Ok(())
    })?;
    let pass = |number| {
        let sent = to.send(number).is_ok();
        (sent && here.recv().is_ok())
            .then_some(())
            .ok_or_else(|| io::Error::other("the other thread has ended"))
    };
    pass(0)?;
    let start = Instant::now();
    (0..count.div_ceil(2)).try_for_each(pass)?;
    let took = start.elapsed();
    drop(to);
    other.join()?;
    Ok(took)
}

fn quiet_loop() -> io::Result<Loop> {
    let lp = Loop::new(Driver::best())?;
    lp.set_hooks(Arc::new(Quiet));
    Ok(lp)
}

/// Has two loops, each on a thread, call a function of the other by turns. Each waits in its driver meanwhile, and is
/// woken by its notifier.
pub(super) fn wake_loops(count: u64, core: usize) -> io::Result<Duration> {
    let lp = quiet_loop()?;
    let here = lp.remote();
    let (tell, told) = mpsc::channel();
    let other = start(core, move || {
        let lp = quiet_loop()?;
        let _ = tell.send(lp.remote());
        lp.run_forever()
    })?;
    let there = told
        .recv()
        .map_err(|_| io::Error::other("the other loop could not be opened"))?;
    let start = Instant::now();
    bounce(here, there, count.next_multiple_of(2));
    lp.run_forever()?;
    let took = start.elapsed();
    other.join()?;
    Ok(took)
}

/// Passes the turn to `there`, which passes it back; with the last turn both loops stop.
fn bounce(here: Remote, there: Remote, left: u64) {
    there.clone().call_soon(move || {
        if left == 0 {
            here.call_soon(stop_current);
            return stop_current();
        }
        bounce(there, here, left - 1);
    });
}

fn stop_current() {
    if let Some(lp) = Loop::current() {
        lp.stop();
    }
}

/// Passes numbers through two of our channels between the loops of two threads.
pub(super) fn channel_of_loops(count: u64, core: usize) -> io::Result<Duration> {
    let ((to, there), (back, here)) = (runtime::channel(1), runtime::channel(1));
    let other = start(core, move || {
        let lp = quiet_loop()?;
        Model::Tasks.run_on(&lp, echo(there, back))
    })?;
    let ask = async move {
        let mut start = Instant::now();
        for number in 0..=count.div_ceil(2) {
            if to.send(number).await.is_err() || here.recv().await.is_err() {
                return Err(io::Error::other("the other loop has ended"));
            }
            // The first one waits for the thread's start.
            if number == 0 {
                start = Instant::now();
            }
        }
        Ok(start.elapsed())
    };
    let took = Model::Tasks.run_on(&quiet_loop()?, ask)??;
    other.join()?;
    Ok(took)
}

async fn echo(there: Receiver<u64>, back: Sender<u64>) {
    while let Ok(number) = there.recv().await {
        if back.send(number).await.is_err() {
            return;
        }
    }
}
