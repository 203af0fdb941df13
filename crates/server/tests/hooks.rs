//! What hooks are told of connections, under every model: each that was accepted is closed exactly once,
//! with the way in which it ended, and the names in reports are those of the handler's place.
//!
//! Without the test harness, because a process with threads must not fork. Each model runs in a process
//! of its own, and its clients in another. Connections may be handled in further processes, so what the
//! hooks are told goes through a pipe, a line each.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_callbacks::{Protocol, Transport};
use switchboard_net::Stream;
use switchboard_process::{self as process, ExitStatus};
use switchboard_reactor::{Closed, Ending, Name, Opened, Stall};
use switchboard_server::{Hooks, Model, Report, Server};

/// Hooks that write a line for each call.
struct Lines(PipeWriter);

impl Lines {
    fn write(&self, text: fmt::Arguments<'_>) {
        (&self.0)
            .write_all(format!("{text}\n").as_bytes())
            .expect("the pipe is read");
    }
}

/// The file of a name, without its folders.
fn file(name: Name) -> &'static str {
    name.file().rsplit('/').next().unwrap_or_default()
}

impl Hooks for Lines {
    fn stall(&self, stall: &Stall) {
        self.write(format_args!("stall {}", file(stall.name)));
    }

    fn notice(&self, _: &dyn fmt::Display) {}

    fn accept(&self, opened: &Opened<'_>) {
        let Opened { id, peer, handler } = opened;
        self.write(format_args!("accept {id} {peer} {}", file(handler)));
    }

    fn close(&self, closed: &Closed<'_>) {
        let ending = match closed.ending {
            Ending::Finished => "finished".to_owned(),
            Ending::Failed(error) => format!("failed: {error}"),
            Ending::Panicked => "panicked".to_owned(),
            Ending::Refused => "refused".to_owned(),
            Ending::Cut => "cut".to_owned(),
            _ => "unknown".to_owned(),
        };
        self.write(format_args!(
            "close {} {} {ending}",
            closed.id,
            file(closed.handler)
        ));
    }
}

/// What the handler is asked for by the first byte of a connection, in the order of the connections.
const ASKED: [u8; 5] = *b"fe!hc";

/// Sends one byte on each connection, and waits for the end of each but the last, which it keeps open.
fn clients(addr: &str, server: rustix::process::Pid) -> i32 {
    for byte in ASKED {
        let mut stream = TcpStream::connect(addr).expect("the server accepts");
        stream.write_all(&[byte]).expect("the server reads");
        let mut back = [0];
        if byte == b'c' {
            stream.read_exact(&mut back).expect("the handler runs");
            rustix::process::kill_process(server, rustix::process::Signal::TERM)
                .expect("the server is there");
        }
        // The end of the connection, which may be a reset.
        let _ = stream.read(&mut back);
        let _ = stream.shutdown(Shutdown::Both);
    }
    0
}

async fn handle(stream: Stream) -> io::Result<()> {
    match stream.recv().await?.first() {
        Some(b'e') => Err(io::Error::other("as asked")),
        Some(b'!') => panic!("as asked"),
        Some(b'h') => {
            hold();
            Ok(())
        }
        Some(b'c') => {
            stream.write_all(b"c").await?;
            stream.recv().await.map(drop)
        }
        _ => Ok(()),
    }
}

/// Holds the thread for longer than a loop takes without a report.
fn hold() {
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(300) {
        std::hint::spin_loop();
    }
}

struct Asked;

impl Protocol for Asked {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        match data.first() {
            Some(b'!') => panic!("as asked"),
            Some(b'h') => hold(),
            Some(b'c') => return transport.write(b"c"),
            _ => {}
        }
        transport.close();
    }
}

fn serve(model: Model, lines: PipeWriter) -> i32 {
    // Silences the messages of panics.
    std::panic::set_hook(Box::new(|_| {}));
    let server = Server::new()
        .model(model)
        .on_signals(true)
        .drain(Duration::from_millis(100))
        .hooks(Arc::new(Lines(lines)));
    let server = server.bind("127.0.0.1:0").expect("a free port");
    let addr = server.local_addr().to_string();
    let parent = rustix::process::getpid();
    let child = process::fork(|| clients(&addr, parent)).expect("a process for the clients");
    let report = match model {
        Model::Callbacks => server.serve_protocol(|| Asked),
        _ => server.serve(handle),
    };
    let report = report.expect("the server runs");
    let good = child.wait().ok() == Some(ExitStatus::Exited(0));
    i32::from(!good || report.accepted != ASKED.len() as u64 || report.cut != 1)
}

fn endings(model: Model) -> Vec<&'static str> {
    let failed = match model {
        // A protocol returns no error.
        Model::Callbacks => "finished",
        _ => "failed: as asked",
    };
    vec!["finished", failed, "panicked", "finished", "cut"]
}

fn told(mut lines: PipeReader) -> (BTreeMap<u64, Vec<String>>, Vec<String>) {
    let mut text = String::new();
    lines.read_to_string(&mut text).expect("text");
    let (mut connections, mut stalls) = (BTreeMap::<u64, Vec<String>>::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("stall"), Some(name), _) => stalls.push(name.to_owned()),
            (Some(what), Some(id), Some(rest)) => {
                let id = id.parse().expect("a number");
                let told = connections.entry(id).or_default();
                told.push(format!("{what} {rest}"));
            }
            _ => panic!("not understood: {line}"),
        }
    }
    (connections, stalls)
}

fn accept_and_close_match(model: Model) -> bool {
    let (reader, writer) = io::pipe().expect("a pipe");
    let server = process::fork(|| serve(model, writer.try_clone().expect("a descriptor")));
    drop(writer);
    let served = server.expect("a process for the model").wait();
    let (connections, stalls) = told(reader);
    let mut good = matches!(served, Ok(ExitStatus::Exited(0)));
    let told: Vec<_> = connections.values().cloned().collect();
    for (told, ending) in told.iter().zip(endings(model)) {
        good &= told.len() == 2
            && told[0].starts_with("accept 127.0.0.1:")
            && told[0].ends_with(" hooks.rs")
            && told[1] == format!("close hooks.rs {ending}");
    }
    good &= told.len() == ASKED.len();
    good &= !model.has_loop() || stalls == ["hooks.rs"];
    if !good {
        println!("{model}: {served:?}, {connections:?}, stalls {stalls:?}");
    }
    good
}

/// A process that has another thread cannot fork, so a server of the model `processes` would refuse every
/// client. It ends at once instead.
fn processes_beside_a_thread_are_refused() -> bool {
    let child = process::fork(|| {
        std::thread::spawn(std::thread::park);
        let server = Server::new().model(Model::Processes);
        let server = server.bind("127.0.0.1:0").expect("a free port");
        let served: io::Result<Report> = server.serve(handle);
        match served {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => 0,
            served => {
                println!("{served:?}");
                1
            }
        }
    });
    child.and_then(|child| child.wait()).ok() == Some(ExitStatus::Exited(0))
}

fn main() -> ExitCode {
    let mut failed = Vec::new();
    for model in Model::ALL {
        if !accept_and_close_match(model) {
            failed.push(format!("accept_and_close_match::{model}"));
        }
    }
    if !processes_beside_a_thread_are_refused() {
        failed.push("processes_beside_a_thread_are_refused".to_owned());
    }
    for name in &failed {
        println!("test {name} ... FAILED");
    }
    if failed.is_empty() {
        println!("test hooks ... ok");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}
