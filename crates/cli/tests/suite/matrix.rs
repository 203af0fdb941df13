//! Echo is byte-identical under every model × driver × chunking.

use std::os::unix::net::{UnixListener, UnixStream};

use switchboard_runtime::{Driver, Model, Style};

use crate::served::{Served, echo_tcp, echo_through, run};

/// Bytes, written at a time, read at a time.
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

/// Every model × driver × workers that runs what is written in `style`, as options. Of each that does
/// not, the reason is printed.
pub(crate) fn rows(style: Style) -> Vec<Vec<&'static str>> {
    let mut rows = Vec::new();
    for model in Model::ALL {
        if let Err(refusal) = model.runs(style) {
            println!("skip: {model}: never: {refusal}");
            continue;
        }
        let drivers: Vec<Driver> = match model.has_loop() {
            // Simulated time would leap past real clients.
            true => Driver::ALL
                .into_iter()
                .filter(|it| *it != Driver::Sim)
                .collect(),
            false => vec![Driver::best()],
        };
        for driver in drivers {
            // Asked of those that a system may lack: this process has too many descriptors for some.
            let asked = matches!(driver, Driver::Epoll | Driver::Uring);
            if let Some(Err(error)) = asked.then(|| driver.open()) {
                println!("skip: {model}/{driver}: never: {error}");
                continue;
            }
            for workers in [&["1"][..], &["2"], &["2", "--workers-as", "processes"]] {
                if model == Model::Processes && workers.len() == 1 && workers[0] != "1" {
                    println!("skip: {model}, threads as workers: never: they can't fork");
                    continue;
                }
                let row = [
                    "--model",
                    model.name(),
                    "--driver",
                    driver.name(),
                    "--workers",
                ];
                rows.push([&row[..], workers].concat());
            }
        }
    }
    assert!(!rows.is_empty(), "nothing is to be run");
    rows
}

/// What the table says cannot be run is refused, in one line that names a model which can.
#[test]
fn what_a_model_cannot_run_it_refuses() {
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
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(
                output.status.code(),
                Some(1),
                "{program:?} under {model}: {said}"
            );
            let wanted = format!("switchboard: model `{model}` cannot run a");
            assert!(
                said.starts_with(&wanted) && said.lines().count() == 1,
                "{said}"
            );
            refused += 1;
        }
    }
    assert_eq!(
        refused, 4,
        "plain echo under two, the others under callbacks"
    );
}

/// What `switchboard models` prints is in the README, word for word.
#[test]
fn the_support_table_is_in_the_readme() {
    let output = run(&["models"]);
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
        let said = served.stop();
        assert!(
            said.contains("accepted 4, panicked 0, failed 0"),
            "{row:?}: {said}"
        );
        println!("{}: {} chunkings", row.join(" "), CHUNKINGS.len());
    }
}

#[test]
fn unix_sockets_too() {
    for model in Model::ALL {
        let path = std::env::temp_dir().join(format!("switchboard-{}-{model}", std::process::id()));
        let name = path.to_str().unwrap();
        // As a server that was killed leaves it behind.
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
        assert_eq!(second.status.code(), Some(1), "somebody listens there");
        served.stop();
        assert!(!path.exists(), "{model}: the socket is left behind");
    }
}
