//! What happens where the machine ends.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use switchboard_runtime::{Driver, Model};

use crate::served::{Served, round_trip};

/// Processor time of a process, in clock ticks.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// More clients than descriptors: who is in is served, who is not waits, and nobody spins.
fn full(arguments: &[&str]) {
    let served = Served::start(
        &[&["echo", "--listen", "127.0.0.1:0"], arguments].concat(),
        Some(256),
    );
    let mut clients: Vec<TcpStream> = (0..1000).map(|_| served.connect()).collect();
    for client in &mut clients {
        client.write_all(b"hello").unwrap();
    }
    // Those in front were accepted first.
    let mut inside = 0;
    for client in &mut clients {
        client
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        if client.read_exact(&mut [0; 5]).is_err() {
            break;
        }
        inside += 1;
    }
    assert!(
        (100..256).contains(&inside),
        "{inside} of 1,000 were served under {arguments:?}"
    );

    let (before, start) = (ticks(served.child.id()), Instant::now());
    while start.elapsed() < Duration::from_secs(1) {
        round_trip(&mut clients[0]);
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let share = (ticks(served.child.id()) - before) as f64 / 100.0 / start.elapsed().as_secs_f64();
    println!(
        "{arguments:?}: {inside} of 1,000 inside; {:.1} % CPU while full",
        share * 100.0
    );
    assert!(share < 0.05, "{:.1} % CPU while full", share * 100.0);

    // Room for one: the first outside is next.
    drop(clients.swap_remove(0));
    let next = clients.get_mut(inside).unwrap();
    next.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let room = Instant::now();
    next.read_exact(&mut [0; 5])
        .expect("a new client is served within a second of room");
    println!(
        "{arguments:?}: served {:?} after there was room",
        room.elapsed()
    );
    round_trip(&mut clients[1]);
}

#[test]
fn descriptors_run_out_under_tasks() {
    full(&["--model", "tasks"]);
}

#[test]
fn descriptors_run_out_under_threads() {
    full(&["--model", "threads"]);
}

#[test]
fn a_full_server_says_so() {
    let mut served = Served::echo(&["--max-connections", "2"]);
    let mut clients: Vec<TcpStream> = (0..3).map(|_| served.connect()).collect();
    round_trip(&mut clients[0]);
    round_trip(&mut clients[1]);
    let mut line = String::new();
    while !line.contains("full at") {
        line.clear();
        assert_ne!(served.stderr.read_line(&mut line).unwrap(), 0);
    }
    assert!(
        line.contains("full at 2 connections (2 were asked for)"),
        "{line}"
    );
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// The limit is lowered under a running server: as when somebody else in the process, or in the
/// system, took what it counted on.
#[test]
fn descriptors_taken_away_come_back() {
    for model in [Model::Tasks, Model::Threads] {
        let served = Served::echo(&["--model", model.name()]);
        let pid = served.child.id();
        let mut inside = served.connect();
        round_trip(&mut inside);
        let process = Pid::from_raw(pid.cast_signed());
        let before = getrlimit(Resource::Nofile);
        let none = Rlimit {
            // Stdin, stdout and stderr.
            current: Some(3),
            ..before
        };
        prlimit(process, Resource::Nofile, none).unwrap();
        let mut outside = served.connect();
        outside.write_all(b"hello").unwrap();
        let (ticks_before, start) = (ticks(pid), Instant::now());
        while start.elapsed() < Duration::from_secs(1) {
            round_trip(&mut inside);
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let spent = ticks(pid) - ticks_before;
        assert!(
            spent < 5,
            "{model}: {spent} % CPU while nothing can be accepted"
        );
        outside.set_nonblocking(true).unwrap();
        assert!(outside.read(&mut [0]).is_err(), "{model}: there was room");
        outside.set_nonblocking(false).unwrap();
        prlimit(process, Resource::Nofile, before).unwrap();
        outside.read_exact(&mut [0; 5]).unwrap();
        round_trip(&mut inside);
    }
}

#[test]
fn connections_leave_nothing_behind() {
    for model in Model::ALL {
        for driver in Driver::ALL {
            if driver == Driver::Sim || (!model.has_loop() && driver != Driver::best()) {
                continue;
            }
            let served = Served::echo(&["--model", model.name(), "--driver", driver.name()]);
            let pid = served.child.id();
            round_trip(&mut served.connect());
            let threads = || {
                std::fs::read_dir(format!("/proc/{pid}/task"))
                    .unwrap()
                    .count()
            };
            let base = descriptors(pid);
            for _ in 0..20 {
                let mut clients: Vec<TcpStream> = (0..50).map(|_| served.connect()).collect();
                // One at a time is served where there is one flow only.
                for mut client in clients.drain(..) {
                    round_trip(&mut client);
                }
            }
            let deadline = Instant::now() + Duration::from_secs(30);
            // Of a thousand connections none is left. (A thread that had to wait for several things
            // keeps what rings for it.)
            while descriptors(pid) > base + 12 || (model == Model::Threads && threads() > 2) {
                assert!(
                    Instant::now() < deadline,
                    "{model}/{driver}: {} descriptors, {base} before; {} threads",
                    descriptors(pid),
                    threads()
                );
                std::thread::yield_now();
            }
        }
    }
}
