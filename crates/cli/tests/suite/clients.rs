//! Limits of one client's connections, and clients behind proxies.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use switchboard_runtime::Model;

use crate::ending::{read_until, signal};
use crate::served::{Served, round_trip, run};

/// Returns the options of every model but `blocking`, which serves one client at a time, and of worker
/// processes.
fn rows() -> Vec<Vec<&'static str>> {
    let models = Model::ALL
        .into_iter()
        .filter(|model| *model != Model::Blocking);
    let mut rows: Vec<_> = models.map(|model| vec!["--model", model.name()]).collect();
    rows.push(vec!["--driver", "auto"]);
    rows.push(vec!["--workers-as", "processes"]);
    rows
}

fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0) | Err(_))
}

fn connect_as(served: &Served, header: &str) -> TcpStream {
    let mut stream = served.connect();
    stream.write_all(header.as_bytes()).unwrap();
    stream
}

#[test]
fn an_address_has_no_more_connections_than_the_limit() {
    for row in rows() {
        let mut served = Served::echo(&[&row[..], &["--max-per-address", "2"]].concat());
        let mut first = served.connect();
        round_trip(&mut first);
        round_trip(&mut served.connect());
        let mut kept = vec![first];
        // The end of the second one may not have been seen yet.
        while kept.len() < 2 {
            let mut stream = served.connect();
            stream.write_all(b"x").unwrap();
            if matches!(stream.read(&mut [0]), Ok(1)) {
                kept.push(stream);
            }
        }
        for _ in 0..3 {
            assert!(is_closed(&mut served.connect()), "{row:?}");
        }
        kept.iter_mut().for_each(round_trip);
        drop(kept);
        let mut log = String::new();
        while !log.contains("refused 127.0.0.1:") {
            assert_ne!(
                served.stderr.read_line(&mut log).unwrap(),
                0,
                "{row:?}: {log}"
            );
        }
        log += &served.stop();
        let line = "its address has 2 connections, which is the limit";
        assert_eq!(log.matches(line).count(), 1, "{row:?}: {log}");
    }
}

#[test]
fn a_proxy_says_who_its_clients_are() {
    let options = [
        "--proxy-protocol",
        "10.0.0.0/8,127.0.0.1",
        "--max-per-address",
        "1",
    ];
    for row in rows() {
        let mut served = Served::echo(&[&row[..], &options].concat());
        let mut seven = connect_as(&served, "PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n");
        round_trip(&mut seven);
        let mut again = connect_as(&served, "PROXY TCP4 192.0.2.7 10.0.0.1 4712 80\r\n");
        assert!(is_closed(&mut again), "{row:?}");
        let mut eight = connect_as(&served, "PROXY TCP4 192.0.2.8 10.0.0.1 4711 80\r\n");
        round_trip(&mut eight);
        // A proxy that sends nothing holds nobody up, and one that sends no header is closed.
        let silent = served.connect();
        assert!(
            is_closed(&mut connect_as(&served, "GET / HTTP/1.1\r\n\r\n")),
            "{row:?}"
        );
        round_trip(&mut seven);
        let pid = Pid::from_raw(served.child.id() as i32).unwrap();
        kill_process(pid, Signal::USR1).unwrap();
        let mut log = String::new();
        while !log.contains(" from 192.0.2.8:4711: ") || !log.contains(" from 192.0.2.7:4711: ") {
            assert_ne!(
                served.stderr.read_line(&mut log).unwrap(),
                0,
                "{row:?}: {log}"
            );
        }
        drop((seven, eight, silent));
        log += &served.stop();
        assert!(
            log.contains("the proxy sent no PROXY header"),
            "{row:?}: {log}"
        );
        assert!(
            log.contains("refused 192.0.2.7:4712: its address has 1 connection"),
            "{log}"
        );
    }
}

#[test]
fn a_service_that_speaks_http_answers_429_to_connections_beyond_the_limit() {
    let check = |options: &[&str], told: bool| {
        let listen = ["--listen", "127.0.0.1:0", "--max-per-address", "1"];
        let served = Served::start(&[options, &listen].concat(), None);
        // They are accepted in this order.
        let (first, mut second) = (served.connect(), served.connect());
        let mut answer = String::new();
        let ended = second.read_to_string(&mut answer);
        if told {
            ended.unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 429 "), "{options:?}: {answer}");
            let length = format!("content-length: {}", body.len());
            assert!(head.contains(&length), "{options:?}: {answer}");
        }
        assert_eq!(!answer.is_empty(), told, "{options:?}: {answer}");
        drop((first, second));
        let log = served.stop();
        assert!(log.contains("refused 1,"), "{options:?}: {log}");
    };
    let serves = |row: &Vec<&str>| !row.contains(&"callbacks");
    for row in rows().into_iter().filter(serves) {
        let told = row != ["--model", "processes"];
        check(&[&["files", "/"], &row[..]].concat(), told);
    }
    check(&["slow-site"], true);
    check(&["proxy", "--to", "http://127.0.0.1:9"], true);
    check(&["files", "/", "--self-signed"], false);
}

