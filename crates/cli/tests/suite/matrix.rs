//! Echo is byte-identical under every model × driver × chunking.

use std::os::unix::net::{UnixListener, UnixStream};

use switchboard_flow::{Driver, Model};

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

fn rows() -> Vec<Vec<&'static str>> {
    let mut rows = Vec::new();
    for model in Model::ALL {
        if !model.has_loop() {
            rows.push(vec!["--model", model.name()]);
            continue;
        }
        // Simulated time would leap past real clients.
        for driver in Driver::ALL.into_iter().filter(|it| *it != Driver::Sim) {
            match driver.open() {
                Ok(_) => rows.push(vec!["--model", model.name(), "--driver", driver.name()]),
                Err(error) => println!("skip: {model}/{driver}: never: {error}"),
            }
        }
    }
    rows.push(vec!["--workers", "2"]);
    rows.push(vec!["--workers", "2", "--workers-as", "processes"]);
    rows.push(vec![
        "--model",
        "threads",
        "--workers",
        "2",
        "--workers-as",
        "processes",
    ]);
    rows
}

#[test]
fn echo_is_identical_under_every_model_driver_and_chunking() {
    let seed =
        std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let mut rng = fastrand::Rng::with_seed(seed);
    println!("seed {seed}");
    let mut ran = 0;
    for row in rows() {
        let served = Served::echo(&row);
        for (name, size, write, read) in CHUNKINGS {
            let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(size).collect();
            let back = echo_tcp(&served.connect(), &bytes, write.max(1), read);
            assert!(
                back == bytes,
                "{row:?}, {name}, seed {seed}: {} of {size} bytes",
                back.len()
            );
            ran += 1;
        }
        let said = served.stop();
        assert!(
            said.contains("accepted 4, panicked 0, failed 0"),
            "{row:?}: {said}"
        );
        println!("{}: {} chunkings", row.join(" "), CHUNKINGS.len());
    }
    assert!(ran > 0, "nothing was run");
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
