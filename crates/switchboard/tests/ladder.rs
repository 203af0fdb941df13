//! The programs in `examples/`: each runs, and all programs of a kind print the same.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use switchboard::Server;
use switchboard::apps::slow_site::{Latency, Site, serve};

const ECHOES: [&str; 7] = [
    "01-echo-blocking",
    "02-echo-threads",
    "03-echo-callbacks",
    "04-echo-dispatcher",
    "05-echo-deferred",
    "06-echo-tasks",
    "07-echo-green",
];

const PAGES: [&str; 7] = [
    "11-pages-blocking",
    "12-pages-threads",
    "13-pages-callbacks",
    "14-pages-dispatcher",
    "15-pages-deferred",
    "16-pages-tasks",
    "17-pages-green",
];

const MISTAKES: [&str; 2] = ["21-mistake-waiting", "22-mistake-computing"];

/// Returns the path of an example. Cargo builds the examples next to the folder of tests, except when it is
/// asked for a single test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap().parent().unwrap();
    let program = folder.join("examples").join(name);
    assert!(
        program.exists(),
        "`cargo build --examples` first: {program:?}"
    );
    program
}

/// A running echo server and its address. The server is killed when this value is dropped.
struct Echo(Child, String);

impl Echo {
    fn start(name: &str) -> Echo {
        let mut child = Command::new(program(name))
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let addr = line.trim().strip_prefix("listening on ");
        let addr = addr.unwrap_or_else(|| panic!("{name}: {line}"));
        Echo(child, addr.to_owned())
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_echo_example_echoes() {
    for name in ECHOES {
        let echo = Echo::start(name);
        let mut first = TcpStream::connect(&echo.1).unwrap();
        first.write_all(b"first").unwrap();
        let mut back = [0; 5];
        first.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"first", "{name}");
        // The first client stays connected, except where the program serves one client at a time.
        let first = Some(first).filter(|_| name != ECHOES[0]);
        let mut second = TcpStream::connect(&echo.1).unwrap();
        let bytes: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (sent, mut writes) = (bytes.clone(), second.try_clone().unwrap());
        let writer = std::thread::spawn(move || {
            writes.write_all(&sent).unwrap();
            writes.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        second.read_to_end(&mut back).unwrap();
        writer.join().unwrap();
        assert!(back == bytes, "{name}: {} bytes came back", back.len());
        drop(first);
    }
}

#[test]
fn every_pages_example_prints_the_temperatures() {
    let site = Arc::new(Site {
        latency: Latency::Fixed(Duration::from_millis(20)),
        ..Site::default()
    });
    let bound = Server::new().bind("127.0.0.1:0").unwrap();
    let (addr, stop) = (bound.local_addr().to_string(), bound.stop_handle());
    let server = std::thread::spawn(move || bound.serve(move |stream| serve(stream, site.clone())));
    let mut expected: Option<Vec<String>> = None;
    for name in PAGES {
        let output = Command::new(program(name)).arg(&addr).output();
        let output = output.unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // A loop reports that a busy machine held it.
        let is_fine = |line: &str| line.contains(": the loop was held for ");
        assert!(
            output.status.success() && said.lines().all(is_fine),
            "{name}: {said}"
        );
        let mut pages: Vec<String> = text.lines().map(str::to_owned).collect();
        let last = pages.pop().unwrap();
        assert!(
            last.starts_with("in ") && last.ends_with(" s"),
            "{name}: {last}"
        );
        // The pages are printed in the order in which they came.
        pages.sort();
        assert!(
            pages.iter().all(|page| page.ends_with(" C")),
            "{name}: {text}"
        );
        assert_eq!(pages.len(), 3, "{name}: {text}");
        assert_eq!(
            expected.get_or_insert_with(|| pages.clone()),
            &pages,
            "{name}"
        );
    }
    stop.stop();
    server.join().unwrap().unwrap();
}

/// Returns for each headline how late each tick was, in milliseconds, and what else was printed.
fn ticks(name: &str) -> Vec<(Vec<u64>, String)> {
    let output = Command::new(program(name)).output().unwrap();
    assert!(output.status.success(), "{name}: {output:?}");
    let mut parts: Vec<(Vec<u64>, String)> = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if !line.starts_with(' ') {
            parts.push((Vec::new(), String::new()));
        }
        let (late, others) = parts.last_mut().unwrap();
        match line
            .strip_suffix(" ms late")
            .and_then(|line| line.rsplit(' ').next())
        {
            Some(ms) => late.push(ms.parse().unwrap()),
            None => *others += line,
        }
    }
    parts
}

/// Checks what a callback that waits does; returns whether nothing but the mistake held the loop, as a busy
/// machine does too.
fn only_the_wait_holds_the_loop() -> bool {
    let waiting = ticks(MISTAKES[0]);
    let [(wrong, reported), (right, quiet), (_, refused)] = &waiting[..] else {
        panic!("{waiting:?}");
    };
    // The first tick may come before the callback that waits.
    assert!(
        wrong.iter().any(|late| *late >= 240) && wrong.len() == 4,
        "{wrong:?}"
    );
    assert!(
        reported.contains("stall: the loop was held for "),
        "{reported}"
    );
    assert!(
        reported.contains("examples/21-mistake-waiting.rs:"),
        "{reported}"
    );
    assert!(right.len() == 4 && quiet.contains("  waited"), "{quiet}");
    assert!(
        refused.contains("model `tasks` cannot make a blocking read"),
        "{refused}"
    );
    !quiet.contains("stall")
}

/// Checks what a handler that computes does; returns as [`only_the_wait_holds_the_loop`] does.
fn only_the_mistaken_computation_holds_the_loop() -> bool {
    let computing = ticks(MISTAKES[1]);
    let [
        (wrong, reported),
        (thread, in_thread),
        (process, in_process),
    ] = &computing[..]
    else {
        panic!("{computing:?}");
    };
    assert!(wrong[0] >= 240, "{wrong:?}");
    assert!(
        reported.contains("examples/22-mistake-computing.rs:"),
        "{reported}"
    );
    assert_eq!((thread.len(), process.len()), (4, 4));
    !in_thread.contains("stall") && !in_process.contains("stall")
}

#[test]
fn mistakes_hold_the_loop_and_are_reported() {
    assert!((0..10).any(|_| only_the_wait_holds_the_loop()));
    assert!((0..10).any(|_| only_the_mistaken_computation_holds_the_loop()));
}

#[test]
fn every_example_is_short_and_names_its_command() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // The folder `ecosystem` is a workspace with tests of its own.
        if path.is_dir() {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let command = format!("cargo run --example {name}\n");
        assert!(text.contains(&command), "{name} does not name `{command}`");
        assert!(text.lines().count() <= 60, "{name} has more than 60 lines");
        names.push(name);
    }
    names.sort();
    assert_eq!(names, [&ECHOES[..], &PAGES, &MISTAKES].concat());
}
