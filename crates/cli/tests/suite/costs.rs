//! The cost of a round trip and of an idle connection, in system calls and memory. Other work on the machine
//! does not change these.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use switchboard_lab::Load;

use crate::served::{Served, round_trip};

/// Parses the summary of `strace -c`: the name and the number of each system call.
fn calls(summary: &str) -> Vec<(String, u64)> {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let calls = fields.get(3)?.parse().ok()?;
        fields.first()?.parse::<f64>().ok()?;
        Some(((*fields.last()?).to_owned(), calls))
    };
    summary
        .lines()
        .filter_map(line)
        .filter(|(name, _)| name != "total")
        .collect()
}

/// Runs an echo server under strace with 50 busy clients, and again for twice as long if not all had an answer. Returns
/// the round trips and the system calls.
fn traced(arguments: &[&str]) -> Option<(u64, Vec<(String, u64)>)> {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skip: system calls of {arguments:?}: strace is not installed");
        return None;
    }
    let seconds = [5, 10, 20].map(Duration::from_secs);
    let all = seconds.into_iter().find_map(|it| traced_for(it, arguments));
    Some(all.expect("all clients are served within 20 s"))
}

/// Does so for a time. Returns `None` if a client had no answer in it.
fn traced_for(duration: Duration, arguments: &[&str]) -> Option<(u64, Vec<(String, u64)>)> {
    let name = format!(
        "switchboard-strace-{}-{}",
        std::process::id(),
        arguments.join("-")
    );
    let path = std::env::temp_dir().join(name);
    let strace = ["strace", "-c", "-f", "-o", path.to_str().unwrap()];
    let served = Served::start_under(
        &strace,
        &[&["echo", "--listen", "127.0.0.1:0"], arguments].concat(),
    );
    let load = Load {
        addr: served.addr.parse().unwrap(),
        connections: 50,
        message: 64,
        warm_up: Duration::ZERO,
        duration,
        push: false,
    };
    let outcome = load.run(|| (), || ()).unwrap();
    assert_eq!(outcome.errors, Vec::<String>::new());
    served.stop();
    let summary = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    (outcome.served == 50).then(|| (outcome.round_trips, calls(&summary)))
}

fn of(calls: &[(String, u64)], names: &[&str]) -> u64 {
    calls
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(_, calls)| calls)
        .sum()
}

#[test]
fn a_task_makes_two_system_calls_in_a_round_trip() {
    let Some((trips, calls)) = traced(&["--model", "tasks", "--driver", "epoll"]) else {
        return;
    };
    let all: u64 = calls.iter().map(|(_, calls)| calls).sum();
    let each = all as f64 / trips as f64;
    println!("tasks/epoll: {each:.3} system calls a round trip over {trips}: {calls:?}");
    assert!(trips > 1000, "{trips} round trips are too few to measure");
    // The start of the server and of the connections makes some 700, however few round trips follow.
    assert!(all <= trips * 21 / 10 + 1000, "{all} calls: {calls:?}");
    let registered = of(&calls, &["epoll_ctl"]);
    // Each connection is registered once and deregistered once.
    assert!(
        registered <= 110,
        "{registered} registrations of 50 connections"
    );
}

#[test]
fn a_thread_makes_two_system_calls_in_a_round_trip() {
    let Some((trips, calls)) = traced(&["--model", "threads"]) else {
        return;
    };
    let moved = of(&calls, &["recvfrom", "sendto"]);
    let each = moved as f64 / trips as f64;
    println!("threads: {each:.3} calls to move bytes a round trip over {trips}: {calls:?}");
    // Each connection makes up to three more: its end, and the trip that the load does not wait for.
    let expected = trips * 19 / 10..trips * 21 / 10 + 150;
    assert!(expected.contains(&moved), "{moved}: {calls:?}");
    let polls = of(&calls, &["poll", "ppoll", "select", "pselect6"]);
    assert!(polls < 200, "{polls} polls: a thread waits in its recv");
}

/// Locked by each test that needs most of this process's descriptors.
static DESCRIPTORS: Mutex<()> = Mutex::new(());

/// Returns the anonymous resident memory of a process in bytes.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

