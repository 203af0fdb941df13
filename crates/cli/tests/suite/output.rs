//! Output that cannot be written: servers go on, tools end as their help says.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use switchboard_runtime::{Driver, Model, Style};

use crate::served::{BINARY, Served, round_trip};

/// A fault of the stream that a line is written to.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The stream is not open at all.
    Closed,
    NoReader,
    FullDisk,
    /// A full pipe of which a reader takes a few bytes at a time.
    SlowReader,
    /// A full pipe that nobody reads.
    StuckReader,
}

const FAULTS: [Fault; 5] = [
    Fault::Closed,
    Fault::NoReader,
    Fault::FullDisk,
    Fault::SlowReader,
    Fault::StuckReader,
];

/// The reader of a faulty stream, which is kept until the test ends.
struct Faulty {
    stream: Stdio,
    reader: Option<PipeReader>,
}

fn full_disk() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// Returns a pipe whose reader is closed.
fn closed_pipe() -> Stdio {
    let (_, writer) = pipe().unwrap();
    writer.into()
}

/// Fills a pipe. The flag O_NONBLOCK is the writer's own, and is taken back.
fn fill(writer: &mut PipeWriter) {
    rustix::io::ioctl_fionbio(&*writer, true).unwrap();
    while writer.write(&[b'.'; 512]).is_ok() {}
    rustix::io::ioctl_fionbio(&*writer, false).unwrap();
}

impl Fault {
    fn stream(self) -> Faulty {
        let (reader, mut writer) = pipe().unwrap();
        let (stream, reader) = match self {
            // `command` closes it.
            Fault::Closed => (Stdio::null(), None),
            Fault::NoReader => (closed_pipe(), None),
            Fault::FullDisk => (full_disk().into(), None),
            Fault::SlowReader | Fault::StuckReader => {
                fill(&mut writer);
                (writer.into(), Some(reader))
            }
        };
        let slow = matches!(self, Fault::SlowReader);
        let reader = reader.and_then(|mut reader| match slow {
            true => {
                std::thread::spawn(move || {
                    while reader.read(&mut [0; 64]).is_ok_and(|length| length > 0) {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                });
                None
            }
            false => Some(reader),
        });
        Faulty { stream, reader }
    }

    /// Returns a command with the fault in its stderr, and what must be kept until it has ended.
    fn command_with_stderr(self) -> (Command, Option<PipeReader>) {
        let mut command = match self {
            Fault::Closed => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "exec \"$0\" \"$@\" 2>&-", BINARY]);
                shell
            }
            _ => Command::new(BINARY),
        };
        let Faulty { stream, reader } = self.stream();
        command.stderr(stream);
        (command, reader)
    }
}

fn wait(mut child: Child, what: &dyn std::fmt::Debug) -> i32 {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status
                .code()
                .unwrap_or_else(|| panic!("{what:?}: {status}"));
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{what:?}: it does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The models, each with one worker, and the workers that are processes.
fn layouts() -> Vec<Vec<&'static str>> {
    let models = Model::ALL.map(|model| vec!["--model", model.name()]);
    let supervised = ["--workers", "2", "--workers-as", "processes"];
    let under = ["tasks", "threads", "processes"];
    let supervised = under.map(|model| [&["--model", model], &supervised[..]].concat());
    models.into_iter().chain(supervised).collect()
}

/// Starts an echo server whose log is faulty, and runs clients against it that stay within two at once.
/// The server prints a notice each time that it is full.
fn assert_serves(fault: Fault, layout: &[&str], seed: u64) {
    let what = format!("{fault:?} {layout:?}, seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut command, kept) = fault.command_with_stderr();
    command.args(["serve", "echo", "--listen", "127.0.0.1:0", "--until-eof"]);
    command.args(["--max-connections", "2"]).args(layout);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The writer's end of the pipe in this process.
    drop(command);
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    let addr = line.trim().strip_prefix("listening on ");
    let addr = addr.unwrap_or_else(|| panic!("{what}: it printed {line:?}"));
    let clients = rng.usize(3..7);
    std::thread::scope(|scope| {
        for _ in 0..clients {
            let mut rng = rng.fork();
            let what = &what;
            scope.spawn(move || {
                for _ in 0..rng.usize(3..12) {
                    let mut stream = TcpStream::connect(addr).unwrap();
                    let limit = Some(Duration::from_secs(30));
                    stream.set_read_timeout(limit).unwrap();
                    for _ in 0..rng.usize(1..5) {
                        let sent: Vec<u8> = (0..rng.usize(1..5000)).map(|_| rng.u8(..)).collect();
                        let mut back = vec![0; sent.len()];
                        stream.write_all(&sent).unwrap();
                        let received = stream.read_exact(&mut back);
                        received.unwrap_or_else(|error| panic!("{what}: a lost request: {error}"));
                        assert!(sent == back, "{what}: other bytes came back");
                    }
                    stream.shutdown(Shutdown::Write).unwrap();
                    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "{what}");
                }
            });
        }
    });
    drop(child.stdin.take());
    assert_eq!(wait(child, &what), 0, "{what}");
    drop(kept);
}

