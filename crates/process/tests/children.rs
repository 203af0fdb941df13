//! Children are reaped with their status, calls return their values, and a supervisor replaces and
//! ends its workers.
//!
//! Runs without the test harness, whose threads would forbid to fork; each case runs in a child.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::SIGTERM;
use switchboard_process::{
    Calls, Child, Children, ExitStatus, Finished, PANICKED, Supervisor, fork, ignore_signals,
};

const MINUTE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let cases: [(&str, fn()); 12] = [
        ("a_child_is_reaped_once", a_child_is_reaped_once),
        ("a_panic_is_a_status", a_panic_is_a_status),
        (
            "a_process_of_two_threads_does_not_fork",
            a_process_of_two_threads_does_not_fork,
        ),
        (
            "only_children_that_ended_are_reaped",
            only_children_that_ended_are_reaped,
        ),
        (
            "a_value_longer_than_a_pipe_is_returned",
            a_value_longer_than_a_pipe_is_returned,
        ),
        (
            "a_call_that_fails_has_no_value",
            a_call_that_fails_has_no_value,
        ),
        (
            "a_call_is_finished_while_its_own_child_runs",
            a_call_is_finished_while_its_own_child_runs,
        ),
        (
            "a_worker_that_ended_is_started_after_the_pause",
            a_worker_that_ended_is_started_after_the_pause,
        ),
        (
            "a_report_longer_than_a_pipe_is_reaped",
            a_report_longer_than_a_pipe_is_reaped,
        ),
        (
            "workers_report_when_they_are_asked_to_end",
            workers_report_when_they_are_asked_to_end,
        ),
        (
            "a_worker_that_does_not_end_is_killed",
            a_worker_that_does_not_end_is_killed,
        ),
        (
            "a_program_of_a_process_that_ignores_signals_ends_by_them",
            a_program_of_a_process_that_ignores_signals_ends_by_them,
        ),
    ];
    let mut exit = ExitCode::SUCCESS;
    for (name, case) in cases {
        let child = fork(|| {
            case();
            0
        });
        let outcome = match child.and_then(|child| child.wait()) {
            Ok(ExitStatus::Exited(0)) => "ok".to_owned(),
            other => {
                exit = ExitCode::FAILURE;
                format!("FAILED: {other:?}")
            }
        };
        println!("test {name} ... {outcome}");
    }
    exit
}

/// Forks a child that runs until it is killed.
fn parked() -> Child {
    fork(|| park()).unwrap()
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

/// Panics without the message, which belongs to the test.
fn panic_quietly() -> ! {
    std::panic::set_hook(Box::new(|_| {}));
    panic!("as asked")
}

/// Waits until all calls have finished, by their pipes.
fn finish<K, T>(mut calls: Calls<K, T>) -> Vec<Finished<K, T>>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let mut finished = Vec::new();
    while !calls.is_empty() {
        finished.extend(calls.wait(Some(MINUTE)).unwrap());
    }
    finished
}

fn a_child_is_reaped_once() {
    let child = fork(|| 3).unwrap();
    assert_eq!(child.wait().unwrap(), ExitStatus::Exited(3));
    assert!(child.wait().is_err() && child.try_wait().is_err());
    let child = parked();
    assert_eq!(child.try_wait().unwrap(), None);
    child.terminate();
    assert_eq!(child.wait().unwrap(), ExitStatus::Killed(SIGTERM));
}

fn a_panic_is_a_status() {
    let child = fork(|| panic_quietly()).unwrap();
    assert_eq!(child.wait().unwrap(), ExitStatus::Exited(PANICKED));
}

fn a_process_of_two_threads_does_not_fork() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || wait.recv().is_err());
    let error = fork(|| 0).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("2 threads"), "{error}");
    drop(go);
    thread.join().unwrap();
}

fn only_children_that_ended_are_reaped() {
    let mut children = Children::new();
    children.push(parked(), "parked");
    let (mut end, wait) = UnixStream::pair().unwrap();
    let ending = fork(|| i32::from((&wait).read_exact(&mut [0]).is_err())).unwrap();
    let pid = ending.pid();
    children.push(ending, "ending");
    assert!(children.reap().is_empty());
    end.write_all(&[0]).unwrap();
    let reaped = loop {
        if let Some(reaped) = children.reap().pop() {
            break reaped;
        }
        std::thread::yield_now();
    };
    assert_eq!((reaped.value, reaped.pid), ("ending", pid));
    assert_eq!(reaped.status.unwrap(), ExitStatus::Exited(0));
    let killed = children.kill().pop().unwrap();
    assert_eq!(killed.value, "parked");
    assert_eq!(killed.status.unwrap(), ExitStatus::Killed(9));
    assert!(children.is_empty() && children.kill().is_empty());
}

fn a_value_longer_than_a_pipe_is_returned() {
    let mut calls = Calls::new();
    for key in 0..4 {
        let function = || Ok(vec![key; 100_000]);
        calls.start(key, || (), function).unwrap();
    }
    let mut finished = finish(calls);
    finished.sort_by_key(|call| call.key);
    assert_eq!(finished.len(), 4);
    for (key, call) in finished.into_iter().enumerate() {
        assert_eq!(call.status.unwrap(), ExitStatus::Exited(0));
        assert_eq!(call.value.unwrap(), vec![key; 100_000]);
    }
}

