//! The `switchboard` command: one file per subcommand.
#![forbid(unsafe_code)]

mod serve;

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
    /// Run a server until SIGINT, SIGTERM, or the end of stdin if asked to
    #[command(subcommand)]
    Serve(serve::Service),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(service) => serve::run(service),
    }
}
