//! Jobs for tests, and ways to look at processes.
//!
//! The tests run without the test harness, whose threads would forbid to fork.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getppid, kill_process};
use switchboard_net::Stream;
use switchboard_process::{ExitStatus, fork};
use switchboard_process_pool::{Jobs, ProcessPool};
use switchboard_runtime::{self as runtime, Driver, Model};

/// Runs each case in a process of its own, and prints its outcome.
pub(crate) fn main(cases: &[(&str, fn())]) -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    for (name, case) in cases {
        let child = fork(|| {
            case();
            0
        });
        let outcome = match child.and_then(|child| child.wait()) {
            Ok(ExitStatus::Exited(0)) => "ok".to_owned(),
            other => {
                status = ExitCode::FAILURE;
                format!("FAILED: {other:?}")
            }
        };
        println!("test {name} ... {outcome}");
    }
    status
}

pub(crate) fn jobs() -> Jobs {
    Jobs::new()
        .add("power", |(base, exponent): (u64, u32)| {
            base.checked_pow(exponent).ok_or("too large")
        })
        .add("reverse", |text: String| {
            Ok::<String, Infallible>(text.chars().rev().collect())
        })
        .add("pid", |()| Ok::<_, Infallible>(std::process::id()))
        .add("parent", |()| {
            getppid()
                .map(|pid| pid.as_raw_nonzero().get())
                .ok_or("none")
        })
        .add("panic", |(n, _): (u64, u32)| -> Result<(), String> {
            // The message of the panic is of no interest.
            std::panic::set_hook(Box::new(|_| {}));
            panic!("oh {n}")
        })
        .add("odd", |_: (u64, u32)| {
            Ok::<_, Infallible>(BTreeMap::from([((1, 2), 3)]))
        })
        .add("crash", |()| {
            kill_process(rustix::process::getpid(), Signal::KILL)
        })
        .add("crash_parent", |()| {
            kill_process(getppid().unwrap(), Signal::KILL)?;
            loop {
                std::thread::park();
            }
            #[allow(unreachable_code)]
            Ok::<(), rustix::io::Errno>(())
        })
        .add("exit", |status: i32| -> Result<(), Infallible> {
            std::process::exit(status)
        })
        .add("sleep", |millis: u64| {
            std::thread::sleep(Duration::from_millis(millis));
            Ok::<_, Infallible>(())
        })
}

pub(crate) fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

pub(crate) fn send_pid(mut to: &UnixStream, pid: i32) {
    to.write_all(&pid.to_ne_bytes()).unwrap();
}

pub(crate) fn receive_pid(mut from: &UnixStream) -> i32 {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes).unwrap();
    i32::from_ne_bytes(bytes)
}

/// A gate at which the jobs named `hold` stop until they are let through.
pub(crate) struct Gate {
    began: Stream,
    open: Stream,
}

impl Gate {
    /// Returns jobs with `hold`, which sends its process identifier, waits at the gate, and returns
    /// its argument.
    pub(crate) fn jobs() -> (Jobs, Gate) {
        let ((began, begin), (open, wait)) = (pair(), pair());
        let jobs = jobs().add("hold", move |value: u32| {
            send_pid(&begin, i32::try_from(std::process::id()).unwrap());
            (&wait).read_exact(&mut [0]).map(|()| value)
        });
        let (began, open) = (began.into(), open.into());
        (jobs, Gate { began, open })
    }

    /// Waits until a job has begun, and returns the identifier of its process.
    pub(crate) async fn began(&self) -> i32 {
        let mut bytes = [0; 4];
        self.began.read_exact(&mut bytes).await.unwrap();
        i32::from_ne_bytes(bytes)
    }

    /// Lets `jobs` jobs go on.
    pub(crate) async fn open(&self, jobs: usize) {
        self.open.write_all(&vec![0; jobs]).await.unwrap();
    }
}

/// Runs a flow with the best driver.
pub(crate) fn run_on<F: Future>(model: Model, future: F) -> F::Output {
    model.run(future).unwrap()
}

/// Runs a flow under each model, with each driver that can be opened.
pub(crate) fn each_model<F: Future<Output = ()>>(flow: impl Fn() -> F) {
    for model in Model::ALL {
        if !model.has_loop() {
            model.run(flow()).unwrap();
            continue;
        }
        for driver in Driver::ALL {
            match driver.open() {
                Ok(_) => model.run_with(driver, flow()).unwrap(),
                Err(error) => println!("skip: {model} with {driver}: {error}"),
            }
        }
    }
}

/// Waits until the condition `holds`, for ten minutes at most.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(600),
            "still not true after ten minutes: {what}"
        );
        runtime::sleep(Duration::from_millis(1)).await;
    }
}

pub(crate) fn kill(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Returns whether a process has ended; it may not have been reaped yet.
pub(crate) fn has_ended(pid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(") ").next().unwrap().starts_with(['Z', 'X']),
        Err(_) => true,
    }
}

/// Returns how many descriptors a process has open.
pub(crate) fn descriptor_count(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// Runs a job that is never let through the gate.
pub(crate) async fn hold_forever<T>(pool: &ProcessPool) -> T {
    let outcome = pool.run::<u32, _>("hold", &1u32).await;
    unreachable!("the gate stays closed: {outcome:?}");
}
