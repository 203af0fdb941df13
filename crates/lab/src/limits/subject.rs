//! The process that makes as many as it is told, and may end by it.
//!
//! Its parent writes a number on each line of stdin; it makes until it has that many, and answers on stdout with a
//! [`Step`]. Then it does nothing until the next line, so that the parent measures it at rest. It ends with its
//! stdin and with its parent.

use std::cell::Cell;
use std::future::pending;
use std::io::{self, BufRead, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use switchboard_process::{Child, fork, kill_with_parent};
use switchboard_reactor::{Driver, Loop, Quiet};
use switchboard_runtime::green::{self, Green};
use switchboard_runtime::{Model, spawn_local, yield_now};

use super::kind::Kind;

/// What the process makes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LimitSpec {
    pub(crate) kind: Kind,
}

/// What one line of stdin has led to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// How many there are now.
    pub(crate) count: u64,
    /// Seconds that it took to make those that are new.
    pub(crate) seconds: f64,
    /// Why there are no more.
    pub(crate) error: Option<Failed>,
}

/// An error of the system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub(crate) errno: Option<i32>,
    pub(crate) text: String,
}

/// Makes what is asked for until stdin ends; then this process exits.
///
/// # Errors
/// The system's, if stdin or stdout cannot be used or the loop cannot be opened.
pub(crate) fn run(spec: &LimitSpec) -> io::Result<serde_json::Value> {
    // If memory ran out in spite of all bounds, the kernel would end this process and no other.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // An abort is expected and leaves no core.
    setrlimit(Resource::Core, none)?;
    match spec.kind {
        Kind::Threads => make_threads()?,
        Kind::Processes => make_processes()?,
        Kind::Sockets => {
            let mut kept = Vec::new();
            let make = move || {
                kept.push(socket(AddressFamily::INET, SocketType::STREAM, None)?);
                Ok(())
            };
            Model::Blocking.run(serve(make, async |_| ()))??;
        }
        Kind::GreenThreads | Kind::Tasks | Kind::Timers => on_loop(spec.kind)?,
    }
    // What was made is not unmade one by one: it ends with the process.
    std::process::exit(0)
}

/// Answers each line of stdin, until it ends. `make` makes one more; `settle` waits until that many have begun.
async fn serve(
    mut make: impl FnMut() -> io::Result<()>,
    settle: impl AsyncFn(u64),
) -> io::Result<()> {
    let mut step = Step::default();
    let mut lines = io::stdin().lock().lines();
    loop {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", serde_json::to_string(&step)?)?;
        stdout.flush()?;
        drop(stdout);
        let Some(line) = lines.next().transpose()? else {
            return Ok(());
        };
        let target: u64 = line.parse().map_err(io::Error::other)?;
        let start = Instant::now();
        while step.count < target && step.error.is_none() {
            match make() {
                Ok(()) => step.count += 1,
                Err(error) => {
                    step.error = Some(Failed {
                        errno: error.raw_os_error(),
                        text: error.to_string(),
                    });
                }
            }
        }
        settle(step.count).await;
        step.seconds = start.elapsed().as_secs_f64();
    }
}

/// Makes threads, and waits until they run: what may end the process is in each thread's own start.
fn make_threads() -> io::Result<()> {
    let begun = Arc::new(AtomicU64::new(0));
    let beginning = begun.clone();
    let make = move || {
        let begun = beginning.clone();
        let wait = move || {
            begun.fetch_add(1, Ordering::Relaxed);
            loop {
                std::thread::park();
            }
        };
        Builder::new().spawn(wait).map(drop)
    };
    let settle = async |count| {
        while begun.load(Ordering::Relaxed) < count {
            std::thread::yield_now();
        }
    };
    Model::Blocking.run(serve(make, settle))?
}

/// Forks processes that wait for the end of a pipe, and reaps them.
fn make_processes() -> io::Result<()> {
    let (reader, writer) = io::pipe()?;
    let parent = std::process::id();
    let mut children: Vec<Child> = Vec::new();
    let mut writer = Some(writer);
    let make = || {
        let child = fork(|| {
            kill_with_parent(parent);
            // Only the parent holds the other end, so that the pipe ends with it.
            drop(writer.take());
            let ended = io::Read::read(&mut &reader, &mut [0]);
            i32::from(ended.is_err())
        })?;
        children.push(child);
        Ok(())
    };
    let served = Model::Blocking.run(serve(make, async |_| ()))?;
    drop(writer);
    for child in children {
        child.wait()?;
    }
    served
}

/// Makes what lives on a loop.
fn on_loop(kind: Kind) -> io::Result<()> {
    let lp = Loop::new(Driver::best())?;
    // A turn in which many are made is no stall worth a line.
    lp.set_hooks(Arc::new(Quiet));
    let timers = lp.clone();
    let begun = Rc::new(Cell::new(0));
    let beginning = begun.clone();
    let make = move || {
        let begun = beginning.clone();
        let begin = move || begun.set(begun.get() + 1);
        match kind {
            Kind::GreenThreads => {
                let wait = move || {
                    begin();
                    let _ = green::block_on(pending::<()>());
                };
                spawn_local(Green::new(wait)?).detach();
            }
            Kind::Timers => {
                timers.call_later(Duration::from_secs(3600), || ());
                begin();
            }
            _ => spawn_local(async move {
                begin();
                pending::<()>().await;
            })
            .detach(),
        }
        Ok(())
    };
    let settle = async |count| {
        while begun.get() < count {
            yield_now().await;
        }
    };
    Model::Tasks.run_on(&lp, async {
        serve(make, settle).await?;
        // The stacks need not be unwound.
        std::process::exit(0)
    })?
}
