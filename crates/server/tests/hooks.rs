//! Hooks and connections, under every model: each that was accepted is closed exactly once,
//! with the way in which it ended, and the names in reports are those of the handler's place.
//!
//! Without the test harness, because a process with threads must not fork. Each model runs in a process
//! of its own, and its clients in another. Connections may be handled in further processes, so what the
//! hooks are told goes through a pipe, a line each.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, PipeWriter, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_callbacks::{Protocol, Transport};
use switchboard_net::Stream;
use switchboard_process::{self as process, ExitStatus};
use switchboard_reactor::{Closed, Ending, Name, Opened, Stall, Traffic};
use switchboard_runtime::{self as runtime, Driver, Waiting};
use switchboard_server::{Hooks, Model, Observer, Report, Server};

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

/// The first byte of each connection, which tells the handler what to do.
const ASKED: [u8; 5] = *b"fe!hc";

/// Sends one byte on each connection, and waits for its end. The last one is kept open until the server cuts it,
/// and `lines` tell that its handler runs.
fn clients(addr: &str, lines: &Lines) -> i32 {
    for byte in ASKED {
        let mut stream = TcpStream::connect(addr).expect("the server accepts");
        stream.write_all(&[byte]).expect("the server reads");
        let mut back = [0];
        if byte == b'c' {
            stream.read_exact(&mut back).expect("the handler runs");
            lines.write(format_args!("kept"));
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
    let lines = Arc::new(Lines(lines));
    let drain = match model {
        // A connection is told to have ended a little before its process ends, which nothing tells.
        Model::Processes => Duration::from_secs(5),
        _ => Duration::from_millis(100),
    };
    let server = Server::new().model(model).on_signals(true).drain(drain);
    let server = server.hooks(lines.clone());
    let server = server.bind("127.0.0.1:0").expect("a free port");
    let addr = server.local_addr().to_string();
    let child = process::fork(|| clients(&addr, &lines)).expect("a process for the clients");
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

/// Returns whether the last connection is kept open, and all others have ended.
fn is_one_kept(text: &str) -> bool {
    let count = |what| text.lines().filter(|line| line.starts_with(what)).count();
    count("accept ") >= ASKED.len() && count("close ") >= ASKED.len() - 1 && count("kept") > 0
}

fn told(text: &str) -> (BTreeMap<u64, Vec<String>>, Vec<String>) {
    let (mut connections, mut stalls) = (BTreeMap::<u64, Vec<String>>::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("stall"), Some(name), _) => stalls.push(name.to_owned()),
            (Some("kept"), None, _) => {}
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
    let server = server.expect("a process for the model");
    let (mut lines, mut text) = (BufReader::new(reader), String::new());
    while !is_one_kept(&text) && lines.read_line(&mut text).expect("text") > 0 {}
    server.terminate();
    lines.read_to_string(&mut text).expect("text");
    let served = server.wait();
    let (connections, stalls) = told(&text);
    let mut good = matches!(served, Ok(ExitStatus::Exited(0)));
    let told: Vec<_> = connections.values().cloned().collect();
    for (told, ending) in told.iter().zip(endings(model)) {
        good &= told.len() == 2
            && told[0].starts_with("accept 127.0.0.1:")
            && told[0].ends_with(" hooks.rs")
            && told[1] == format!("close hooks.rs {ending}");
    }
    good &= told.len() == ASKED.len();
    // A busy machine may hold the loop too.
    good &= !model.has_loop() || stalls.iter().any(|name| name == "hooks.rs");
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

/// Sends a byte and reads its echo, and looks at the connection while it waits for more.
fn look(addr: &str, observer: &Observer) -> bool {
    let mut stream = TcpStream::connect(addr).expect("the server accepts");
    stream.write_all(b".").expect("the server reads");
    stream.read_exact(&mut [0]).expect("the byte comes back");
    let here = stream.local_addr().expect("an address").to_string();
    let traffic = Traffic {
        received: 1,
        sent: 1,
    };
    let started = Instant::now();
    // The server may not have begun to wait for the next byte.
    while started.elapsed() < Duration::from_secs(600) {
        if let [open] = &observer.connections()[..]
            && open
                .waiting
                .is_some_and(|(waiting, _)| waiting == Waiting::Receive)
        {
            let peer = open.peer.as_ref().map(ToString::to_string);
            let line = open.to_string();
            return peer == Some(here)
                && open.traffic == Some(traffic)
                && observer.traffic() == traffic
                && observer.open() == 1
                && line.contains(": waits to receive for ")
                && line.ends_with(" s, 1 B in, 1 B out");
        }
        std::thread::yield_now();
    }
    false
}

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

/// An observed server shows what each connection waits for, on every driver.
fn an_observer_sees_what_connections_wait_for(model: Model, driver: Driver) -> bool {
    let child = process::fork(|| {
        let server = Server::new().model(model).driver(driver).observed(true);
        let server = server.bind("127.0.0.1:0").expect("a free port");
        let (addr, observer) = (server.local_addr().to_string(), server.observer());
        let stop = server.stop_handle();
        let client = std::thread::spawn(move || {
            let good = look(&addr, &observer);
            stop.stop();
            good
        });
        let served = match model {
            Model::Callbacks => server.serve_protocol(|| Echo),
            _ => server.serve(|stream| async move {
                loop {
                    let chunk = stream.recv().await?;
                    if chunk.is_empty() {
                        return io::Result::Ok(());
                    }
                    stream.write_all(&chunk).await?;
                }
            }),
        };
        i32::from(served.is_err() || !client.join().expect("no panic"))
    });
    child.and_then(|child| child.wait()).ok() == Some(ExitStatus::Exited(0))
}

/// A handler that drops its stream closes the connection at once, and may go on.
fn a_dropped_stream_is_closed_at_once(model: Model) -> bool {
    let child = process::fork(|| {
        let server = Server::new()
            .model(model)
            .on_signals(true)
            .drain(Duration::ZERO);
        let server = server.bind("127.0.0.1:0").expect("a free port");
        let (addr, parent) = (server.local_addr().to_string(), rustix::process::getpid());
        let client = process::fork(|| {
            let mut stream = TcpStream::connect(&addr).expect("the server accepts");
            let limit = Some(Duration::from_secs(600));
            stream.set_read_timeout(limit).expect("an option");
            let ended = stream.read(&mut [0]);
            rustix::process::kill_process(parent, rustix::process::Signal::TERM)
                .expect("the server is there");
            i32::from(!matches!(ended, Ok(0)))
        })
        .expect("a process for the client");
        let served = server.serve(|stream| async move {
            drop(stream);
            runtime::sleep(Duration::from_secs(3600)).await;
        });
        let good = client.wait().ok() == Some(ExitStatus::Exited(0));
        i32::from(!good || served.is_err())
    });
    child.and_then(|child| child.wait()).ok() == Some(ExitStatus::Exited(0))
}

fn main() -> ExitCode {
    let mut failed = Vec::new();
    for model in Model::ALL {
        if !accept_and_close_match(model) {
            failed.push(format!("accept_and_close_match::{model}"));
        }
        // A plain protocol has no handler that could go on.
        if model != Model::Callbacks && !a_dropped_stream_is_closed_at_once(model) {
            failed.push(format!("a_dropped_stream_is_closed_at_once::{model}"));
        }
        let drivers = match model.has_loop() {
            true => &Driver::ALL[..],
            false => &[Driver::Poll],
        };
        let drivers = drivers.iter().filter(|driver| **driver != Driver::Sim);
        for &driver in drivers.filter(|_| model != Model::Processes) {
            if !an_observer_sees_what_connections_wait_for(model, driver) {
                failed.push(format!("an_observer_sees::{model}_{driver}"));
            }
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
