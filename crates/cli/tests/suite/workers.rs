//! Worker processes: replacing them, draining, stopping.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::served::{Served, round_trip};

pub(crate) fn children(pid: u32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(path).unwrap();
    text.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

#[test]
fn a_killed_worker_is_replaced_and_fails_only_its_own_connections() {
    let mut served = Served::echo(&["--workers", "2", "--workers-as", "processes"]);
    let mut clients: Vec<_> = (0..40).map(|_| served.connect()).collect();
    clients.iter_mut().for_each(round_trip);
    let before = children(served.child.id());
    assert_eq!(before.len(), 2);
    kill_process(Pid::from_raw(before[0]).unwrap(), Signal::KILL).unwrap();
    let killed = Instant::now();
    let mut line = String::new();
    while !line.contains("died") {
        line.clear();
        assert_ne!(served.stderr.read_line(&mut line).unwrap(), 0);
    }
    let alive = |client: &mut TcpStream| {
        client.write_all(b"x").is_ok() && matches!(client.read(&mut [0; 1]), Ok(1))
    };
    let survivors = clients
        .iter_mut()
        .filter_map(|client| alive(client).then_some(()))
        .count();
    assert!(
        (1..40).contains(&survivors),
        "{survivors} of 40 connections survived"
    );
    // So many connections reach both workers, and so the new one too.
    let mut again: Vec<_> = (0..40).map(|_| served.connect()).collect();
    again.iter_mut().for_each(round_trip);
    println!(
        "replaced and answering {:?} after the kill; {survivors} of 40 survived",
        killed.elapsed()
    );
    assert_eq!(children(served.child.id()).len(), 2);
    drop((clients, again));
    let stderr = served.stop();
    assert!(stderr.contains("workers replaced 1"), "{stderr}");
}

/// Connects again and again until `stop`, and returns how often that failed.
fn failures(addr: &str, stop: &AtomicBool) -> usize {
    let mut failures = 0;
    while !stop.load(Ordering::SeqCst) {
        // Never refused: the supervisor has the sockets too.
        let mut client = TcpStream::connect(addr).unwrap();
        let sent = client.write_all(b"x").is_ok();
        failures += usize::from(!(sent && matches!(client.read(&mut [0; 1]), Ok(1))));
    }
    failures
}

#[test]
fn a_worker_killed_under_load_fails_only_the_connections_that_it_had() {
    let mut served = Served::echo(&["--workers", "2", "--workers-as", "processes"]);
    round_trip(&mut served.connect());
    let before = children(served.child.id());
    let (addr, stop) = (served.addr.clone(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| failures(&addr, &stop)))
            .collect();
        kill_process(Pid::from_raw(before[0]).unwrap(), Signal::KILL).unwrap();
        let mut line = String::new();
        while !line.contains("died") {
            line.clear();
            assert_ne!(served.stderr.read_line(&mut line).unwrap(), 0);
        }
        // Long enough for each client to meet the new worker.
        for _ in 0..100 {
            round_trip(&mut served.connect());
        }
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            let failed = client.join().unwrap();
            assert!(
                failed <= 1,
                "a client had one connection at a time, and {failed} failed"
            );
        }
    });
    served.stop();
}

#[test]
fn sigterm_drains_under_every_model() {
    for model in switchboard_runtime::Model::ALL {
        let mut served = Served::echo(&["--model", model.name(), "--drain", "30"]);
        let mut client = served.connect();
        round_trip(&mut client);
        let pid = i32::try_from(served.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        // The server no longer accepts, but serves open connections until they end.
        round_trip(&mut client);
        drop(client);
        let mut stderr = String::new();
        served.stderr.read_to_string(&mut stderr).unwrap();
        assert!(served.child.wait().unwrap().success());
        assert!(
            stderr.contains("accepted 1") && stderr.contains("cut 0"),
            "{model}: {stderr}"
        );
    }
}

#[test]
fn the_drain_limit_cuts_open_connections() {
    for model in switchboard_runtime::Model::ALL {
        let mut served = Served::echo(&["--model", model.name(), "--drain", "0.05"]);
        let mut client = served.connect();
        round_trip(&mut client);
        drop(served.child.stdin.take());
        assert!(
            matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)),
            "{model}"
        );
        let mut stderr = String::new();
        served.stderr.read_to_string(&mut stderr).unwrap();
        assert!(served.child.wait().unwrap().success(), "{model}: {stderr}");
        assert!(stderr.contains("cut 1"), "{model}: {stderr}");
    }
}

