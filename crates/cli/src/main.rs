//! The `switchboard` command: one file for each subcommand.
#![forbid(unsafe_code)]

mod accounts;
mod advise;
mod cell;
mod chat;
mod check;
mod compare;
mod crawl;
mod driver;
mod fetch;
mod hooks;
mod log;
mod look;
mod metrics;
mod models;
mod output;
mod own;
mod replace;
mod report;
mod serve;
mod shell;
mod trace;

use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

/// The part of the help below the options.
const AFTER_HELP: &str = "A model is the way in which connections wait: blocking, threads, pool and processes wait \
in system calls that block; tasks, green and callbacks wait on an event loop. `switchboard models` prints what runs \
under each.\n\nExamples:\n  switchboard serve files public --listen 127.0.0.1:8080\n  switchboard serve echo --model threads --listen 127.0.0.1:7007\n  switchboard compare \
echo --models tasks,green";

/// One network handler under every concurrency model, and which model wins on this machine.
#[derive(Parser)]
#[command(name = "switchboard", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// When to colour help, errors, reports and chat; `auto` does in a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto, display_order = 1000)]
    color: ColorChoice,
}

#[derive(Subcommand)]
enum Command {
    /// Do the same work under every model, measure it, and say which model to run
    Compare(compare::Options),
    /// Say what to run for a workload, and why
    Advise(advise::Options),
    /// Show what `compare` measured, as text or as a page, or say what differs between two reports
    Report(report::Options),
    /// Run a server (files, proxy, chat, echo, slow-site) until SIGINT or SIGTERM
    #[command(subcommand)]
    Serve(Box<serve::Service>),
    /// List the names that have passwords in a chat's file, or take their passwords from them
    Accounts(accounts::Options),
    /// Fetch pages, many at once, and print a line for each as it finishes
    Fetch(fetch::Options),
    /// Fetch a site page by page, and lose nothing when stopped or killed
    Crawl(Box<crawl::Options>),
    /// Find the broken links of a site: page, line, column and cause of each
    Check(Box<check::Options>),
    /// Speak in rooms of a chat server, in a terminal or by pipes
    Chat(chat::Options),
    /// Print what runs under which model
    Models(models::Options),
    /// Print a script that completes the command in a shell
    Completions(shell::CompletionOptions),
    /// Print the manual page, or write all pages to a directory
    Man(shell::ManOptions),
    /// Run one cell of `compare` in this process
    #[command(hide = true)]
    Cell(cell::Options),
}

fn main() -> ExitCode {
    let parser = Cli::command().color(color());
    let matches = parser.clone().try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(answer) => return refused_or_explained(&answer),
    };
    match cli.command {
        Command::Compare(options) => compare::run(&options, cli.color),
        Command::Advise(options) => advise::run(&options),
        Command::Report(options) => report::run(&options, cli.color),
        Command::Serve(service) => serve::run(*service),
        Command::Accounts(options) => accounts::run(&options),
        Command::Fetch(options) => fetch::run(options),
        Command::Crawl(options) => crawl::run(*options),
        Command::Check(options) => check::run(*options),
        Command::Chat(options) => chat::run(&options, cli.color),
        Command::Models(options) => models::run(&options),
        Command::Completions(options) => shell::completions(parser, &options),
        Command::Man(options) => shell::man(parser, &options),
        Command::Cell(options) => cell::run(&options),
    }
}

/// Returns the value of `--color`, which is looked for before all is parsed, since a refusal to parse is
/// coloured too.
fn color() -> ColorChoice {
    let mut arguments = std::env::args_os()
        .skip(1)
        .map(|it| it.to_string_lossy().into_owned())
        .take_while(|it| it != "--");
    while let Some(argument) = arguments.next() {
        let value = match argument.strip_prefix("--color") {
            Some("") => arguments.next(),
            Some(value) => value.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if let Some(Ok(choice)) = value.map(|value| value.parse()) {
            return choice;
        }
    }
    ColorChoice::Auto
}

/// Prints what clap has to say instead of a command: a refusal, or the help that was asked for.
fn refused_or_explained(answer: &clap::Error) -> ExitCode {
    match (answer.print(), answer.use_stderr()) {
        (Err(error), false) => output::status(Err(output::unwritten(error))),
        _ => ExitCode::from(answer.exit_code().try_into().unwrap_or(1)),
    }
}