#[test]
fn a_server_serves_under_every_model_while_its_log_cannot_be_written() {
    for layout in layouts() {
        for fault in FAULTS {
            assert_serves(fault, &layout, 1);
        }
    }
}

#[test]
fn a_server_cuts_and_ends_under_every_model_while_nobody_reads_its_log() {
    for layout in layouts() {
        let (mut command, _kept) = Fault::StuckReader.command_with_stderr();
        command.args(["serve", "echo", "--listen", "127.0.0.1:0", "--until-eof"]);
        command.args(["--drain", "0.05"]).args(&layout);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        let addr = line.trim().strip_prefix("listening on ").unwrap();
        let mut client = TcpStream::connect(addr).unwrap();
        round_trip(&mut client);
        drop(child.stdin.take());
        assert_eq!(wait(child, &layout), 0, "{layout:?}");
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    }
}

/// `SWITCHBOARD_LOG_RUNS` sets the number of runs, and `SWITCHBOARD_LOG_SEED` the first seed.
#[test]
fn no_request_is_lost_under_seeded_load_while_the_log_cannot_be_written() {
    let number =
        |name: &str, default| std::env::var(name).map_or(default, |it| it.parse().unwrap());
    let runs: u64 = number("SWITCHBOARD_LOG_RUNS", 6);
    let first: u64 = number("SWITCHBOARD_LOG_SEED", fastrand::u64(..1 << 32));
    let layouts = layouts();
    for seed in first..first + runs {
        let mut rng = fastrand::Rng::with_seed(seed);
        let layout = rng.choice(&layouts).unwrap();
        let fault = rng.choice(FAULTS).unwrap();
        println!("seed {seed}: {fault:?} {layout:?}");
        assert_serves(fault, layout, seed);
    }
}

#[test]
fn a_server_whose_standard_streams_are_closed_leaves_their_numbers_alone() {
    for layout in layouts() {
        let name = format!("switchboard-closed-{}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" <&- >&- 2>&-", BINARY]);
        command.args(["serve", "echo", "--unix"]).arg(&path);
        let child = command.args(&layout).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut client = loop {
            match std::os::unix::net::UnixStream::connect(&path) {
                Ok(client) => break client,
                Err(error) => assert!(Instant::now() < deadline, "{layout:?}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        client.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        for number in 0..3 {
            let target = format!("/proc/{}/fd/{number}", child.id());
            let target = std::fs::read_link(target).unwrap();
            assert_eq!(target.to_str(), Some("/dev/null"), "{layout:?}");
        }
        drop(client);
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(wait(child, &layout), 0);
        let _ = std::fs::remove_file(&path);
    }
}

#[test]
fn a_server_that_cannot_print_its_address_logs_it() {
    for stdout in [Stdio::from(full_disk()), closed_pipe()] {
        let mut child = Command::new(BINARY)
            .args(["serve", "echo", "--listen", "127.0.0.1:0", "--until-eof"])
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut err = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut err, &mut line).unwrap();
        let addr = line.strip_prefix("switchboard: listening on ").unwrap();
        let addr = addr.split(',').next().unwrap();
        round_trip(&mut TcpStream::connect(addr).unwrap());
        drop(child.stdin.take());
        assert_eq!(wait(child, &"an address"), 0);
    }
}

fn site() -> Served {
    let options = ["slow-site", "--listen", "127.0.0.1:0", "--latency", "1ms"];
    Served::start(&options, None)
}

/// The models that run `fetch`, with every driver that they can wait with.
fn fetching() -> Vec<Vec<&'static str>> {
    let mut all = Vec::new();
    for model in Model::ALL {
        if model.runs(Style::Async).is_err() {
            continue;
        }
        match model.has_loop() {
            false => all.push(vec!["--model", model.name()]),
            true => all.extend(
                Driver::ALL
                    .into_iter()
                    .filter(|driver| *driver != Driver::Sim)
                    .map(|driver| vec!["--model", model.name(), "--driver", driver.name()]),
            ),
        }
    }
    all
}

#[test]
fn fetch_prints_every_page_while_its_stderr_cannot_be_written() {
    let served = site();
    for arguments in fetching() {
        // A tool waits for the reader of its remarks, so that a stuck one is left out.
        for fault in [Fault::Closed, Fault::NoReader, Fault::FullDisk] {
            let (mut command, _kept) = fault.command_with_stderr();
            command.arg("fetch").args(&arguments);
            command.args((0..5).map(|n| format!("http://{}/page/{n}", served.addr)));
            // One page of which the line goes to stderr.
            command.arg(format!("http://{}/nowhere", served.addr));
            let output = command.stdin(Stdio::null()).stdout(Stdio::piped());
            let output = output.spawn().unwrap().wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(1), "{fault:?} {arguments:?}");
            assert_eq!(text.lines().count(), 5, "{fault:?} {arguments:?}: {text}");
        }
    }
}

