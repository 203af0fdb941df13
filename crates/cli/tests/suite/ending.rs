//! A signal drains, another one stops at once; under every model, driver and kind of workers.

use std::io::{BufRead, ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use switchboard_runtime::Style;

use crate::matrix::rows;
use crate::served::{Served, round_trip};

pub(crate) fn signal(served: &Served, signal: Signal) {
    let pid = Pid::from_raw(served.child.id().cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Waits for the server's end, and returns the rest of its stderr.
fn end(served: &mut Served, row: &[&str]) -> String {
    let mut stderr = String::new();
    served.stderr.read_to_string(&mut stderr).unwrap();
    let status = served.child.wait().unwrap();
    assert!(status.success(), "{row:?}: {status}: {stderr}");
    stderr
}

pub(crate) fn read_until(served: &mut Served, part: &str, row: &[&str]) -> String {
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        let length = served.stderr.read_line(&mut line).unwrap();
        assert_ne!(length, 0, "{row:?}: no line has {part:?}");
    }
    line
}

/// Runs `test` for every row, several at once.
pub(crate) fn for_every_row(test: fn(&[&str])) {
    let mut all = rows(Style::Async);
    all.extend(rows(Style::Protocol));
    let next = std::sync::Mutex::new(all.iter());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let row = next.lock().unwrap().next();
                    let Some(row) = row else { return };
                    test(row);
                }
            });
        }
    });
}

/// Starts a server that drains for longer than the test, with one open connection.
fn start(row: &[&str]) -> (Served, TcpStream) {
    let served = Served::echo(&[row, &["--drain", "3600"]].concat());
    let mut client = served.connect();
    round_trip(&mut client);
    (served, client)
}

#[test]
fn a_second_signal_stops_at_once() {
    for_every_row(|row| {
        for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM)] {
            let stops = (0..10).any(|_| stops_at_the_second_signal(row, first, second));
            assert!(stops, "{row:?}: late, or it goes on, ten times");
        }
    });
}

/// Returns `false` if the repeated first signal was too late to be the same request, or the second one was taken for the
/// first by a server that was stalled.
fn stops_at_the_second_signal(row: &[&str], first: Signal, second: Signal) -> bool {
    let (mut served, mut client) = start(row);
    let asked = Instant::now();
    signal(&served, first);
    read_until(
        &mut served,
        "draining 1 connection; SIGINT or SIGTERM stops now",
        row,
    );
    // The first signal may be sent twice, to the process and to its group.
    signal(&served, first);
    if asked.elapsed() >= Duration::from_millis(200) {
        return false;
    }
    std::thread::sleep(Duration::from_millis(600));
    round_trip(&mut client);
    signal(&served, second);
    if !is_cut(&mut client) {
        return false;
    }
    let stderr = end(&mut served, row);
    let report = "accepted 1, panicked 0, failed";
    let told = stderr.contains(report) && stderr.contains("cut 1,");
    assert!(told, "{row:?}: {stderr}");
    true
}

/// Waits for the end of a connection, for ten seconds. The time to drain is far longer.
fn is_cut(client: &mut TcpStream) -> bool {
    let patience = Some(Duration::from_secs(10));
    client.set_read_timeout(patience).unwrap();
    match client.read(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Ok(0) | Err(_) => true,
        Ok(_) => panic!("the server sent a byte that nobody asked for"),
    }
}

/// Ctrl-C in a terminal reaches the workers and the processes of connections too.
#[test]
fn signals_to_the_whole_group_drain_once_and_stop_at_the_second() {
    for_every_row(|row| {
        let stderr = (0..3).find_map(|_| signal_the_group_twice(row));
        let stderr = stderr.expect("the second signal stops it");
        assert!(stderr.contains("cut 1,"), "{row:?}: {stderr}");
    });
}

/// Signals a server and its processes twice. Returns its stderr, or `None` if it goes on.
fn signal_the_group_twice(row: &[&str]) -> Option<String> {
    use std::os::unix::process::CommandExt;

    let mut command = std::process::Command::new(crate::served::BINARY);
    command.process_group(0);
    let listen = ["echo", "--listen", "127.0.0.1:0", "--drain", "3600"];
    let mut served = Served::start_command(command, &[&listen[..], row].concat());
    let mut client = served.connect();
    round_trip(&mut client);
    let group = Pid::from_raw(served.child.id().cast_signed()).unwrap();
    let signal_group = || rustix::process::kill_process_group(group, Signal::INT).unwrap();
    signal_group();
    read_until(
        &mut served,
        "draining 1 connection; SIGINT or SIGTERM stops now",
        row,
    );
    std::thread::sleep(Duration::from_millis(600));
    round_trip(&mut client);
    signal_group();
    // A server that was stalled takes the second signal for the first one.
    is_cut(&mut client).then(|| end(&mut served, row))
}

#[test]
fn a_server_without_connections_drains_silently() {
    for_every_row(|row| {
        let mut stderr = String::new();
        // The server may not have seen the end of the connection yet.
        for pause in [500, 2_000, 8_000, 30_000].map(Duration::from_millis) {
            let mut served = Served::echo(row);
            round_trip(&mut served.connect());
            std::thread::sleep(pause);
            signal(&served, Signal::TERM);
            stderr = end(&mut served, row);
            if !stderr.contains("draining 1 connection") {
                assert!(!stderr.contains("draining"), "{row:?}: {stderr}");
                return;
            }
        }
        panic!("{row:?}: {stderr}");
    });
}
