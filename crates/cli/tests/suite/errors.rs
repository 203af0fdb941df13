//! Wrong input is refused with one line: what is wrong, where, and what to do.

use std::net::TcpListener;

use crate::served::run;

#[track_caller]
fn assert_refused(arguments: &[&str], status: i32, parts: &[&str]) {
    let output = run(arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    for part in parts {
        assert!(
            text.contains(part),
            "{arguments:?} should print {part:?}, but printed: {text}"
        );
    }
}

#[test]
fn a_port_in_use_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    assert_refused(
        &["serve", "echo", "--listen", &addr],
        1,
        &["cannot listen on", &addr, "another port"],
    );
    assert_refused(
        &["serve", "echo", "--listen", &addr, "--workers", "2"],
        1,
        &[&addr],
    );
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    let models = [
        "unknown model `fibers`",
        "blocking, threads, pool, processes, tasks",
    ];
    assert_refused(&["serve", "echo", "--model", "fibers"], 2, &models);
    assert_refused(&["fetch", "http://x/", "--model", "fibers"], 2, &models);
    assert_refused(&["compare", "--models", "tasks,fibers"], 2, &models);
    assert_refused(
        &["serve", "echo", "--driver", "kpoll"],
        2,
        &["unknown driver `kpoll`", "epoll"],
    );
    assert_refused(
        &["compare", "--workloads", "disk"],
        2,
        &["unknown workload `disk`", "io, cpu, echo"],
    );
    assert_refused(
        &["serve", "slow-site", "--latency", "soon"],
        2,
        &["`soon`", "250ms"],
    );
}

#[test]
fn more_than_the_capacity_is_refused() {
    assert_refused(
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
    assert_refused(
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
fn wrong_addresses_shares_and_paths_are_refused() {
    assert_refused(&["serve", "echo", "--listen", "nowhere"], 1, &["nowhere"]);
    assert_refused(
        &["serve", "echo", "--listen", "203.0.113.1:80"],
        1,
        &["203.0.113.1:80", "does not have"],
    );
    assert_refused(
        &["serve", "slow-site", "--errors", "2"],
        1,
        &["share of 500", "0 to 1"],
    );
    assert_refused(
        &["compare", "--json", "/nowhere/x.json"],
        1,
        &["/nowhere/x.json"],
    );
}