#[test]
fn ten_thousand_idle_connections_take_little_memory_and_are_served() {
    const CLIENTS: usize = 10_000;
    let _alone = DESCRIPTORS.lock();
    if let Err(error) = raise_limit(CLIENTS as u64 + 200) {
        println!("skip: ten thousand idle connections: {error}");
        return;
    }
    // Unoptimized code needs more stack.
    let stack = if cfg!(debug_assertions) { 12 } else { 5 } * 1024;
    for (model, most) in [("tasks", 1024), ("callbacks", 1024), ("green", stack)] {
        let served = Served::echo(&["--model", model, "--driver", "epoll"]);
        let mut first = served.connect();
        round_trip(&mut first);
        let before = memory(served.child.id());
        let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| served.connect()).collect();
        clients.iter_mut().for_each(round_trip);
        let each = (memory(served.child.id()) - before) / CLIENTS as u64;
        println!("{model}: {each} bytes of user memory for each of {CLIENTS} idle connections");
        assert!(each <= most, "{model}: {each} bytes each");
        clients.iter_mut().for_each(round_trip);
    }
}

/// A back end whose answers have no end, for slow readers to wait in.
fn endless_back_end() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";
                let mut sent = stream.write_all(head);
                while sent.is_ok() {
                    sent = stream.write_all(&[7; 1 << 16]);
                }
            });
        }
    });
    addr
}

#[test]
fn a_client_that_reads_slowly_costs_a_proxy_less_than_64_kib() {
    const CLIENTS: usize = 30;
    let back_end = format!("http://{}", endless_back_end());
    for driver in ["epoll", "auto"] {
        let options = [
            "proxy",
            "--listen",
            "127.0.0.1:0",
            "--check",
            "off",
            "--to",
            &back_end,
        ];
        let served = Served::start(&[&options[..], &["--driver", driver]].concat(), None);
        // Asks, and reads the begin of the answer.
        let client = || {
            let mut client = served.connect();
            client
                .write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
                .unwrap();
            std::io::Read::read_exact(&mut client, &mut [0; 100_000]).unwrap();
            client
        };
        let _first = client();
        let (before, mut most, mut same) = (memory(served.child.id()), 0, 0);
        let _clients: Vec<TcpStream> = (0..CLIENTS).map(|_| client()).collect();
        // Until the sockets of all are full.
        while same < 10 {
            std::thread::sleep(Duration::from_millis(50));
            let now = memory(served.child.id());
            same = if now > most { 0 } else { same + 1 };
            most = most.max(now);
        }
        let each = (most - before) / CLIENTS as u64;
        println!("{driver}: {each} bytes of user memory for each of {CLIENTS} slow readers");
        assert!(each < 64 * 1024, "{driver}: {each} bytes each");
    }
}

fn raise_limit(needed: u64) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if maximum.is_some_and(|maximum| maximum < needed) {
        return Err(format!(
            "the limit of descriptors is {maximum:?}, {needed} are needed"
        ));
    }
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )
    .map_err(|error| error.to_string())
}

/// The machine allows fewer threads than descriptors, so the server must stop accepting in time.
#[test]
fn a_server_of_threads_stops_accepting_at_the_machines_limit() {
    let _alone = DESCRIPTORS.lock();
    let (capacity, limit) = switchboard_runtime::thread_capacity();
    let needed = capacity as u64 + 700;
    if let Err(error) = raise_limit(needed) {
        println!("skip: more clients than threads: never: {error}");
        return;
    }
    let mut served = Served::echo(&["--model", "threads"]);
    let mut clients: Vec<TcpStream> = Vec::new();
    let host = served.addr.parse::<std::net::SocketAddr>().unwrap();
    for _ in 0..capacity + 500 {
        clients.push(TcpStream::connect(host).unwrap());
    }
    let mut line = String::new();
    while !line.contains("full at") {
        line.clear();
        assert_ne!(
            std::io::BufRead::read_line(&mut served.stderr, &mut line).unwrap(),
            0
        );
    }
    print!("{line}");
    assert!(line.contains(limit), "{line}");
    round_trip(&mut clients[0]);
    // When clients leave, the next one in the queue is served.
    let last = clients.len() - 1;
    clients[last].write_all(b"x").unwrap();
    drop(clients.drain(..600));
    let mut next = clients.pop().unwrap();
    std::io::Read::read_exact(&mut next, &mut [0; 1]).unwrap();
    drop(clients);
    let report = served.stop();
    assert!(
        report.contains("panicked 0, failed 0, refused 0"),
        "{report}"
    );
}
