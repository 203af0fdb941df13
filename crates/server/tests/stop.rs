//! A handler waits for the stop of its server by a clone of the stop handle, under every model and kind of
//! workers.
//!
//! This test has no test harness, because `fork` is refused in a process of several threads. The client is
//! this program again, with the server's address as its argument.

use std::io::Read;
use std::net::TcpStream;
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::process::{Signal, getppid, kill_process};
use switchboard_runtime::{Model, Style};
use switchboard_server::{Server, Workers};

/// Has the server stopped by SIGTERM once its handler runs, and waits for what the handler sends then.
fn client(addr: &str) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    kill_process(getppid().unwrap(), Signal::TERM).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "stopped");
}

fn check(model: Model, workers: Workers) {
    let server = Server::new()
        .model(model)
        .workers(workers)
        .drain(Duration::from_secs(60))
        .on_signals(true);
    let server = server.bind("127.0.0.1:0").unwrap();
    let stop = server.stop_handle();
    let mut client = Command::new(std::env::current_exe().unwrap())
        .arg(server.local_addr().to_string())
        .spawn()
        .unwrap();
    let report = server.serve(move |stream| {
        let stop = stop.clone();
        async move {
            assert!(!stop.is_stopped());
            stream.write_all(b"begun").await?;
            stop.wait().await;
            assert!(stop.is_stopped());
            stream.write_all(b"stopped").await
        }
    });
    let report = report.unwrap();
    let counts = (report.accepted, report.panicked, report.failed, report.cut);
    assert_eq!(counts, (1, 0, 0, 0), "{model} with {workers:?}");
    assert!(client.wait().unwrap().success(), "{model} with {workers:?}");
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = "a_handler_waits_for_the_stop_of_its_server";
    if arguments.iter().any(|argument| argument == "--list") {
        if !arguments.iter().any(|argument| argument == "--ignored") {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    if let Some(addr) = arguments.iter().find(|text| text.starts_with("127.0.0.1:")) {
        client(addr);
        return ExitCode::SUCCESS;
    }
    let models = Model::ALL.into_iter();
    let mut models: Vec<Model> = models
        .filter(|model| model.runs(Style::Async).is_ok())
        .collect();
    // Threads of other models may not have ended when a process is to be forked.
    models.sort_by_key(|model| *model != Model::Processes);
    for workers in [Workers::Processes(2), Workers::Threads(1)] {
        for model in &models {
            check(*model, workers);
            println!("test {name}::{model}_{workers:?} ... ok");
        }
    }
    ExitCode::SUCCESS
}
