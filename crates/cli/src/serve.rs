//! `switchboard serve`: runs a service until a signal, or the end of stdin, stops it.

use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use switchboard_apps as apps;
use switchboard_apps::slow_site::{self, Latency, Site};
use switchboard_reactor::{Hooks, Name, Stall};
use switchboard_runtime::{Model, Style};
use switchboard_server::{Bound, Report, Server, Workers, raise_descriptor_limit};

use crate::driver::Choice;

#[derive(Subcommand)]
pub(crate) enum Service {
    /// Send back every received byte
    Echo(EchoOptions),
    /// Serve a web site of slow pages, the same for the same seed: / and /page/N
    SlowSite(SiteOptions),
}

#[derive(Clone, Copy, ValueEnum)]
enum WorkersAs {
    Threads,
    Processes,
}

#[derive(Args)]
pub(crate) struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:7007", value_name = "HOST:PORT")]
    listen: String,
    /// Listen on a Unix socket at this path instead
    #[arg(long, value_name = "PATH", conflicts_with = "listen")]
    unix: Option<PathBuf>,
    /// How connections wait: blocking, threads, pool, processes, tasks, green or callbacks
    #[arg(long, default_value = "tasks")]
    model: Model,
    /// Driver of the event loops: select, poll, epoll, uring, portable, or auto, which takes the one that
    /// measured best
    #[arg(long, default_value_t = Choice::best())]
    driver: Choice,
    /// How many workers, each with a listener and a loop of its own
    #[arg(long, default_value_t = 1, value_name = "N")]
    workers: usize,
    /// Kind of the workers; processes are forked before the first connection and replaced if they die
    #[arg(long, value_enum, default_value_t = WorkersAs::Threads, value_name = "KIND")]
    workers_as: WorkersAs,
    /// Threads of the `pool` model
    #[arg(long, default_value_t = 10, value_name = "N")]
    pool: usize,
    /// Connections held at once [default: as many as the machine's limits leave room for]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// Seconds that open connections get to end in when the server stops
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    drain: f64,
    /// Stop at the end of stdin
    #[arg(long)]
    until_eof: bool,
    /// Print nothing but errors and the address
    #[arg(long)]
    quiet: bool,
}

#[derive(Args)]
pub(crate) struct EchoOptions {
    #[command(flatten)]
    options: Options,
    /// Run the service written as a plain function over `Read` and `Write`. (Without this option, `callbacks`
    /// runs it written as a protocol, and the other models run it written as an async function.)
    #[arg(long)]
    plain: bool,
}

#[derive(Args)]
pub(crate) struct SiteOptions {
    #[command(flatten)]
    options: Options,
    /// Seed from which all pages are computed
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// How many pages
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pages: u64,
    /// Links on each page
    #[arg(long, default_value_t = 10, value_name = "N")]
    links: u64,
    /// How long a page takes: 250ms, 1.5s or lognormal:MEDIAN,SIGMA
    #[arg(long, default_value = "250ms")]
    latency: Latency,
    /// Bytes of a page, about
    #[arg(long, default_value_t = 2048, value_name = "BYTES")]
    size: usize,
    /// Share of pages that answer 404, from 0 to 1
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    not_found: f64,
    /// Share of pages that answer 500
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    errors: f64,
    /// Share of pages that redirect to another
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    redirects: f64,
    /// Share of pages that reset the connection half-way
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    resets: f64,
    /// Share of pages that come in a hundred pieces over ten times their latency
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    drips: f64,
}

impl SiteOptions {
    fn site(&self) -> io::Result<Site> {
        let site = Site {
            seed: self.seed,
            pages: self.pages,
            links: self.links,
            latency: self.latency,
            size: self.size,
            not_found: self.not_found,
            errors: self.errors,
            redirects: self.redirects,
            resets: self.resets,
            drips: self.drips,
        };
        let checked = site.check().map(|()| site);
        checked.map_err(|text| io::Error::new(io::ErrorKind::InvalidInput, text))
    }
}

