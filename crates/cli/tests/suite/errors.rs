//! Bad input gets one clear line: what, where, and what to do.

use std::net::TcpListener;

use crate::served::run;

#[track_caller]
fn refused(arguments: &[&str], status: i32, says: &[&str]) {
    let output = run(arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    for part in says {
        assert!(
            text.contains(part),
            "{arguments:?} should say {part:?}, but says: {text}"
        );
    }
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    refused(
        &["serve", "echo", "--listen", &addr],
        1,
        &["cannot listen on", &addr, "another port"],
    );
    refused(
        &["serve", "echo", "--listen", &addr, "--workers", "2"],
        1,
        &[&addr],
    );
}

#[test]
fn names_that_are_none() {
    let models = [
        "unknown model `fibers`",
        "blocking, threads, pool, processes, tasks",
    ];
    refused(&["serve", "echo", "--model", "fibers"], 2, &models);
    refused(&["fetch", "http://x/", "--model", "fibers"], 2, &models);
    refused(&["compare", "--models", "tasks,fibers"], 2, &models);
    refused(
        &["serve", "echo", "--driver", "kpoll"],
        2,
        &["unknown driver `kpoll`", "epoll"],
    );
    refused(
        &["compare", "--workloads", "disk"],
        2,
        &["unknown workload `disk`", "io, cpu, echo"],
    );
    refused(
        &["serve", "slow-site", "--latency", "soon"],
        2,
        &["`soon`", "250ms"],
    );
}

#[test]
fn more_than_there_is_room_for() {
    refused(
        &[
            "serve",
            "echo",
            "--listen",
            "127.0.0.1:0",
            "--max-connections",
            "99999999",
        ],
        1,
        &["99999999 connections asked for", "raise"],
    );
    refused(
        &[
            "serve",
            "echo",
            "--listen",
            "127.0.0.1:0",
            "--model",
            "processes",
            "--workers",
            "2",
        ],
        1,
        &["processes", "one worker"],
    );
}

#[test]
fn addresses_that_are_none() {
    refused(&["serve", "echo", "--listen", "nowhere"], 1, &["nowhere"]);
    refused(
        &["serve", "echo", "--listen", "203.0.113.1:80"],
        1,
        &["203.0.113.1:80", "does not have"],
    );
    refused(
        &["serve", "slow-site", "--errors", "2"],
        1,
        &["share of 500", "0 to 1"],
    );
    refused(
        &["compare", "--json", "/nowhere/x.json"],
        1,
        &["/nowhere/x.json"],
    );
}
