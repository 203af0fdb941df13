//! The endings that hooks are told, and that the report counts, where a handler does what it should not: each
//! connection has exactly one.
//!
//! Without the test harness, because a process with threads must not fork. Each server runs in a process of
//! its own, and so does its client.

use std::fmt;
use std::future::{Future, Ready};
use std::io::{self, PipeWriter, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use switchboard_net::Stream;
use switchboard_process::{self as process, ExitStatus};
use switchboard_reactor::{Closed, Ending};
use switchboard_runtime::Style;
use switchboard_server::{Bound, Hooks, Model, Report, Server};

/// Hooks that write a line for each connection that is closed. A connection may be handled in another process.
struct Lines(PipeWriter);

impl Hooks for Lines {
    fn notice(&self, _: &dyn fmt::Display) {}

    fn close(&self, closed: &Closed<'_>) {
        let ending = match closed.ending {
            Ending::Finished => "finished\n".to_owned(),
            Ending::Failed(error) => format!("failed: {error}\n"),
            Ending::Panicked => "panicked\n".to_owned(),
            Ending::Refused => "refused\n".to_owned(),
            Ending::Cut => "cut\n".to_owned(),
            _ => "unknown\n".to_owned(),
        };
        let written = (&self.0).write_all(ending.as_bytes());
        written.expect("the pipe is read");
    }
}

/// Connects, stops `server` after one byte or the end of the connection, and waits for that end.
fn client(addr: &str, server: rustix::process::Pid) -> i32 {
    let mut stream = TcpStream::connect(addr).expect("the server accepts");
    let limit = Some(Duration::from_secs(60));
    stream.set_read_timeout(limit).expect("an option");
    let _ = stream.read(&mut [0]);
    // The handler may have stopped the server.
    let _ = rustix::process::kill_process(server, rustix::process::Signal::TERM);
    // The end may be a reset.
    let _ = stream.read(&mut [0]);
    0
}

/// The time to drain where nothing is left to be cut.
const LONG: Duration = Duration::from_secs(600);

/// Serves one client and returns whether the server told exactly `told`, and counted it as `counted` says.
fn ends<H, F>(
    model: Model,
    drain: Duration,
    handler: impl Fn(&Bound) -> H,
    told: &str,
    counted: impl Fn(&Report) -> u64,
) -> bool
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let server = process::fork(|| {
        // Silences the messages of panics.
        std::panic::set_hook(Box::new(|_| {}));
        let writer = writer.try_clone().expect("a descriptor");
        let server = Server::new().model(model).drain(drain);
        let server = server.on_signals(true).hooks(Arc::new(Lines(writer)));
        let server = server.bind("127.0.0.1:0").expect("a free port");
        let (addr, parent) = (server.local_addr().to_string(), rustix::process::getpid());
        let client = process::fork(|| client(&addr, parent));
        let handler = handler(&server);
        let report = server.serve(handler).expect("the server runs");
        let client = client.and_then(|client| client.wait());
        let all = report.panicked + report.failed + report.refused + report.cut;
        let good = report.accepted == 1 && counted(&report) == all;
        if !good {
            println!("{model}: {report:?}");
        }
        i32::from(!good || client.ok() != Some(ExitStatus::Exited(0)))
    });
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("text");
    let served = server.and_then(|server| server.wait());
    if text != format!("{told}\n") {
        println!("{model}: told {text:?} instead of {told:?}");
        return false;
    }
    served.ok() == Some(ExitStatus::Exited(0))
}

/// A handler of the model `processes` that ends its process cannot tell the hooks, so the server does.
fn a_handler_that_ends_its_process_is_closed_once() -> bool {
    let with =
        |status: i32| move |_: &Bound| move |_: Stream| async move { std::process::exit(status) };
    let model = Model::Processes;
    ends(model, LONG, with(0), "finished", |_| 0)
        && ends(
            model,
            LONG,
            with(1),
            "failed: its process exited with status 1",
            |report| report.failed,
        )
        && ends(model, LONG, with(101), "panicked", |report| report.panicked)
}

/// The handler's call panics. It has stopped the server, so a loop does not poll the connection again.
fn a_panic_of_the_call_is_counted_once(model: Model) -> bool {
    let handler = |server: &Bound| {
        let stop = server.stop_handle();
        move |_: Stream| -> Ready<io::Result<()>> {
            if model.has_loop() {
                stop.stop_now();
            }
            panic!("as asked")
        }
    };
    ends(model, LONG, handler, "panicked", |report| report.panicked)
}

/// A cut ends the handler's read, which is no other ending of the connection.
fn a_cut_connection_is_counted_once(model: Model) -> bool {
    let handler = |_: &Bound| {
        |stream: Stream| async move {
            stream.write_all(b".").await?;
            stream.recv().await?;
            Err(io::Error::other("the read ended"))
        }
    };
    let drain = Duration::from_millis(100);
    ends(model, drain, handler, "cut", |report| report.cut)
}

fn main() -> ExitCode {
    let mut failed = Vec::new();
    let mut check = |name: String, good: bool| {
        if !good {
            println!("test {name} ... FAILED");
            failed.push(name);
        }
    };
    check(
        "a_handler_that_ends_its_process_is_closed_once".to_owned(),
        a_handler_that_ends_its_process_is_closed_once(),
    );
    let models = Model::ALL.into_iter();
    for model in models.filter(|model| model.runs(Style::Async).is_ok()) {
        check(
            format!("a_panic_of_the_call_is_counted_once::{model}"),
            a_panic_of_the_call_is_counted_once(model),
        );
        check(
            format!("a_cut_connection_is_counted_once::{model}"),
            a_cut_connection_is_counted_once(model),
        );
    }
    if failed.is_empty() {
        println!("test endings ... ok");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}
