//! What a running server tells: events of its connections, and the list that SIGUSR1 asks for; under every
//! model, driver and kind of workers.

use std::io::Read;
use std::net::Shutdown;

use rustix::process::Signal;
use serde_json::Value;

use crate::ending::{for_every_row, read_until, signal};
use crate::served::{Served, round_trip};

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
