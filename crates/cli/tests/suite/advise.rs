//! `switchboard advise`, with costs measured here and read from a report.

use std::process::Output;

use serde_json::Value;

use crate::served::run;

const DEMAND: [&str; 9] = [
    "advise",
    "--connections",
    "300",
    "--active",
    "5%",
    "--service",
    "200ms",
    "--cpu",
    "1ms",
];

fn advise(more: &[&str]) -> Output {
    run(&[&DEMAND[..], more].concat())
}

/// A report as `compare costs` makes it, of a machine with four cores and 1 GiB.
fn report(path: &std::path::Path) {
    let figure = |value: f64| {
        format!(r#"{{"median":{value},"low":{value},"high":{value},"samples":[{value},{value}]}}"#)
    };
    let row = |name: &str, trip: f64, bytes: f64, most: f64| {
        format!(
            r#"{{"name":"{name}","mark":"plain","values":[{},{},{},"a limit"],"error":null}}"#,
            figure(trip),
            figure(bytes),
            figure(most)
        )
    };
    let column =
        |name: &str, unit: &str| format!(r#"{{"name":"{name}","unit":"{unit}","better":"less"}}"#);
    let models = [
        column("CPU per round trip", "seconds"),
        column("memory per connection", "bytes"),
        column("most connections", "count"),
        column("limited by", "text"),
    ];
    let pool = [
        column("threads at once", "count"),
        column("CPU per job", "seconds"),
    ];
    let text = format!(
        r#"{{"schema":"switchboard-lab","version":1,"machine":{{"cpu":"a processor","cores":4,"memory_bytes":1073741824,"kernel":"k"}},
        "sections":[{{"experiment":"costs","tables":[
        {{"title":"Models","rows_are":"model","columns":[{}],"rows":[{},{}]}},
        {{"title":"Pool","rows_are":"pool","columns":[{}],"rows":[{{"name":"run_blocking","mark":"plain","values":[{},{}],"error":null}}]}}]}}]}}"#,
        models.join(","),
        row("threads", 10e-6, 40_000.0, 15_000.0),
        row("tasks/epoll", 5e-6, 500.0, 20_000.0),
        pool.join(","),
        figure(64.0),
        figure(1e-5)
    );
    std::fs::write(path, text).unwrap();
}

#[test]
fn costs_are_measured_where_no_report_is_given() {
    let output = advise(&["--json"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["schema"], "switchboard-advice");
    let advice = &said["advice"];
    assert_eq!(advice["fits"], true, "{said}");
    let because = advice["because"].to_string();
    for part in [
        "300 connections × 5 % active = 15 requests",
        "threads: 300 × ",
        "tasks/epoll: 300 × ",
    ] {
        assert!(because.contains(part), "{because}");
    }
    assert!(!advice["changes"].as_array().unwrap().is_empty());
}

#[test]
fn a_report_of_another_machine_is_read() {
    let path = std::env::temp_dir().join(format!("switchboard-advise-{}.json", std::process::id()));
    report(&path);
    let from = ["--from", path.to_str().unwrap()];
    let output = advise(&from);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}{errors}");
    assert!(text.starts_with("run `--model threads`"), "{text}");
    assert!(text.contains("a processor, 4 cores"), "{text}");
    // Too much for threads by the memory, and for all by the processor.
    let small = advise(&[&from[..], &["--memory", "10MiB"]].concat());
    let text = String::from_utf8_lossy(&small.stdout).into_owned();
    assert!(
        text.starts_with("run `--model tasks --driver epoll --workers 1`"),
        "{text}"
    );
    let much = run(&[
        "advise",
        "--connections",
        "9000",
        "--active",
        "1",
        "--service",
        "1s",
        "--cpu",
        "1s",
        from[0],
        from[1],
    ]);
    std::fs::remove_file(&path).unwrap();
    let text = String::from_utf8_lossy(&much.stdout).into_owned();
    assert_eq!(much.status.code(), Some(1), "{text}");
    assert!(
        text.starts_with("no model of this machine does it"),
        "{text}"
    );
    assert!(text.contains("cores of 4"), "{text}");
}

#[test]
fn what_is_impossible_is_one_line_before_anything_is_measured() {
    let path =
        std::env::temp_dir().join(format!("switchboard-advise-wrong-{}", std::process::id()));
    std::fs::write(&path, "{}").unwrap();
    let wrong = path.to_str().unwrap();
    for (more, part) in [
        (["--active", "1.5"], "--active 1.5: a share is from 0 to 1"),
        (["--cpu", "1s"], "--cpu 1 s is more than --service 0.2 s"),
        (["--connections", "0"], "--connections 0"),
        (["--from", "/no/such/report"], "--from /no/such/report: "),
        (["--from", wrong], "it has no schema"),
    ] {
        let mut arguments = vec!["advise"];
        for pair in DEMAND[1..].chunks(2).filter(|pair| pair[0] != more[0]) {
            arguments.extend(pair);
        }
        arguments.extend(more);
        let output = run(&arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(
            errors.contains(part) && errors.lines().count() == 1,
            "{errors}"
        );
        assert!(output.stdout.is_empty());
    }
    std::fs::remove_file(&path).unwrap();
}
