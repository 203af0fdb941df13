//! One handler in a hundred panics, under every model. Its connection ends, no other is affected, and
//! the count is exact.
//!
//! Without the test harness, because a process with threads must not fork. Each model runs in a process
//! of its own, and its clients in another.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use switchboard_callbacks::{Protocol, Transport};
use switchboard_process::{self as process, ExitStatus};
use switchboard_reactor::Quiet;
use switchboard_server::{Model, Server};

const CONNECTIONS: u64 = 10_000;
const AT_ONCE: u64 = 50;

/// Sends one byte on each connection: `!` makes the handler panic, any other byte comes back.
fn clients(addr: &str) -> bool {
    let mut open: Vec<(u64, TcpStream)> = Vec::new();
    let mut good = true;
    for number in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(addr).expect("the server accepts");
        let byte = if number % 100 == 7 { b'!' } else { b'.' };
        stream.write_all(&[byte]).expect("the server is there");
        open.push((number, stream));
        if open.len() as u64 == AT_ONCE || number + 1 == CONNECTIONS {
            for (number, mut stream) in open.drain(..) {
                let mut back = Vec::new();
                let read = stream
                    .shutdown(std::net::Shutdown::Write)
                    .and_then(|()| stream.read_to_end(&mut back));
                let expected: &[u8] = if number % 100 == 7 { b"" } else { b"." };
                // A handler that panics leaves a byte unread, so that the close may be a reset.
                if back != expected || (read.is_err() && number % 100 != 7) {
                    eprintln!("connection {number}: {read:?}, {back:?}");
                    good = false;
                }
            }
        }
    }
    good
}

struct Fussy;

impl Protocol for Fussy {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        assert_ne!(data.first(), Some(&b'!'), "as asked");
        transport.write(data);
        transport.close();
    }
}

fn one(model: Model) -> i32 {
    // Silences the messages of a hundred panics.
    std::panic::set_hook(Box::new(|_| {}));
    let server = Server::new()
        .model(model)
        .on_signals(true)
        .drain(Duration::from_secs(600))
        .hooks(Arc::new(Quiet));
    let server = server.bind("127.0.0.1:0").expect("a free port");
    let addr = server.local_addr().to_string();
    let parent = rustix::process::getpid();
    let child = process::fork(|| {
        let good = clients(&addr);
        rustix::process::kill_process(parent, rustix::process::Signal::TERM)
            .expect("the server is there");
        i32::from(!good)
    })
    .expect("a process for the clients");
    let report = match model {
        Model::Callbacks => server.serve_protocol(|| Fussy),
        _ => server.serve(|stream| async move {
            let chunk = stream.recv().await?;
            assert_ne!(chunk.first(), Some(&b'!'), "as asked");
            stream.write_all(&chunk).await
        }),
    };
    let report = report.expect("the server runs");
    let clients = child.wait();
    println!(
        "{model}: {} accepted, {} panicked, {} failed, {} refused",
        report.accepted, report.panicked, report.failed, report.refused
    );
    let exact = report.accepted == CONNECTIONS
        && report.panicked == CONNECTIONS / 100
        && report.failed + report.refused + report.cut == 0;
    i32::from(!exact || clients.ok() != Some(ExitStatus::Exited(0)))
}

fn main() -> ExitCode {
    let mut failed = Vec::new();
    for model in Model::ALL {
        let child = process::fork(|| one(model)).expect("a process for the model");
        if child.wait().ok() != Some(ExitStatus::Exited(0)) {
            failed.push(model.name());
        }
    }
    if failed.is_empty() {
        println!("test one_in_a_hundred_handlers_panics ... ok");
        return ExitCode::SUCCESS;
    }
    println!(
        "test one_in_a_hundred_handlers_panics ... FAILED: {}",
        failed.join(", ")
    );
    ExitCode::FAILURE
}
