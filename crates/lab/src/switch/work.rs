//! What is timed, and how: batches of a size that takes a while, after a warm-up.

use std::cell::Cell;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use switchboard_process::{fork, kill_with_parent};
use switchboard_reactor::{Driver, Loop, Quiet};
use switchboard_runtime::{self as runtime, JoinError, Model, green};

use super::{SwitchSpec, threads};
use crate::compare::measured::median;
use crate::machine::pin;

/// What is done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Act {
    Call,
    SystemCall,
    Turn,
    SwitchCallback,
    SwitchTask,
    SwitchGreen,
    SwitchThread,
    SwitchThreadCores,
    SwitchProcess,
    SwitchProcessCores,
    StartCallback,
    StartTask,
    StartGreen,
    StartThread,
    StartProcess,
    WakeLoop,
    WakeLoopCores,
    ChannelTasks,
    ChannelLoops,
    ChannelThreads,
    ChannelThreadsCores,
    Timer,
    TimerDue,
}

impl Act {
    /// Returns the name of its row.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Act::Call => "function call",
            Act::SystemCall => "system call",
            Act::Turn => "turn of a loop",
            Act::SwitchCallback => "callback",
            Act::SwitchTask => "task",
            Act::SwitchGreen => "green thread",
            Act::SwitchThread => "thread",
            Act::SwitchThreadCores => "thread, two cores",
            Act::SwitchProcess => "process",
            Act::SwitchProcessCores => "process, two cores",
            Act::StartCallback => "start callback",
            Act::StartTask => "start task",
            Act::StartGreen => "start green thread",
            Act::StartThread => "start thread",
            Act::StartProcess => "start process",
            Act::WakeLoop => "wake a loop",
            Act::WakeLoopCores => "wake a loop, two cores",
            Act::ChannelTasks => "channel, tasks",
            Act::ChannelLoops => "channel, loops on two cores",
            Act::ChannelThreads => "std mpsc, threads",
            Act::ChannelThreadsCores => "std mpsc, threads on two cores",
            Act::Timer => "timer set and cancelled",
            Act::TimerDue => "timer set and due",
        }
    }

    /// Returns whether its two sides are on two cores.
    pub(crate) fn needs_two_cores(self) -> bool {
        use Act::{ChannelLoops, ChannelThreadsCores, WakeLoopCores};
        use Act::{SwitchProcessCores, SwitchThreadCores};
        matches!(
            self,
            SwitchThreadCores
                | SwitchProcessCores
                | WakeLoopCores
                | ChannelLoops
                | ChannelThreadsCores
        )
    }
}

/// Does the act for the warm-up and all batches, and returns the median of the seconds that one took.
///
/// # Errors
/// The system's, of pinning and of what the act uses.
pub(crate) fn run(spec: &SwitchSpec) -> io::Result<f64> {
    pin(None, spec.cores[0])?;
    match spec.act {
        Act::Call => spec.time(|n| {
            for number in 0..n {
                black_box(call(black_box(number)));
            }
            Ok(())
        }),
        Act::SystemCall => spec.time(|n| {
            for _ in 0..n {
                black_box(rustix::process::getppid());
            }
            Ok(())
        }),
        Act::SwitchThread | Act::SwitchThreadCores => {
            spec.median(|n| threads::park(n, spec.cores[1]))
        }
        Act::SwitchProcess | Act::SwitchProcessCores => processes(spec),
        Act::StartThread => spec.time(|n| {
            (0..n).try_for_each(|_| {
                let thread = std::thread::Builder::new().spawn(|| ())?;
                thread.join().map_err(|_| io::Error::other("it panicked"))
            })
        }),
        Act::StartProcess => spec.time(|n| (0..n).try_for_each(|_| fork(|| 0)?.wait().map(drop))),
        Act::WakeLoop | Act::WakeLoopCores => {
            spec.median(|n| threads::wake_loops(n, spec.cores[1]))
        }
        Act::ChannelLoops => spec.median(|n| threads::channel_of_loops(n, spec.cores[1])),
        Act::ChannelThreads | Act::ChannelThreadsCores => {
            spec.median(|n| threads::mpsc(n, spec.cores[1]))
        }
        Act::Turn | Act::SwitchCallback | Act::StartCallback | Act::Timer => {
            let lp = Loop::new(Driver::best())?;
            lp.set_hooks(Arc::new(Quiet));
            spec.time(|n| callbacks(&lp, spec.act, n))
        }
        Act::SwitchTask
        | Act::SwitchGreen
        | Act::StartTask
        | Act::StartGreen
        | Act::ChannelTasks
        | Act::TimerDue => {
            let lp = Loop::new(Driver::best())?;
            lp.set_hooks(Arc::new(Quiet));
            match spec.act {
                Act::SwitchTask | Act::SwitchGreen => {
                    spec.median(|n| Model::Tasks.run_on(&lp, by_turns(spec.act, n))?)
                }
                _ => spec.time(|n| Model::Tasks.run_on(&lp, flows(spec.act, n))?),
            }
        }
    }
}

impl SwitchSpec {
    /// Times `acts`, which does as many acts as it is told.
    fn time(&self, mut acts: impl FnMut(u64) -> io::Result<()>) -> io::Result<f64> {
        self.median(|count| {
            let start = Instant::now();
            acts(count)?;
            Ok(start.elapsed())
        })
    }