#[test]
fn a_draining_server_refuses_new_connections() {
    let supervised = ["--workers", "2", "--workers-as", "processes"];
    let models = switchboard_runtime::Model::ALL.map(|model| vec!["--model", model.name()]);
    for arguments in models.into_iter().chain([supervised.to_vec()]) {
        let served = Served::echo(&[&arguments[..], &["--drain", "30"]].concat());
        let mut connected = served.connect();
        round_trip(&mut connected);
        let pid = i32::try_from(served.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&served.addr).is_ok() {
            assert!(Instant::now() < deadline, "{arguments:?} still accepts");
            std::thread::yield_now();
        }
        round_trip(&mut connected);
        drop(connected);
        served.stop();
    }
}

#[test]
fn workers_end_with_their_supervisor() {
    let mut served = Served::echo(&["--workers", "2", "--workers-as", "processes"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while children(served.child.id()).len() < 2 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    served.child.kill().unwrap();
    // The workers share the supervisor's stderr, which ends with the last of them.
    let mut stderr = String::new();
    served.stderr.read_to_string(&mut stderr).unwrap();
    assert!(Instant::now() < deadline);
    assert!(TcpStream::connect(&served.addr).is_err());
}

#[test]
fn connection_processes_are_reaped_with_and_without_a_supervisor() {
    let model = ["--model", "processes"];
    let supervised = ["--workers", "2", "--workers-as", "processes"];
    for arguments in [&model[..], &[&model[..], &supervised[..]].concat()] {
        let served = Served::echo(arguments);
        let mut clients: Vec<_> = (0..20).map(|_| served.connect()).collect();
        clients.iter_mut().for_each(round_trip);
        drop(clients);
        let workers = match arguments.len() {
            2 => vec![i32::try_from(served.child.id()).unwrap()],
            _ => children(served.child.id()),
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while workers
            .iter()
            .any(|&pid| !children(pid.cast_unsigned()).is_empty())
        {
            assert!(Instant::now() < deadline, "{arguments:?}: zombies");
            std::thread::yield_now();
        }
        served.stop();
    }
}

#[test]
fn a_terminated_worker_leaves_its_queue_to_its_replacement() {
    for model in ["tasks", "threads", "processes"] {
        let mut served = Served::echo(&[
            "--model",
            model,
            "--workers",
            "2",
            "--workers-as",
            "processes",
        ]);
        round_trip(&mut served.connect());
        let deadline = Instant::now() + Duration::from_secs(20);
        while children(served.child.id()).len() < 2 {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        let first = Pid::from_raw(children(served.child.id())[0]).unwrap();
        let mut line = String::new();
        while !line.contains("died") {
            // The worker may not handle signals yet, so the signal is repeated.
            let _ = kill_process(first, Signal::TERM);
            line.clear();
            assert_ne!(served.stderr.read_line(&mut line).unwrap(), 0);
        }
        let mut clients: Vec<_> = (0..40).map(|_| served.connect()).collect();
        clients.iter_mut().for_each(round_trip);
        drop(clients);
        let stderr = served.stop();
        assert!(stderr.contains("workers replaced 1"), "{stderr}");
    }
}

#[test]
fn a_failed_handler_is_counted_under_every_model() {
    for model in switchboard_runtime::Model::ALL {
        let served = Served::echo(&["--model", model.name()]);
        let mut client = served.connect();
        round_trip(&mut client);
        socket2::SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(client);
        round_trip(&mut served.connect());
        let stderr = served.stop();
        let right = stderr.contains("accepted 2, panicked 0, failed 1, refused 0");
        assert!(right, "{model}: {stderr}");
    }
}
