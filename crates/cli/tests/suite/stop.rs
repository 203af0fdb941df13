//! Connections of a slow site that is asked to stop by SIGTERM, under every model, driver and kind of
//! workers: they end long before the time to drain is over, and none is cut.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use switchboard_runtime::Style;

use crate::matrix::rows;
use crate::served::Served;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";

fn site(row: &[&str], latency: &str) -> Served {
    let options = ["slow-site", "--listen", "127.0.0.1:0", "--drain", "60"];
    Served::start(&[&options[..], &["--latency", latency], row].concat(), None)
}

/// Sends SIGTERM to the server.
fn terminate(served: &Served) {
    let pid = Pid::from_raw(served.child.id() as i32).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

/// Reads an answer and returns its head.
fn answer(client: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(client.read_line(&mut head).unwrap(), 0, "{head}");
    }
    let (_, length) = head.split_once("content-length: ").unwrap();
    let (length, _) = length.split_once("\r\n").unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    client.read_exact(&mut body).unwrap();
    head
}

/// Checks that the connection ends, and that its server ends in time and counts it as finished.
fn assert_ends(mut client: BufReader<TcpStream>, served: Served, row: &[&str], asked: Instant) {
    let mut rest = Vec::new();
    // The close is a reset if a further request was on its way.
    let end = client.read_to_end(&mut rest).map_err(|error| error.kind());
    assert!(
        matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)),
        "{row:?}: {end:?}"
    );
    let report = served.stop();
    assert!(asked.elapsed() < Duration::from_secs(20), "{row:?}");
    let counts = "accepted 1, panicked 0, failed 0, refused 0, cut 0";
    assert!(report.contains(counts), "{row:?}: {report}");
}

#[test]
fn an_idle_connection_ends_at_once_when_the_server_stops() {
    for row in rows(Style::Async) {
        let served = site(&row, "1ms");
        let mut client = BufReader::new(served.connect());
        client.get_mut().write_all(REQUEST).unwrap();
        assert!(!answer(&mut client).contains("connection"), "{row:?}");
        let asked = Instant::now();
        terminate(&served);
        assert_ends(client, served, &row, asked);
    }
}

#[test]
fn a_connection_that_keeps_asking_is_told_to_close_when_the_server_stops() {
    for row in rows(Style::Async) {
        let served = site(&row, "20ms");
        let mut client = BufReader::new(served.connect());
        // There is always a further request, so that the connection is never idle.
        client.get_mut().write_all(REQUEST).unwrap();
        client.get_mut().write_all(REQUEST).unwrap();
        assert!(!answer(&mut client).contains("connection"), "{row:?}");
        let asked = Instant::now();
        terminate(&served);
        loop {
            client.get_mut().write_all(REQUEST).unwrap();
            if answer(&mut client).contains("connection: close") {
                break;
            }
            assert!(asked.elapsed() < Duration::from_secs(20), "{row:?}");
        }
        assert_ends(client, served, &row, asked);
    }
}
