//! Echo is byte-identical under every model × driver × chunking.

use std::os::unix::net::{UnixListener, UnixStream};

use switchboard_runtime::{Driver, Model, Style};

use crate::served::{Served, echo_tcp, echo_through, run};

/// Name, number of bytes, bytes of each write, bytes of each read.
const CHUNKINGS: [(&str, usize, usize, usize); 4] = [
    ("nothing at all", 0, 1, 1),
    ("one byte at a time", 2_000, 1, 1),
    (
        "a megabyte, read a little at a time",
        1 << 20,
        1 << 20,
        1000,
    ),
    (
        "five megabytes, half-closed, read to the end",
        5_000_000,
        5_000_000,
        1 << 16,
    ),
];

/// Returns the options of every model × driver × workers that runs code written in `style`. Prints the
/// reason for each combination that is left out.
pub(crate) fn rows(style: Style) -> Vec<Vec<&'static str>> {
    let mut rows = Vec::new();
    for model in Model::ALL {
        if let Err(refusal) = model.runs(style) {
            println!("skip: {model}: never: {refusal}");
            continue;
        }
        let drivers: Vec<Driver> = match model.has_loop() {
            // Simulated time would pass before a real client sends.
            true => Driver::ALL
                .into_iter()
                .filter(|it| *it != Driver::Sim)
                .collect(),
            false => vec![Driver::best()],
        };
        for driver in drivers {
            // Only drivers that a system may lack are opened here: `select` would fail, because this process
            // has too many descriptors for it.
            let may_be_missing = matches!(driver, Driver::Epoll | Driver::Uring);
            if let Some(Err(error)) = may_be_missing.then(|| driver.open()) {
                println!("skip: {model}/{driver}: never: {error}");
                continue;
            }
            for workers in [&["1"][..], &["2"], &["2", "--workers-as", "processes"]] {
                if model == Model::Processes && workers.len() == 1 && workers[0] != "1" {
                    println!("skip: {model}, threads as workers: never: they can't fork");
                    continue;
                }
                let mut row = vec!["--model", model.name()];
                if model.has_loop() {
                    row.extend(["--driver", driver.name()]);
                }
                row.push("--workers");
                rows.push([&row[..], workers].concat());
            }
        }
    }
    assert!(!rows.is_empty(), "no combination can run");
    rows
}

#[test]
fn a_model_refuses_in_one_line_what_it_cannot_run() {
    let programs: [(&[&str], Style); 3] = [
        (
            &["serve", "echo", "--plain", "--listen", "127.0.0.1:0"],
            Style::Plain,
        ),
        (
            &["serve", "slow-site", "--listen", "127.0.0.1:0"],
            Style::Async,
        ),
        (&["fetch", "http://127.0.0.1:9/"], Style::Async),
    ];
    let mut refused = 0;
    for (program, style) in programs {
        for model in Model::ALL {
            if model.runs(style).is_ok() {
                continue;
            }
            let output = run(&[program, &["--model", model.name()]].concat());
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(
                output.status.code(),
                Some(2),
                "{program:?} under {model}: {stderr}"
            );
            let wanted = format!("switchboard: --model {model}: model `{model}` cannot run a");
            assert!(
                stderr.starts_with(&wanted) && stderr.lines().count() == 1,
                "{stderr}"
            );
            refused += 1;
        }
    }
    assert_eq!(
        refused, 4,
        "plain echo under two, the others under callbacks"
    );
}

#[test]
fn the_readme_has_the_table_that_models_prints() {
    let output = run(&["models", "--markdown"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(table.lines().count(), Model::ALL.len() + 2);
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    assert!(readme.contains(&table), "the README should have:\n{table}");
}

#[test]
fn echo_is_identical_under_every_model_driver_and_chunking() {
    let seed =
        std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let mut rng = fastrand::Rng::with_seed(seed);
    println!("seed {seed}");
    let echo = [Style::Async, Style::Protocol].map(rows).concat();
    let plain = rows(Style::Plain)
        .into_iter()
        .map(|row| [&row[..], &["--plain"]].concat());
    for row in echo.into_iter().chain(plain) {
        let served = Served::echo(&row);
        for (name, size, write, read) in CHUNKINGS {
            let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(size).collect();
            let back = echo_tcp(&served.connect(), &bytes, write.max(1), read);
            assert!(
                back == bytes,
                "{row:?}, {name}, seed {seed}: {} of {size} bytes",
                back.len()
            );
        }
        let stderr = served.stop();
        assert!(
            stderr.contains("accepted 4, panicked 0, failed 0"),
            "{row:?}: {stderr}"
        );
        println!("{}: {} chunkings", row.join(" "), CHUNKINGS.len());
    }
}

#[test]
fn every_model_serves_unix_sockets() {
    for model in Model::ALL {
        let path = std::env::temp_dir().join(format!("switchboard-{}-{model}", std::process::id()));
        let name = path.to_str().unwrap();
        // A killed server leaves such a socket file behind.
        drop(UnixListener::bind(&path).unwrap());
        let served = Served::start(&["echo", "--unix", name, "--model", model.name()], None);
        let stream = UnixStream::connect(&path).unwrap();
        let bytes = vec![7; 1 << 20];
        let (reader, writer) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
        let back = echo_through(reader, writer, &bytes, 1 << 20, 1 << 16, || {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        });
        assert!(back == bytes, "{model}");
        let second = run(&["serve", "echo", "--unix", name]);
        assert_eq!(
            second.status.code(),
            Some(1),
            "another server listens there"
        );
        served.stop();
        assert!(!path.exists(), "{model}: the socket is left behind");
    }
}
