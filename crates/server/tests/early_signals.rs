//! Signals that come between the bind and the serving of a server are kept, under every model and kind of workers.
//!
//! This test has no test harness, because `fork` is refused in a process of several threads.

use std::fmt::Display;
use std::process::ExitCode;
use std::sync::Arc;

use rustix::process::{Signal, getpid, kill_process};
use switchboard_runtime::{Hooks, Model, Style};
use switchboard_server::{Bound, Report, Server, Workers};

fn send(signal: Signal) {
    // This process has one thread, which the signal has reached when the call returns.
    kill_process(getpid(), signal).unwrap();
}

/// Hooks that stop the server once it has said that it has seen SIGHUP.
struct StopOnNotice;

impl Hooks for StopOnNotice {
    fn notice(&self, text: &dyn Display) {
        let text = text.to_string();
        match text.as_str() {
            "there is nothing to reload" => send(Signal::TERM),
            // SIGUSR1, whether it is seen before the end or not.
            _ if text.contains("0 open connections") => {}
            _ => panic!("{text}"),
        }
    }
}

fn bind(model: Model, workers: Workers) -> Bound {
    let server = Server::new().model(model).workers(workers);
    let server = server.on_signals(true).observed(true).managed(true);
    let server = server.hooks(Arc::new(StopOnNotice));
    server.bind("127.0.0.1:0").unwrap()
}

fn serve(bound: Bound) -> Report {
    bound.serve(|_stream| async {}).unwrap()
}

fn check(model: Model, workers: Workers) {
    let bound = bind(model, workers);
    send(Signal::USR1);
    send(Signal::HUP);
    assert_eq!(serve(bound).accepted, 0);
    for signal in [Signal::TERM, Signal::INT] {
        let bound = bind(model, workers);
        send(signal);
        assert_eq!(serve(bound).accepted, 0);
    }
}

fn main() -> ExitCode {
    let name = "signals_before_a_server_serves_are_kept";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        if !arguments.iter().any(|argument| argument == "--ignored") {
            println!("{name}: test");
        }
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