pub(crate) fn run(service: Service) -> ExitCode {
    let served = match service {
        Service::Echo(EchoOptions { options, plain }) => {
            let style = match options.model {
                _ if plain => Style::Plain,
                Model::Callbacks => Style::Protocol,
                _ => Style::Async,
            };
            serve(&options, "echo", style, |bound| match style {
                Style::Async => bound.serve(apps::echo),
                Style::Plain => bound.serve_plain(apps::echo_plain),
                Style::Protocol => bound.serve_protocol(|| apps::EchoProtocol),
            })
        }
        Service::SlowSite(options) => options.site().and_then(|site| {
            let site = Arc::new(site);
            let handler = move |stream| slow_site::serve(stream, site.clone());
            serve(&options.options, "slow-site", Style::Async, |bound| {
                bound.serve(handler)
            })
        }),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("switchboard: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(
    options: &Options,
    name: &str,
    style: Style,
    run: impl FnOnce(Bound) -> io::Result<Report>,
) -> io::Result<()> {
    // A model that cannot run the service is refused before anything is bound.
    options.model.runs(style)?;
    // If the limit cannot be raised, the server runs within the present one.
    let _ = raise_descriptor_limit();
    let workers = match options.workers_as {
        WorkersAs::Threads => Workers::Threads(options.workers),
        WorkersAs::Processes => Workers::Processes(options.workers),
    };
    let drain = Duration::try_from_secs_f64(options.drain).map_err(|error| {
        let text = format!("--drain {}: {error}", options.drain);
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })?;
    let mut server = Server::new()
        .model(options.model)
        .driver(options.driver.driver())
        .workers(workers)
        .pool(options.pool)
        .drain(drain)
        .on_signals(true)
        .until_eof(options.until_eof)
        .hooks(Arc::new(PrintHooks {
            notices: !options.quiet,
        }));
    if let Some(connections) = options.max_connections {
        server = server.max_connections(connections);
    }
    let bound = match &options.unix {
        Some(path) => server.bind_unix(path)?,
        None => server.bind(addresses(&options.listen)?.as_slice())?,
    };
    // The starter of this process reads the address; it is the only way to learn what port 0 became.
    writeln!(io::stdout(), "listening on {}", bound.local_addr())?;
    if !options.quiet {
        let (capacity, reason) = bound.capacity();
        let waiting = match options.model.has_loop() {
            true => format!("{}/{}", options.model, bound.driver()),
            false => options.model.to_string(),
        };
        eprintln!("{name} under {waiting}, at most {capacity} connections a worker ({reason})");
    }
    let report = run(bound)?;
    if !options.quiet {
        print_report(&report);
    }
    Ok(())
}

fn addresses(listen: &str) -> io::Result<Vec<SocketAddr>> {
    let found = listen.to_socket_addrs().map(Iterator::collect);
    found.map_err(|error| {
        let text =
            format!("cannot listen on `{listen}`: {error}; use HOST:PORT, as 127.0.0.1:8080");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

fn print_report(report: &Report) {
    let Report {
        accepted,
        panicked,
        failed,
        refused,
        cut,
        peak,
        replaced,
    } = report;
    eprintln!(
        "accepted {accepted}, panicked {panicked}, failed {failed}, refused {refused}, cut {cut}, \
         at once {peak}, workers replaced {replaced}"
    );
}

/// Hooks that print to stderr.
struct PrintHooks {
    /// Whether notices are printed; stalls and panics always are.
    notices: bool,
}

impl Hooks for PrintHooks {
    fn stall(&self, stall: &Stall) {
        eprintln!("switchboard: {stall}");
    }

    fn panic(&self, name: Name) {
        eprintln!("switchboard: a callback started at {name} panicked");
    }

    fn notice(&self, text: &dyn fmt::Display) {
        if self.notices {
            eprintln!("switchboard: {text}");
        }
    }
}
