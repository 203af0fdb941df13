//! `switchboard crawl`: fetches a site page by page, and loses nothing when it is stopped or killed.

mod options;
mod progress;
mod report;
mod shared;

use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use switchboard_crawl::{
    Address, Crawl, CrawlError, Ended, Handle, Report, Settings, explain, explain_shared,
};
use switchboard_runtime::Model;
use switchboard_runtime::signal::{Signal, Signals};

pub(crate) use self::options::Options;
pub(crate) use self::shared::Shared;
use crate::output::{self, Failure};

/// The name of the command, by which folders are named.
const COMMAND: &str = "crawl";

/// The time after the first signal in which another one is the same request: `timeout` and others send a signal to a
/// process and then to its whole group.
const ONE_REQUEST: Duration = Duration::from_millis(200);

pub(crate) fn run(options: Options) -> ExitCode {
    let result = match options.explain.clone() {
        Some(url) => tell(&options, &url),
        None => crawl(options),
    };
    output::status(result)
}

/// Says what became of an address.
fn tell(options: &Options, url: &str) -> Result<bool, Failure> {
    let address = Address::parse(url);
    let address =
        address.map_err(|error| Failure::usage(format_args!("--explain `{url}`: {error}")))?;
    let told = match options.frontier()? {
        Some(frontier) => explain_shared(&frontier, &address).map_err(failure)?,
        None => {
            let folder = options.shared.folder(Some(&address), COMMAND)?;
            explain(&folder, &address).map_err(|error| Failure::Failed(error.to_string()))?
        }
    };
    output::print(format_args!("{told}\n"))?;
    Ok(!told.chain().is_empty())
}

fn crawl(options: Options) -> Result<bool, Failure> {
    let folder = options.shared.folder(None, COMMAND)?;
    let report = drive(options.settings(folder)?)?;
    report::print(&report)?;
    Ok(report.ended != Ended::Stopped && report.counts.of(switchboard_crawl::Fate::Fetched) > 0)
}

/// Crawls to the end or to a signal, and shows progress meanwhile.
pub(crate) fn drive(settings: Settings) -> Result<Report, Failure> {
    // If the limit cannot be raised, the crawl runs within the present one.
    let _ = switchboard_server::raise_descriptor_limit();
    let signals = Signals::new(&[Signal::INTERRUPT, Signal::TERMINATE])?;
    let pages = settings.pages;
    let crawl = Crawl::open(settings).map_err(failure)?;
    let handle = crawl.handle();
    watch(signals, handle.clone())?;
    let (ended, end) = mpsc::channel::<()>();
    let progress = thread::Builder::new().name("progress".to_owned());
    let progress = progress.spawn(move || progress::show(&handle, pages, &end))?;
    let result = crawl.run();
    drop(ended);
    let _ = progress.join();
    result.map_err(failure)
}

/// The first signal stops the crawl softly, another one at once.
fn watch(signals: Signals, handle: Handle) -> Result<(), Failure> {
    let next = move || {
        let signal = Model::Blocking.run(signals.recv());
        matches!(signal, Ok(Ok(_)))
    };
    let wait = move || {
        if !next() {
            return;
        }
        let first = Instant::now();
        handle.stop();
        let waits = handle.progress().in_flight;
        output::complain(format_args!(
            "stopping: {waits} requests are under way, of which the answers are kept; again to stop at once"
        ));
        while next() {
            if first.elapsed() >= ONE_REQUEST {
                output::complain(
                    "stopped at once: what was under way will be fetched again; go on with --resume",
                );
                std::process::exit(1);
            }
        }
    };
    let thread = thread::Builder::new().name("signals".to_owned());
    thread.spawn(wait)?;
    Ok(())
}

fn failure(error: CrawlError) -> Failure {
    match error {
        CrawlError::Settings(_) => Failure::usage(error),
        _ => Failure::Failed(error.to_string()),
    }
}
