//! Worker processes, and ending.

use std::io::{BufRead, Read};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::served::{Served, round_trip};

fn children(pid: u32) -> Vec<i32> {
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
    let alive = |client: &mut std::net::TcpStream| {
        use std::io::Write;
        client.write_all(b"x").is_ok() && matches!(client.read(&mut [0; 1]), Ok(1))
    };
    let left = clients
        .iter_mut()
        .filter_map(|client| alive(client).then_some(()))
        .count();
    assert!((1..40).contains(&left), "{left} of 40 connections live on");
    // As many as go to both workers, so that the new one has its share.
    let mut again: Vec<_> = (0..40).map(|_| served.connect()).collect();
    again.iter_mut().for_each(round_trip);
    println!(
        "replaced and answering {:?} after the kill; {left} of 40 lived on",
        killed.elapsed()
    );
    assert!(killed.elapsed() < Duration::from_secs(1));
    assert_eq!(children(served.child.id()).len(), 2);
    drop((clients, again));
    let said = served.stop();
    assert!(said.contains("workers replaced 1"), "{said}");
}

#[test]
fn sigterm_drains_under_every_model() {
    for model in switchboard_runtime::Model::ALL {
        let mut served = Served::echo(&["--model", model.name(), "--drain", "30"]);
        let mut client = served.connect();
        round_trip(&mut client);
        let pid = i32::try_from(served.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        // It listens no more, but who is inside is served to the end.
        round_trip(&mut client);
        drop(client);
        let mut said = String::new();
        served.stderr.read_to_string(&mut said).unwrap();
        assert!(served.child.wait().unwrap().success());
        assert!(
            said.contains("accepted 1") && said.contains("cut 0"),
            "{model}: {said}"
        );
    }
}

#[test]
fn the_drain_limit_cuts_who_stays() {
    for model in switchboard_runtime::Model::ALL {
        let mut served = Served::echo(&["--model", model.name(), "--drain", "0.05"]);
        let mut client = served.connect();
        round_trip(&mut client);
        drop(served.child.stdin.take());
        assert!(
            matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)),
            "{model}"
        );
        let mut said = String::new();
        served.stderr.read_to_string(&mut said).unwrap();
        assert!(served.child.wait().unwrap().success(), "{model}: {said}");
        assert!(said.contains("cut 1"), "{model}: {said}");
    }
}

#[test]
fn a_server_that_drains_refuses_who_comes() {
    let supervised = ["--workers", "2", "--workers-as", "processes"];
    let models = switchboard_runtime::Model::ALL.map(|model| vec!["--model", model.name()]);
    for arguments in models.into_iter().chain([supervised.to_vec()]) {
        let served = Served::echo(&[&arguments[..], &["--drain", "30"]].concat());
        let mut inside = served.connect();
        round_trip(&mut inside);
        let pid = i32::try_from(served.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(&served.addr).is_ok() {
            assert!(Instant::now() < deadline, "{arguments:?} listens on");
            std::thread::yield_now();
        }
        round_trip(&mut inside);
        drop(inside);
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
    // They share its stderr, which ends with the last of them.
    let mut said = String::new();
    served.stderr.read_to_string(&mut said).unwrap();
    assert!(Instant::now() < deadline);
    assert!(std::net::TcpStream::connect(&served.addr).is_err());
}

#[test]
fn processes_are_reaped_under_a_supervisor_too() {
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
fn a_worker_asked_to_end_leaves_its_queue_to_the_next() {
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
            // Again, should it not hear yet.
            let _ = kill_process(first, Signal::TERM);
            line.clear();
            assert_ne!(served.stderr.read_line(&mut line).unwrap(), 0);
        }
        let mut clients: Vec<_> = (0..40).map(|_| served.connect()).collect();
        clients.iter_mut().for_each(round_trip);
        drop(clients);
        let said = served.stop();
        assert!(said.contains("workers replaced 1"), "{said}");
    }
}

#[test]
fn a_handler_that_fails_is_counted_under_every_model() {
    for model in switchboard_runtime::Model::ALL {
        let served = Served::echo(&["--model", model.name()]);
        let mut client = served.connect();
        round_trip(&mut client);
        socket2::SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(client);
        round_trip(&mut served.connect());
        let said = served.stop();
        let right = said.contains("accepted 2, panicked 0, failed 1, refused 0");
        assert!(right, "{model}: {said}");
    }
}
