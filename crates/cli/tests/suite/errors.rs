//! Wrong input is refused with one line: what is wrong, where, and what to do.

use std::net::TcpListener;

use switchboard_runtime::Model;

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
fn a_wrong_redis_url_is_refused_without_its_password() {
    let urls = ["redis://:SECRET@h/x", "redis://:SECRET", "SECRET@h"];
    for url in urls {
        for command in [&["crawl", "http://127.0.0.1:9/"][..], &["serve", "chat"]] {
            let arguments = [command, &["--redis", url]].concat();
            assert_refused(&arguments, 2, &["--redis: `", "` is no Redis URL: "]);
            let output = run(&arguments);
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(!text.contains("SECRET"), "{arguments:?}: {text}");
        }
    }
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
    assert_refused(&["compare", "disk"], 2, &["unknown experiment `disk`"]);
    assert_refused(
        &["serve", "slow-site", "--latency", "soon"],
        2,
        &["`soon`", "250ms"],
    );
}

#[test]
fn what_the_system_or_the_model_cannot_do_is_wrong_usage() {
    let listen = ["serve", "echo", "--listen", "127.0.0.1:0"];
    let refused = |arguments: &[&str], parts: &[&str]| {
        assert_refused(&[&listen[..], arguments].concat(), 2, parts);
    };
    refused(
        &["--max-connections", "99999999"],
        &[
            "--max-connections",
            "99999999 connections asked for",
            "raise",
        ],
    );
    refused(
        &["--model", "processes", "--workers", "2"],
        &["--model processes", "--workers 2", "one worker"],
    );
    for count in ["--workers", "--pool", "--max-connections"] {
        refused(&[count, "0"], &[count, "0 is not in 1.."]);
    }
    refused(&["--drain", "-1"], &["--drain", "-1", "not negative"]);
    refused(
        &["--drain", "soon"],
        &["--drain", "soon", "number of seconds"],
    );
    refused(&["--drain", "1e300"], &["--drain", "1e300"]);
}

#[test]
fn wrong_addresses_shares_and_paths_are_refused() {
    assert_refused(
        &["serve", "echo", "--listen", "nowhere"],
        2,
        &["--listen nowhere", "HOST:PORT"],
    );
    let long = format!("/tmp/{}", "x".repeat(200));
    assert_refused(&["serve", "echo", "--unix", &long], 2, &["--unix", &long]);
    for address in [["--unix", &long], ["--listen", "[fe80::1]:0"]] {
        let arguments = [&["serve", "echo", "--max-connections", "5"], &address[..]].concat();
        let output = run(&arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        // The address is wrong and the number is not.
        assert!(
            !output.status.success() && !text.contains("--max-connections"),
            "{text}"
        );
        assert_eq!(text.matches(address[1]).count(), 1, "{text}");
    }
    assert_refused(
        &["serve", "echo", "--listen", "203.0.113.1:80"],
        1,
        &["203.0.113.1:80", "does not have"],
    );
    for share in [
        "--not-found",
        "--errors",
        "--redirects",
        "--resets",
        "--drips",
    ] {
        for value in ["2", "-0.5", "few", "NaN"] {
            assert_refused(
                &["serve", "slow-site", share, value],
                2,
                &[share, value, "0 to 1"],
            );
        }
    }
    assert_refused(
        &["serve", "slow-site", "--errors", "0.7", "--resets", "0.7"],
        2,
        &["--errors", "--resets", "at most 1"],
    );
}

#[test]
fn wrong_folders_and_fields_are_refused() {
    let refused = |arguments: &[&str], parts: &[&str]| {
        assert_refused(&[&["serve", "files"], arguments].concat(), 2, parts);
    };
    refused(&["/nowhere"], &["DIR /nowhere: ", "No such file"]);
    refused(&["/etc/passwd"], &["DIR /etc/passwd: ", "Not a directory"]);
    refused(&["--header", "X"], &["--header `X`", "Name: value"]);
    refused(
        &["--header", "Content-Length: 1"],
        &["--header", "the server sets"],
    );
    refused(&["--cache-control", "a\nb"], &["--cache-control"]);
    refused(&["--index", "a/b"], &["--index a/b", "without a slash"]);
    refused(&["--charset", "utf-8; x"], &["--charset", "iso-8859-1"]);
    refused(
        &["--auth-file", "/nowhere"],
        &["--auth-file /nowhere: ", "No such file"],
    );
    refused(
        &["--auth-file", "/etc/passwd"],
        &["--auth-file /etc/passwd: line 1", "htpasswd -B"],
    );
    refused(&["--access-log", "xml"], &["--access-log", "combined"]);
    refused(&["--model", "callbacks"], &["callbacks"]);
}

#[test]
fn a_driver_for_a_model_without_a_loop_is_refused_by_both_names() {
    for model in Model::ALL.into_iter().filter(|model| !model.has_loop()) {
        for command in [&["serve", "echo"][..], &["fetch", "http://x/"]] {
            for driver in ["epoll", "auto"] {
                let arguments = [command, &["--model", model.name(), "--driver", driver]].concat();
                let flag = format!("--driver {driver}");
                let named = format!("`{}`", model.name());
                assert_refused(&arguments, 2, &[&flag, &named, "tasks, green"]);
            }
        }
    }
}
