//! `switchboard fetch` against `switchboard serve slow-site`.

use std::net::SocketAddr;
use std::process::{Command, Output};

use switchboard_runtime::{Driver, Model, Style};

use crate::matrix::rows;
use crate::served::{BINARY, Served, run};

fn site(arguments: &[&str]) -> Served {
    let options = ["slow-site", "--listen", "127.0.0.1:0", "--latency", "5ms"];
    Served::start(&[&options[..], arguments].concat(), None)
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The models that run an async function.
fn models() -> impl Iterator<Item = Model> {
    Model::ALL
        .into_iter()
        .filter(|model| model.runs(Style::Async).is_ok())
}

#[test]
fn fetch_prints_the_same_under_every_model() {
    let served = site(&[]);
    let urls: Vec<String> = (0..12)
        .map(|n| format!("http://{}/page/{n}", served.addr))
        .collect();
    let mut expected: Option<Vec<String>> = None;
    for model in models() {
        for driver in Driver::ALL {
            if driver != Driver::best() && (!model.has_loop() || driver == Driver::Sim) {
                continue;
            }
            let mut arguments = vec!["fetch", "--model", model.name()];
            if model.has_loop() {
                arguments.extend(["--driver", driver.name()]);
            }
            arguments.extend(["--extract", "temperature: (.* C)"]);
            arguments.extend(urls.iter().map(String::as_str));
            let output = run(&arguments);
            let (out, err) = text(&output);
            assert_eq!(output.status.code(), Some(0), "{model}/{driver}: {err}");
            let mut lines: Vec<String> = out.lines().map(str::to_owned).collect();
            lines.sort();
            assert_eq!(lines.len(), 12);
            assert!(lines.iter().all(|line| line.ends_with(" C")), "{lines:?}");
            assert_eq!(
                expected.get_or_insert_with(|| lines.clone()),
                &lines,
                "{model}/{driver}"
            );
            assert!(
                err.contains("12 pages: 12 ok, 0 without match, 0 failed"),
                "{err}"
            );
        }
    }
}

#[test]
fn fetch_gets_all_pages_from_every_model_of_server() {
    for row in rows(Style::Async) {
        let served = site(&row);
        let urls: Vec<String> = (0..5)
            .map(|n| format!("http://{}/page/{n}", served.addr))
            .collect();
        let mut arguments = vec!["fetch", "--model", "blocking"];
        arguments.extend(urls.iter().map(String::as_str));
        let output = run(&arguments);
        let (out, err) = text(&output);
        assert_eq!(output.status.code(), Some(0), "{row:?}: {err}");
        assert_eq!(
            out.lines().filter(|line| line.contains(", 200, ")).count(),
            5,
            "{out}"
        );
    }
}

#[test]
fn failed_pages_are_reported_by_phase_and_affect_no_other_page() {
    let served = site(&[
        "--errors",
        "0.2",
        "--resets",
        "0.2",
        "--not-found",
        "0.1",
        "--redirects",
        "0.1",
    ]);
    for model in models() {
        let urls: Vec<String> = (0..40)
            .map(|n| format!("http://{}/page/{n}", served.addr))
            .collect();
        let mut arguments = vec!["fetch", "--model", model.name(), "--concurrency", "8"];
        arguments.extend(urls.iter().map(String::as_str));
        let output = run(&arguments);
        let (out, err) = text(&output);
        assert_eq!(output.status.code(), Some(1), "{model}");
        let failed = err
            .lines()
            .filter(|line| line.starts_with("error for "))
            .count();
        assert_eq!(out.lines().count() + failed, 40, "{model}: {out}{err}");
        assert!(err.contains("status: 500"), "{model}: {err}");
        assert!(err.contains("status: 404"), "{model}: {err}");
        assert!(err.contains(": body: "), "{model}: {err}");
    }
}

#[test]
fn errors_name_their_phase() {
    // Nothing listens at this port, and it is none of those that the system gives.
    let closed = "127.0.0.1:1";
    for model in models() {
        let refused = format!("http://{closed}/");
        let output = run(&[
            "fetch",
            "--model",
            model.name(),
            &refused,
            "http://no-such-host.invalid/",
        ]);
        let (_, err) = text(&output);
        assert_eq!(output.status.code(), Some(1), "{model}: {err}");
        assert!(
            err.contains(&format!("connect: cannot connect to {closed}")),
            "{model}: {err}"
        );
        assert!(
            err.contains("resolve: cannot resolve no-such-host.invalid"),
            "{model}: {err}"
        );
    }
}

#[test]
fn wrong_usage_fetches_nothing() {
    for (arguments, message) in [
        (&["fetch"][..], "nothing to fetch"),
        (
            &["fetch", "example.org"],
            "did you mean http://example.org?",
        ),
        (&["fetch", "ftp://example.org/"], "use http or https"),
        (
            &["fetch", "http://x/", "--extract", "("],
            "no regular expression",
        ),
        (
            &["fetch", "--from", "/nowhere/list"],
            "--from /nowhere/list",
        ),
        (
            &["fetch", "https://x/", "--cacert", "/nowhere/ca"],
            "--cacert /nowhere/ca",
        ),
    ] {
        let output = run(arguments);
        let (_, err) = text(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {err}");
        assert!(err.contains(message), "{arguments:?}: {err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
}

#[test]
fn pages_of_a_list_are_printed_under_their_names() {
    let served = site(&[]);
    let path = std::env::temp_dir().join(format!("switchboard-list-{}", std::process::id()));
    let list = format!(
        "# cities\nOslo http://{0}/page/1\n\nhttp://{0}/page/2\n",
        served.addr
    );
    std::fs::write(&path, list).unwrap();
    let output = run(&[
        "fetch",
        "--from",
        path.to_str().unwrap(),
        "--extract",
        "temperature: (.* C)",
    ]);
    std::fs::remove_file(&path).unwrap();
    let (out, err) = text(&output);
    assert!(
        out.lines().any(|line| line.starts_with("Oslo, ")),
        "{out}{err}"
    );
    let output = run(&[
        "fetch",
        &format!("http://{}/page/1", served.addr),
        "--extract",
        "absent",
    ]);
    let (out, _) = text(&output);
    assert!(out.starts_with("no match at http://"), "{out}");
    assert_eq!(output.status.code(), Some(1));
}

/// Fetches one page of each of 300 hosts, with a limit of descriptors, under every model.
fn assert_pages_are_fetched_within(descriptors: usize, concurrency: &str) {
    let served = Served::start(
        &["slow-site", "--listen", "0.0.0.0:0", "--latency", "1ms"],
        None,
    );
    let port = served.addr.parse::<SocketAddr>().unwrap().port();
    let urls: Vec<String> = (0..300)
        .map(|host| format!("http://127.0.{}.{}:{port}/", host / 200, host % 200 + 1))
        .collect();
    for model in models() {
        let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &script, BINARY, "fetch", "--model", model.name()])
            .args(["--concurrency", concurrency])
            .args(&urls)
            .output()
            .unwrap();
        let (_, err) = text(&output);
        assert!(err.contains("300 pages: 300 ok"), "{model}: {err}");
    }
}

#[test]
fn idle_connections_to_many_hosts_leave_descriptors_for_more() {
    assert_pages_are_fetched_within(96, "1");
}

#[test]
fn more_requests_at_once_than_descriptors_wait_for_one_another() {
    assert_pages_are_fetched_within(64, "100");
}