    /// Returns the median of what `timed` measures of one act, when it does as many as it is told.
    fn median(&self, mut timed: impl FnMut(u64) -> io::Result<Duration>) -> io::Result<f64> {
        // The warm-up finds how many acts a batch has.
        let mut count = 4;
        while timed(count)? < self.batch {
            count *= 2;
        }
        let mut batches = Vec::new();
        for _ in 0..self.batches {
            batches.push(timed(count)?.as_secs_f64() / count as f64);
        }
        Ok(median(batches))
    }
}

#[inline(never)]
fn call(number: u64) -> u64 {
    number ^ 1
}

/// Passes a byte there and back through two pipes; a switch is half of it.
fn processes(spec: &SwitchSpec) -> io::Result<f64> {
    let ((mut here, mut from_there), (mut there, mut from_here)) = (io::pipe()?, io::pipe()?);
    let parent = std::process::id();
    let core = spec.cores[1];
    let child = fork(|| {
        kill_with_parent(parent);
        let mut byte = [0];
        // The parent sends another byte when all is done.
        let echo = || {
            pin(None, core)?;
            loop {
                there.read_exact(&mut byte)?;
                from_there.write_all(&byte)?;
                if byte[0] != 0 {
                    return io::Result::Ok(());
                }
            }
        };
        i32::from({ echo }().is_err())
    })?;
    let mut pass = |byte: u8| {
        from_here.write_all(&[byte])?;
        here.read_exact(&mut [0])
    };
    let timed = spec.time(|n| (0..n.div_ceil(2)).try_for_each(|_| pass(0)));
    pass(1)?;
    child.wait()?;
    timed
}

/// How many callbacks, tasks or green threads take turns, so that they share the turns of their loop, as those of a
/// busy loop do.
const MANY: u64 = 100;

/// Runs `count` callbacks of a loop: each schedules the next in one chain or in many, or all are scheduled at first,
/// or a timer is set and cancelled.
fn callbacks(lp: &Loop, act: Act, count: u64) -> io::Result<()> {
    fn chain(lp: &Loop, left: u64) {
        if left > 0 {
            let own = lp.clone();
            lp.call_soon(move || chain(&own, left - 1));
        }
    }
    match act {
        Act::Turn => chain(lp, count),
        Act::SwitchCallback => (0..MANY.min(count)).for_each(|_| chain(lp, count.div_ceil(MANY))),
        Act::Timer => {
            for _ in 0..count {
                let timer = lp.call_later(Duration::from_secs(60), || ());
                black_box(timer.cancel());
            }
        }
        _ => {
            let ran = Rc::new(Cell::new(0_u64));
            for _ in 0..count {
                let ran = ran.clone();
                lp.call_soon(move || ran.set(ran.get() + 1));
            }
        }
    }
    lp.run_until_empty()
}

/// When the first of many flows began to take turns, and the last one ended.
struct Clock {
    begun: OnceLock<Instant>,
    ended: OnceLock<Instant>,
    left: AtomicU64,
}

impl Clock {
    fn begin(&self) {
        self.begun.get_or_init(Instant::now);
    }

    fn end(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.ended.get_or_init(Instant::now);
        }
    }
}

/// Has many tasks or green threads yield by turns, `count` times in all; returns how long that took once all ran.
async fn by_turns(act: Act, count: u64) -> io::Result<Duration> {
    let each = count.div_ceil(MANY);
    let clock = Arc::new(Clock {
        begun: OnceLock::new(),
        ended: OnceLock::new(),
        left: AtomicU64::new(MANY),
    });
    let start = |_| {
        let clock = clock.clone();
        match act {
            Act::SwitchTask => runtime::spawn(async move {
                runtime::yield_now().await;
                clock.begin();
                for _ in 0..each {
                    runtime::yield_now().await;
                }
                clock.end();
            }),
            _ => green::spawn(move || {
                let _ = green::block_on(runtime::yield_now());
                clock.begin();
                for _ in 0..each {
                    let _ = green::block_on(runtime::yield_now());
                }
                clock.end();
            }),
        }
    };
    all(runtime::gather((0..MANY).map(start)).await)?;
    match (clock.begun.get(), clock.ended.get()) {
        (Some(begun), Some(ended)) => {
            let took = ended.duration_since(*begun);
            Ok(took.mul_f64(count as f64 / (each * MANY) as f64))
        }
        _ => unreachable!("all have ended"),
    }
}

/// Does `count` acts in flows of the loop that runs.
async fn flows(act: Act, count: u64) -> io::Result<()> {
    match act {
        Act::ChannelTasks => {
            let ((to, there), (back, here)) = (runtime::channel(1), runtime::channel(1));
            let echo = runtime::spawn(async move {
                while let Ok(number) = there.recv().await {
                    let _ = back.send(number).await;
                }
            });
            let ask = runtime::spawn(async move {
                for number in 0..count.div_ceil(2) {
                    let _ = to.send(number).await;
                    let _ = here.recv().await;
                }
            });
            let (echo, ask) = runtime::join(echo, ask).await;
            all(vec![echo, ask])
        }
        Act::StartGreen => {
            for _ in 0..count {
                green::spawn(|| ()).await.map_err(io::Error::from)?;
            }
            Ok(())
        }
        Act::TimerDue => {
            for _ in 0..count {
                runtime::sleep(Duration::from_nanos(1)).await;
            }
            Ok(())
        }
        _ => {
            for _ in 0..count {
                runtime::spawn(async {}).await.map_err(io::Error::from)?;
            }
            Ok(())
        }
    }
}

fn all(ended: Vec<Result<(), JoinError>>) -> io::Result<()> {
    let ended: Result<(), JoinError> = ended.into_iter().collect();
    ended.map_err(io::Error::from)
}
