//! The `switchboard` command: one file for each subcommand.
#![forbid(unsafe_code)]

mod cell;
mod compare;
mod driver;
mod fetch;
mod hooks;
mod log;
mod models;
mod output;
mod serve;
mod trace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// One network handler under every concurrency model, and which model wins on this machine.
#[derive(Parser)]
#[command(name = "switchboard", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Do the same work under every model, measure it, and say which model to run
    Compare(compare::Options),
    /// Run a server until SIGINT, SIGTERM, or the end of stdin if asked to
    #[command(subcommand)]
    Serve(serve::Service),
    /// Fetch pages, many at once, and print a line for each as it finishes
    Fetch(fetch::Options),
    /// Print what runs under which model
    Models(models::Options),
    /// Run one cell of `compare` in this process
    #[command(hide = true)]
    Cell(cell::Options),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return refused_or_explained(&answer),
    };
    match cli.command {
        Command::Compare(options) => compare::run(&options),
        Command::Serve(service) => serve::run(service),
        Command::Fetch(options) => fetch::run(options),
        Command::Models(options) => models::run(&options),
        Command::Cell(options) => cell::run(&options),
    }
}

/// Prints what clap has to say instead of a command: a refusal, or the help that was asked for.
fn refused_or_explained(answer: &clap::Error) -> ExitCode {
    match (answer.print(), answer.use_stderr()) {
        (Err(error), false) => output::status(Err(output::unwritten(error))),
        _ => ExitCode::from(answer.exit_code().try_into().unwrap_or(1)),
    }
}
