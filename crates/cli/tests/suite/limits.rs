//! Servers at the limits of descriptors and connections.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use switchboard_runtime::{Driver, Model};

use crate::served::{Served, round_trip};

/// Returns the processor time of a process in clock ticks.
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

/// Returns whether a server whose client asks now and then uses less than 5 % of a processor in one of ten seconds. Time
/// in which a virtual one is taken away counts as well.
fn is_calm(server: u32, client: &mut TcpStream) -> bool {
    (0..10).any(|_| {
        let (before, start) = (ticks(server), Instant::now());
        while start.elapsed() < Duration::from_secs(1) {
            round_trip(client);
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let share = (ticks(server) - before) as f64 / 100.0 / start.elapsed().as_secs_f64();
        println!("{:.1} % CPU", share * 100.0);
        share < 0.05
    })
}

/// Reads the log until the server is full, and returns how many connections it has then.
fn full_at(served: &mut Served) -> usize {
    let mut line = String::new();
    while !line.contains("full at ") {
        line.clear();
        assert_ne!(served.stderr.read_line(&mut line).unwrap(), 0);
        assert!(!line.contains("cannot accept"), "{line}");
    }
    let number = line.split_once("full at ").unwrap().1;
    number.split(' ').next().unwrap().parse().unwrap()
}

/// Connects more clients than the server has descriptors. Connected clients are served, the others wait in
/// the queue, and the server does not spin.
fn assert_full_server_waits(arguments: &[&str]) {
    let mut served = Served::start(
        &[&["echo", "--listen", "127.0.0.1:0"], arguments].concat(),
        Some(256),
    );
    let mut clients: Vec<TcpStream> = (0..1000).map(|_| served.connect()).collect();
    for client in &mut clients {
        client.write_all(b"hello").unwrap();
    }
    let accepted = full_at(&mut served);
    assert!(
        (100..256).contains(&accepted),
        "{accepted} of 1,000 are served under {arguments:?}"
    );
    // The server accepts clients in the order in which they connected.
    for client in &mut clients[..accepted] {
        client.read_exact(&mut [0; 5]).unwrap();
    }

    let calm = is_calm(served.child.id(), &mut clients[0]);
    assert!(calm, "{arguments:?}: spins with {accepted} of 1,000");
    for client in &mut clients[accepted..] {
        client.set_nonblocking(true).unwrap();
        assert!(client.read(&mut [0]).is_err(), "one more is served");
        client.set_nonblocking(false).unwrap();
    }

    // One client leaves, so the first one in the queue is next.
    drop(clients.swap_remove(0));
    let left = Instant::now();
    clients[accepted]
        .read_exact(&mut [0; 5])
        .expect("the next client is served");
    println!(
        "{arguments:?}: served the next client {:?} after one left",
        left.elapsed()
    );
    round_trip(&mut clients[1]);
}

#[test]
fn tasks_wait_when_descriptors_run_out() {
    assert_full_server_waits(&["--model", "tasks"]);
}

#[test]
fn threads_wait_when_descriptors_run_out() {
    assert_full_server_waits(&["--model", "threads"]);
}

#[test]
fn a_full_server_prints_its_limit() {
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

/// The limit is lowered while the server runs, as if other code in the process used up the descriptors.
#[test]
fn a_server_recovers_when_descriptors_are_available_again() {
    for model in [Model::Tasks, Model::Threads] {
        let served = Served::echo(&["--model", model.name()]);
        let pid = served.child.id();
        let mut connected = served.connect();
        round_trip(&mut connected);
        let process = Pid::from_raw(pid.cast_signed());
        let before = getrlimit(Resource::Nofile);
        let none = Rlimit {
            // The number of descriptors of stdin, stdout and stderr.
            current: Some(3),
            ..before
        };
        prlimit(process, Resource::Nofile, none).unwrap();
        // What waits for signals in a thread of its own waits anew, for more descriptors than it may have.
        kill_process(process.unwrap(), Signal::HUP).unwrap();
        let mut queued = served.connect();
        queued.write_all(b"hello").unwrap();
        let calm = is_calm(pid, &mut connected);
        assert!(calm, "{model}: spins while nothing can be accepted");
        queued.set_nonblocking(true).unwrap();
        assert!(queued.read(&mut [0]).is_err(), "{model}: it was accepted");
        queued.set_nonblocking(false).unwrap();
        prlimit(process, Resource::Nofile, before).unwrap();
        queued.read_exact(&mut [0; 5]).unwrap();
        round_trip(&mut connected);
    }
}

#[test]
fn closed_connections_leave_no_descriptors_or_threads() {
    for model in Model::ALL {
        for driver in Driver::ALL {
            if driver == Driver::Sim || (!model.has_loop() && driver != Driver::best()) {
                continue;
            }
            let mut options = vec!["--model", model.name()];
            if model.has_loop() {
                options.extend(["--driver", driver.name()]);
            }
            let served = Served::echo(&options);
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
                // Each client leaves before the next is served, as the model `blocking` needs.
                for mut client in clients.drain(..) {
                    round_trip(&mut client);
                }
            }
            let deadline = Instant::now() + Duration::from_secs(30);
            // None of a thousand connections keeps a descriptor. A thread that waited for several sources
            // keeps the descriptor of its notifier, which the tolerance allows.
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