/// Runs a tool with a stdout, and returns its status and stderr.
fn run_into(stdout: Stdio, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(BINARY);
    command.args(arguments).stdin(Stdio::null()).stdout(stdout);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    let mut text = String::new();
    let mut err = child.stderr.take().unwrap();
    err.read_to_string(&mut text).unwrap();
    (wait(child, &arguments), text)
}

#[test]
fn a_tool_ends_quietly_on_a_closed_pipe_and_names_a_full_disk() {
    let served = site();
    let url = format!("http://{}/page/1", served.addr);
    let cell = ["cpu", "--quick", "--models", "blocking", "--jobs", "1"];
    let compare = [&["compare"], &cell[..]].concat();
    let json = [&compare[..], &["--json", "-"]].concat();
    let fetching = fetching();
    let mut tools: Vec<Vec<&str>> = vec![
        vec!["models"],
        vec!["models", "--markdown"],
        vec!["--help"],
        vec!["serve", "echo", "--help"],
        vec!["--version"],
        vec!["completions", "bash"],
        vec!["man"],
        compare,
    ];
    tools.extend(
        fetching
            .iter()
            .map(|it| [&["fetch", &url], &it[..]].concat()),
    );
    for tool in tools {
        let (status, text) = run_into(closed_pipe(), &tool);
        assert_eq!((status, &*text), (0, ""), "{tool:?}");
        let (status, text) = run_into(full_disk().into(), &tool);
        let named = text.contains("cannot write to stdout: No space left on device");
        assert!(status == 1 && named, "{tool:?}: {status}, {text}");
        assert_eq!(text.lines().count(), 1, "{tool:?}: {text}");
    }
    // The tables of the report go to stderr.
    let (status, text) = run_into(full_disk().into(), &json);
    assert!(status == 1 && text.contains("No space left"), "{text}");
}

#[test]
fn fetch_stops_at_the_first_line_that_nobody_reads() {
    let options = ["slow-site", "--listen", "127.0.0.1:0", "--latency", "100ms"];
    let served = Served::start(&options, None);
    for arguments in fetching() {
        let urls: Vec<String> = (0..600)
            .map(|n| format!("http://{}/page/{n}", served.addr))
            .collect();
        let mut all = vec!["fetch", "--concurrency", "2"];
        all.extend(&arguments);
        all.extend(urls.iter().map(String::as_str));
        let start = Instant::now();
        let (status, text) = run_into(closed_pipe(), &all);
        assert_eq!((status, &*text), (0, ""), "{arguments:?}");
        // Two at once, the pages would take half a minute.
        assert!(start.elapsed() < Duration::from_secs(10), "{arguments:?}");
    }
}
