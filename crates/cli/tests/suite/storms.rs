//! Storms of connections, after which a server holds what it held before. They take minutes, and are run by
//! `cargo test -p switchboard-cli --test suite storms -- --ignored --nocapture`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::served::{Served, round_trip};

const CLIENTS: usize = 8;
/// As long as descriptors and threads may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the processes of a server hold.
#[derive(Clone, Copy, Debug)]
struct Held {
    descriptors: usize,
    threads: usize,
    /// In KiB, without the pages of files: each process that runs this program changes the share of those.
    memory: usize,
}

impl Held {
    fn of(process: u32) -> Held {
        let count = |folder| {
            std::fs::read_dir(format!("/proc/{process}/{folder}"))
                .unwrap()
                .count()
        };
        let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
        let line = rollup
            .lines()
            .find_map(|line| line.strip_prefix("Anonymous:"))
            .unwrap();
        let mut all = Held {
            descriptors: count("fd"),
            threads: count("task"),
            memory: line.trim().trim_end_matches(" kB").parse().unwrap(),
        };
        let children = format!("/proc/{process}/task/{process}/children");
        for child in std::fs::read_to_string(children)
            .unwrap()
            .split_whitespace()
        {
            let more = Held::of(child.parse().unwrap());
            all.descriptors += more.descriptors;
            all.threads += more.threads;
            all.memory += more.memory;
        }
        all
    }

    /// Waits until the server holds no more than before; memory may be a quarter more, since allocators keep
    /// some.
    fn assert_back(served: &Served, before: Held) -> Held {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Held::of(served.child.id());
            let back = now.descriptors <= before.descriptors && now.threads <= before.threads;
            if back && now.memory <= before.memory * 5 / 4 {
                return now;
            }
            assert!(Instant::now() < deadline, "{now:?} after {before:?}");
            std::thread::yield_now();
        }
    }
}

/// Makes connections from several threads, each of which ends with a reset.
fn storm(served: &Served, connections: usize, talk: fn(&mut TcpStream)) {
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..connections / CLIENTS {
                    let mut stream = served.connect();
                    talk(&mut stream);
                    let reset = Some(Duration::ZERO);
                    socket2::SockRef::from(&stream).set_linger(reset).unwrap();
                }
            });
        }
    });
}

fn rows() -> [&'static [&'static str]; 6] {
    [
        &["--driver", "epoll"],
        &["--driver", "auto"],
        &["--model", "green"],
        &["--model", "threads"],
        &["--model", "pool"],
        &["--workers", "2", "--workers-as", "processes"],
    ]
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_thousand_resets_leave_nothing_behind() {
    for row in rows() {
        let served = Served::echo(&[row, &["--quiet"]].concat());
        storm(&served, 4_000, round_trip);
        let before = Held::of(served.child.id());
        // The reset may overtake the bytes, or come before the connection is accepted.
        storm(&served, 100_000, |stream| {
            stream.write_all(b"hello").unwrap()
        });
        let after = Held::assert_back(&served, before);
        println!("{row:?}: {before:?}, {after:?}");
        served.stop();
    }
}

#[test]
#[ignore = "takes minutes"]
fn a_million_connections_leave_nothing_behind() {
    for row in rows() {
        let served = Served::echo(&[row, &["--quiet"]].concat());
        storm(&served, 4_000, round_trip);
        let before = Held::of(served.child.id());
        storm(&served, 1_000_000, round_trip);
        let after = Held::assert_back(&served, before);
        println!("{row:?}: {before:?}, {after:?}");
        served.stop();
    }
}

#[test]
fn a_server_without_descriptors_serves_again_when_there_are_some() {
    for row in rows() {
        let arguments = ["echo", "--listen", "127.0.0.1:0", "--quiet"];
        let served = Served::start(&[&arguments[..], row].concat(), Some(96));
        storm(&served, 160, round_trip);
        let before = Held::of(served.child.id());
        let mut many: Vec<_> = (0..300).map(|_| served.connect()).collect();
        for stream in &mut many {
            stream.write_all(b"x").unwrap();
        }
        // As many as there is room for are served now, and each one in the end.
        for stream in many {
            let mut stream = stream;
            stream.read_exact(&mut [0]).unwrap();
        }
        round_trip(&mut served.connect());
        Held::assert_back(&served, before);
        served.stop();
    }
}