fn a_call_that_fails_has_no_value() {
    let mut calls = Calls::<_, u64>::new();
    calls.start(0, || (), || Err(7)).unwrap();
    calls.start(1, || (), || panic_quietly()).unwrap();
    calls.start(2, || (), || park()).unwrap();
    let mut finished = Vec::new();
    while calls.len() > 1 {
        finished.extend(calls.wait(Some(MINUTE)).unwrap());
    }
    finished.extend(calls.kill());
    assert!(finished.iter().all(|call| call.value.is_none()));
    finished.sort_by_key(|call| call.key);
    let statuses: Vec<_> = finished
        .into_iter()
        .map(|call| call.status.unwrap())
        .collect();
    assert_eq!(
        statuses,
        [
            ExitStatus::Exited(7),
            ExitStatus::Exited(PANICKED),
            ExitStatus::Killed(9)
        ]
    );
}

fn a_call_is_finished_while_its_own_child_runs() {
    let (tell, mut told) = UnixStream::pair().unwrap();
    let leave_a_child = || {
        // This child keeps the pipe open.
        let child = fork(|| park()).unwrap();
        (&tell).write_all(&child.pid().to_ne_bytes()).unwrap();
    };
    let mut calls = Calls::new();
    let returns = || {
        leave_a_child();
        Ok(5)
    };
    let fails = || {
        leave_a_child();
        Err(1)
    };
    calls.start("returns", || (), returns).unwrap();
    calls.start("fails", || (), fails).unwrap();
    let mut finished = Vec::new();
    while !calls.is_empty() {
        finished.extend(calls.wait(Some(Duration::from_millis(1))).unwrap());
        finished.extend(calls.reap());
    }
    for _ in 0..2 {
        let mut pid = [0; 4];
        told.read_exact(&mut pid).unwrap();
        let pid = Pid::from_raw(i32::from_ne_bytes(pid)).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
    }
    finished.sort_by_key(|call| call.key);
    let values: Vec<_> = finished.iter().map(|call| (call.key, call.value)).collect();
    assert_eq!(values, [("fails", None), ("returns", Some(5))]);
}

fn a_worker_that_ended_is_started_after_the_pause() {
    let pause = Duration::from_millis(50);
    let mut workers = Supervisor::<u64>::new(1, pause);
    let started = Instant::now();
    assert_eq!(workers.due(), Some(0));
    workers.start(0, || (), || Ok(1)).unwrap();
    assert_eq!((workers.due(), workers.next_start()), (None, None));
    let ended = loop {
        if let Some(worker) = workers.reap().pop() {
            break worker;
        }
        std::thread::yield_now();
    };
    assert_eq!((ended.key, ended.value), (0, Some(1)));
    assert!(workers.next_start().unwrap() >= started + pause);
    while workers.due().is_none() {
        std::thread::yield_now();
    }
    assert!(started.elapsed() >= pause);
    assert!(workers.end(MINUTE).unwrap().is_empty());
}

fn a_report_longer_than_a_pipe_is_reaped() {
    let mut workers = Supervisor::<String>::new(1, MINUTE);
    workers.start(0, || (), || Ok("x".repeat(300_000))).unwrap();
    let start = Instant::now();
    let reports = loop {
        let reports = workers.reap();
        if !reports.is_empty() {
            break reports;
        }
        assert!(start.elapsed() < MINUTE, "the worker waits");
        std::thread::sleep(Duration::from_millis(1));
    };
    let lengths: Vec<_> = reports
        .into_iter()
        .map(|one| one.value.map(|text| text.len()))
        .collect();
    assert_eq!(lengths, [Some(300_000)]);
}

fn workers_report_when_they_are_asked_to_end() {
    let mut workers = Supervisor::new(2, Duration::ZERO);
    let asked = Arc::new(AtomicBool::new(false));
    for index in 0..2 {
        let setup = || drop(signal_hook::flag::register(SIGTERM, asked.clone()));
        let report = || {
            while !asked.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(index + 10)
        };
        workers.start(index, setup, report).unwrap();
    }
    let mut ended = workers.end(MINUTE).unwrap();
    ended.sort_by_key(|worker| worker.key);
    let reports: Vec<_> = ended.iter().map(|worker| worker.value).collect();
    assert_eq!(reports, [Some(10), Some(11)]);
}

fn a_worker_that_does_not_end_is_killed() {
    let mut workers = Supervisor::<()>::new(1, Duration::ZERO);
    let deaf = || ignore_signals(&[SIGTERM]);
    workers.start(0, deaf, || park()).unwrap();
    let ended = workers.end(Duration::from_millis(20)).unwrap();
    let [worker] = &ended[..] else {
        panic!("one worker: {ended:?}")
    };
    assert!(matches!(worker.status, Ok(ExitStatus::Killed(9))));
}

fn a_program_of_a_process_that_ignores_signals_ends_by_them() {
    for signal in [Signal::TERM, Signal::INT] {
        ignore_signals(&[signal.as_raw()]);
        kill_process(rustix::process::getpid(), signal).unwrap();
        let mut program = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&program);
        kill_process(pid, signal).unwrap();
        let status = program.wait().unwrap();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
    }
}
