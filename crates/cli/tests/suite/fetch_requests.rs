//! What `switchboard fetch` sends, and how it is told to.

use std::process::{Command, Stdio};

use crate::odd::{Peer, models, page};
use crate::served::{BINARY, run};

const BUSY: &[u8] = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";

/// Fetches `/` from a server with these answers, under every model, and hands what was requested, stdout and the exit
/// status to `check`.
fn fetch(
    answers: &[(&'static str, Vec<u8>)],
    options: &[&str],
    check: impl Fn(&[String], &str, Option<i32>),
) {
    for model in models() {
        let peer = Peer::start(answers.to_vec());
        let url = format!("http://{}/", peer.host);
        let output = run(&[&["fetch", "--model", model.name(), &url], options].concat());
        println!("{model}: {}", String::from_utf8_lossy(&output.stderr));
        let requests = peer.requests.lock().unwrap().clone();
        check(
            &requests,
            &String::from_utf8_lossy(&output.stdout),
            output.status.code(),
        );
    }
}

/// Returns the values of a field.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().take_while(|line| !line.is_empty());
    let fields = lines.filter_map(|line| line.split_once(": "));
    let named = fields.filter(|(it, _)| it.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value).collect()
}

#[test]
fn requests_are_as_they_were_asked_for() {
    let answers = [("/", page("", "a"))];
    fetch(&answers, &[], |requests, _, code| {
        assert!(
            requests[0].starts_with("GET / HTTP/1.1\r\n"),
            "{requests:?}"
        );
        assert_eq!((requests.len(), code), (1, Some(0)));
    });
    let options = [
        "-H",
        "User-Agent: me",
        "--header",
        "X-A:b",
        "-H",
        "X-A: c",
        "--method",
        "PUT",
        "--data",
        "d=é",
    ];
    fetch(&answers, &options, |requests, _, code| {
        let request = &requests[0];
        assert!(request.starts_with("PUT / HTTP/1.1\r\n"), "{request}");
        assert_eq!(values(request, "User-Agent"), ["me"]);
        assert_eq!(values(request, "X-A"), ["b", "c"]);
        assert_eq!(
            values(request, "Content-Type"),
            ["application/x-www-form-urlencoded"]
        );
        assert!(
            request.ends_with("\r\n\r\nd=é") && code == Some(0),
            "{request}"
        );
    });
    fetch(
        &answers,
        &["-d", "{}", "-H", "Content-Type: application/json"],
        |requests, _, _| {
            assert!(requests[0].starts_with("POST / "), "{requests:?}");
            assert_eq!(values(&requests[0], "Content-Type"), ["application/json"]);
        },
    );
    let old = [("/", b"HTTP/1.0 200 OK\r\n\r\n<t>old</t>".to_vec())];
    fetch(
        &old,
        &["--http1.0", "--extract", "<t>(.*)</t>"],
        |requests, out, _| {
            assert!(
                requests[0].starts_with("GET / HTTP/1.0\r\n"),
                "{requests:?}"
            );
            assert!(out.ends_with("/, old\n"), "{out}");
        },
    );
    fetch(&answers, &["--limit-rate", "1M"], |_, _, code| {
        assert_eq!(code, Some(0))
    });
}

#[test]
fn a_busy_server_is_asked_again_if_that_is_wanted() {
    let answers = [
        ("/", BUSY.to_vec()),
        ("/", BUSY.to_vec()),
        ("/", page("", "a")),
    ];
    for (retries, sent, status) in [
        ("0", 1, Some(1)),
        ("1", 2, Some(1)),
        ("2", 3, Some(0)),
        ("9", 3, Some(0)),
    ] {
        fetch(&answers, &["--retries", retries], |requests, _, code| {
            assert_eq!((requests.len(), code), (sent, status), "{retries} retries");
        });
    }
    fetch(
        &answers,
        &["--retries", "9", "--data", ""],
        |requests, _, code| {
            assert_eq!((requests.len(), code), (1, Some(1)), "a POST is sent once");
        },
    );
}

#[test]
fn cookies_are_sent_back_if_that_is_wanted() {
    let moved = "HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\nSet-Cookie: c=d; Path=/\r\n\r\n";
    let answers = [("/", moved.as_bytes().to_vec()), ("/a", page("", "a"))];
    for (options, expected) in [(&["--cookies"][..], &["c=d"][..]), (&[], &[])] {
        fetch(&answers, options, |requests, _, code| {
            assert_eq!(values(&requests[1], "Cookie"), expected);
            assert_eq!((requests.len(), code), (2, Some(0)));
        });
    }
}

#[test]
fn a_name_and_a_password_of_a_url_are_sent_and_not_shown() {
    for model in models() {
        let peer = Peer::start(vec![("/", page("", "a"))]);
        let output = run(&[
            "fetch",
            "--model",
            model.name(),
            &format!("http://me:pw@{}/", peer.host),
        ]);
        let requests = peer.requests.lock().unwrap();
        assert_eq!(
            values(&requests[0], "Authorization"),
            ["Basic bWU6cHc="],
            "{model}"
        );
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(
            out.starts_with(&format!("http://{}/, 200", peer.host)),
            "{model}: {out}"
        );
    }
}

#[test]
fn proxies_of_the_environment_are_used() {
    for model in models() {
        let peer = Peer::start(vec![(
            "http://host.invalid/a",
            page("", "<t>by the proxy</t>"),
        )]);
        let run = |proxy: &str, except: &str| {
            let mut command = Command::new(BINARY);
            command.args([
                "fetch",
                "--model",
                model.name(),
                "--extract",
                "<t>(.*)</t>",
                "http://host.invalid/a",
            ]);
            command
                .env("http_proxy", proxy)
                .env("no_proxy", except)
                .env_remove("REQUEST_METHOD");
            command.stdin(Stdio::null()).output().unwrap()
        };
        let output = run(&format!("http://{}", peer.host), "");
        let out = String::from_utf8_lossy(&output.stdout);
        assert_eq!(out, "http://host.invalid/a, by the proxy\n", "{model}");
        let output = run(&format!("http://{}", peer.host), "host.invalid");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            err.contains("resolve: cannot resolve host.invalid"),
            "{model}: {err}"
        );
        assert_eq!(peer.requests.lock().unwrap().len(), 1, "{model}");
        let output = run("gopher://me:s3cret@host", "");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            err.contains("http_proxy") && !err.contains("s3cret"),
            "{model}: {err}"
        );
        assert_eq!(
            (output.status.code(), err.lines().count()),
            (Some(2), 1),
            "{model}: {err}"
        );
    }
}

#[test]
fn wrong_options_of_requests_send_nothing() {
    let peer = Peer::start(vec![("/", page("", "a"))]);
    let url = format!("http://{}/", peer.host);
    for (option, value, message) in [
        (
            "--header",
            "s3cret",
            "--header is not of the form `NAME: VALUE`",
        ),
        (
            "--header",
            "a b: c",
            "--header `a b`: this is no name of a field",
        ),
        (
            "--header",
            "a: b\r\nc: d",
            "--header `a`: its value has a character that fields have not",
        ),
        ("--method", "A B", "--method `A B` is no method"),
        (
            "--data",
            "@/nowhere/data",
            "--data @/nowhere/data: No such file",
        ),
        ("--limit-rate", "0", "not a number of bytes"),
        ("--limit-rate", "fast", "write it as 500000, 500k or 2M"),
    ] {
        let output = run(&["fetch", &url, option, value]);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains(message) && !err.contains("s3cret"), "{err}");
    }
    assert!(peer.requests.lock().unwrap().is_empty());
}