/// Reads the log up to a line with `text`.
fn await_log(served: &mut Served, text: &str) {
    let mut log = String::new();
    while !log.contains(text) {
        let read = served.stderr.read_line(&mut log).unwrap();
        assert_ne!(read, 0, "no {text:?} in {log}");
    }
}

#[test]
fn a_full_server_reads_the_headers_of_its_proxies() {
    let proxies = ["--proxy-protocol", "127.0.0.1", "--max-connections"];
    let header = "PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n";
    for row in rows() {
        let mut served = Served::echo(&[&row[..], &proxies, &["2"]].concat());
        let (silent, mut late) = (served.connect(), served.connect());
        await_log(&mut served, "full at 2 connections");
        late.write_all(header.as_bytes()).unwrap();
        round_trip(&mut late);
        drop((silent, late));
        round_trip(&mut connect_as(&served, header));
        served.stop();
    }
    for row in rows().into_iter().chain([vec!["--model", "blocking"]]) {
        let served = Served::echo(&[&row[..], &proxies, &["1"]].concat());
        for _ in 0..3 {
            round_trip(&mut connect_as(&served, header));
        }
        served.stop();
    }
}

#[test]
fn a_full_server_closes_proxies_that_send_no_header() {
    let options = ["--proxy-protocol", "127.0.0.1"];
    let served = Served::echo(&[&options[..], &["--max-connections", "2"]].concat());
    let blocking = Served::echo(&[&options[..], &["--model", "blocking"]].concat());
    let silent = [served.connect(), served.connect(), blocking.connect()];
    for served in [served, blocking] {
        round_trip(&mut connect_as(&served, "PROXY UNKNOWN\r\n"));
        let log = served.stop();
        assert!(log.contains("no whole PROXY header in 5 s"), "{log}");
    }
    drop(silent);
}

/// A process of a connection has copies of the sockets of others.
#[test]
fn a_proxy_that_sends_no_header_is_closed_while_others_go_on() {
    let options = ["--proxy-protocol", "127.0.0.1", "--model", "processes"];
    let served = Served::echo(&options);
    let mut silent = served.connect();
    let mut other = connect_as(&served, "PROXY UNKNOWN\r\n");
    round_trip(&mut other);
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    round_trip(&mut other);
    drop((silent, other));
    served.stop();
}

#[test]
fn a_stop_does_not_wait_for_the_headers_of_proxies() {
    let options = ["--proxy-protocol", "127.0.0.1", "--drain", "600"];
    let mut rows: Vec<_> = rows().into_iter().map(|row| (row, 1)).collect();
    while let Some((row, tries)) = rows.pop() {
        let mut served = Served::echo(&[&row[..], &options].concat());
        let (silent, asked) = (served.connect(), Instant::now());
        let mut other = connect_as(&served, "PROXY UNKNOWN\r\n");
        round_trip(&mut other);
        signal(&served, Signal::TERM);
        read_until(&mut served, "draining ", &row);
        // One that comes at once is the same request to stop.
        while served.child.try_wait().unwrap().is_none() {
            signal(&served, Signal::TERM);
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut log = String::new();
        served.stderr.read_to_string(&mut log).unwrap();
        if asked.elapsed() > Duration::from_secs(4) && tries < 4 {
            // The time for the header may have ended on a machine that is so busy.
            rows.push((row, tries + 1));
            continue;
        }
        let cut = log.contains("cut 2,") && !log.contains("PROXY header");
        assert!(cut, "{row:?}: {log}");
        drop((silent, other));
    }
}

#[test]
fn other_peers_are_clients() {
    let served = Served::echo(&["--proxy-protocol", "10.0.0.0/8"]);
    round_trip(&mut served.connect());
    served.stop();
    let output = run(&["serve", "echo", "--proxy-protocol", "10.0.0.0/40"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = "switchboard: --proxy-protocol: \"10.0.0.0/40\" is no network";
    assert!(
        stderr.starts_with(expected) && stderr.lines().count() == 1,
        "{stderr}"
    );
}
