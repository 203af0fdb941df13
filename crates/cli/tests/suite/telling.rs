//! The reports of a running server: events of its connections, and the list that SIGUSR1 asks for; under every
//! model, driver and kind of workers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::ending::{for_every_row, read_until, signal};
use crate::served::{BINARY, Served, round_trip};

#[test]
fn a_signal_lists_what_connections_wait_for() {
    for_every_row(|row| {
        let mut served = Served::echo(row);
        let mut client = served.connect();
        round_trip(&mut client);
        let here = client.local_addr().unwrap();
        // The server may not have begun to wait for the next bytes at first.
        loop {
            signal(&served, Signal::USR1);
            // Each worker process has a list of its own.
            read_until(&mut served, ": 1 open connection: ", row);
            let line = read_until(&mut served, &format!("from {here}: "), row);
            let in_process = line.contains("in a process of its own");
            if in_process || line.contains("waits to receive for ") {
                let forks = row
                    .windows(2)
                    .any(|words| words == ["--model", "processes"]);
                assert_eq!(in_process, forks, "{row:?}: {line}");
                assert!(
                    in_process || line.contains("5 B in, 5 B out"),
                    "{row:?}: {line}"
                );
                break;
            }
        }
        // The server goes on.
        round_trip(&mut client);
    });
}

#[test]
fn verbose_logs_match_accepts_and_closes() {
    for_every_row(|row| {
        let served = Served::echo(&[row, &["-v", "--log-format", "json"]].concat());
        let mut ports = Vec::new();
        for _ in 0..3 {
            let mut client = served.connect();
            ports.push(client.local_addr().unwrap().to_string());
            round_trip(&mut client);
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
        let log = served.stop();
        let events = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let events: Vec<_> = events.collect();
        let of = |message: &str| -> Vec<&Value> {
            events
                .iter()
                .filter(|event| event["message"] == message)
                .collect()
        };
        let (accepted, closed) = (of("accepted"), of("closed"));
        assert_eq!((accepted.len(), closed.len()), (3, 3), "{row:?}: {log}");
        for (at, event) in accepted.iter().enumerate() {
            assert_eq!(
                event["peer"].as_str(),
                Some(ports[at].as_str()),
                "{row:?}: {log}"
            );
            let mut matching = closed.iter().filter(|closed| closed["id"] == event["id"]);
            assert!(matching.next().is_some(), "{row:?}: {log}");
        }
    });
}

/// Returns the body of a page of figures.
fn figures(addr: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.to_owned()
}

#[test]
fn metrics_count_connections_and_bytes() {
    for_every_row(|row| {
        if row.contains(&"processes") {
            return;
        }
        let mut served = Served::echo(&[row, &["--metrics", "127.0.0.1:0"]].concat());
        let line = read_until(&mut served, "figures at http://", row);
        let (_, addr) = line.trim().split_once("http://").unwrap();
        let addr = addr.strip_suffix("/metrics").unwrap();
        for _ in 0..3 {
            let mut client = served.connect();
            round_trip(&mut client);
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
        let body = figures(addr);
        for line in [
            "switchboard_accepted_total 3",
            "switchboard_received_bytes_total 15",
            "switchboard_sent_bytes_total 15",
            "switchboard_errors_total{kind=\"failed\"} 0",
        ] {
            assert!(
                body.lines().any(|found| found == line),
                "{row:?}: {line}: {body}"
            );
        }
        assert!(body.ends_with("# EOF\n"), "{row:?}: {body}");
    });
}

#[test]
fn metrics_of_several_processes_are_refused() {
    for extra in [["--model", "processes"], ["--workers-as", "processes"]] {
        let output = Command::new(BINARY)
            .args(["serve", "echo", "--metrics", "127.0.0.1:0"])
            .args(extra)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.starts_with("switchboard: --metrics: "), "{text}");
    }
}
