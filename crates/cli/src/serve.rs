//! `switchboard serve`: runs a service until a signal, or the end of stdin, stops it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand, ValueEnum};
use switchboard_apps as apps;
use switchboard_apps::slow_site::{self, Latency, Site};
use switchboard_http::has_head;
use switchboard_runtime::{Dispatch, Driver, Model, Style};
use switchboard_server::{Bound, Report, Server, Workers, raise_descriptor_limit};

use crate::driver::{DriverOption, can_run};
use crate::hooks::LogHooks;
use crate::log::{self, Log};
use crate::metrics::{self, Turns};
use crate::output::{self, Count, Failure};
use crate::trace::TraceOptions;

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

/// The time in which a client must send the head of its first request, as the handler gives it for later
/// ones.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// What the help of a service says about its end and its log.
const AFTER_HELP: &str = "The address goes to stdout and the log to stderr. The server never waits for the \
reader of its log: a line that a full pipe, a closed one or a full disk does not take is lost, and how many \
were lost is the next line that is taken.\n\nSIGINT or SIGTERM stops the server: it refuses new connections and \
lets open ones end, for as long as --drain says. Another signal stops it at once. SIGUSR1 logs what each open \
connection waits for and since when, the longest wait first.\n\nExit status: 0 if the server was stopped, 1 if it failed, 2 for \
wrong usage.";

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
    #[command(flatten)]
    driver: DriverOption,
    /// How many workers, each with a listener and a loop of its own
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    workers: usize,
    /// Kind of the workers; processes are forked before the first connection and replaced if they die
    #[arg(long, value_enum, default_value_t = WorkersAs::Threads, value_name = "KIND")]
    workers_as: WorkersAs,
    /// Threads of the `pool` model, each of which serves a connection to its end. A connection is given one
    /// when its first bytes have come, under slow-site when its first request has
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pool: usize,
    /// Connections held at once [default: as many as the machine's limits leave room for]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_connections: Option<usize>,
    /// Seconds that open connections get to end in when the server stops
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    drain: Duration,
    /// Stop at the end of stdin
    #[arg(long)]
    until_eof: bool,
    /// Print nothing but errors and the address
    #[arg(long, conflicts_with = "verbose")]
    quiet: bool,
    #[command(flatten)]
    trace: TraceOptions,
    /// Answer with figures for Prometheus at this address, under /metrics; not with processes
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<String>,
}

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct EchoOptions {
    #[command(flatten)]
    options: Options,
    /// Run the service written as a plain function over `Read` and `Write`. (Without this option, `callbacks`
    /// runs it written as a protocol, and the other models run it written as an async function.)
    #[arg(long)]
    plain: bool,
}

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct SiteOptions {
    #[command(flatten)]
    options: Options,
    /// Seed from which all pages are computed
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// How many pages
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
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
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    not_found: f64,
    /// Share of pages that answer 500
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    errors: f64,
    /// Share of pages that redirect to another
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    redirects: f64,
    /// Share of pages that reset the connection half-way
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    resets: f64,
    /// Share of pages that come in a hundred pieces over ten times their latency
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    drips: f64,
}

impl SiteOptions {
    fn site(&self) -> Result<Site, Failure> {
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
        checked.map_err(|text| {
            Failure::usage(format_args!(
                "--not-found, --errors, --redirects, --resets, --drips: {text}"
            ))
        })
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
            // A client that has sent nothing needs no thread yet, however long that takes.
            let server = Server::new().first_bytes(Duration::MAX, |_| true);
            serve(server, &options, "echo", style, |bound| match style {
                Style::Async => bound.serve(apps::echo),
                Style::Plain => bound.serve_plain(apps::echo_plain),
                Style::Protocol => bound.serve_protocol(|| apps::EchoProtocol),
            })
        }
        Service::SlowSite(options) => options.site().and_then(|site| {
            let site = Arc::new(site);
            let server = Server::new().first_bytes(HEAD_LIMIT, has_head);
            let options = &options.options;
            serve(server, options, "slow-site", Style::Async, |bound| {
                let stop = bound.stop_handle();
                bound.serve(move |stream| {
                    let (site, stop) = (site.clone(), stop.clone());
                    async move { slow_site::serve_until(stream, site, stop.wait()).await }
                })
            })
        }),
    };
    output::status(served.map(|()| true))
}

/// Parses the value of `--drain`.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "use a number of seconds")?;
    let checked = Duration::try_from_secs_f64(seconds);
    checked.map_err(|_| match seconds < 0.0 {
        true => "use a number of seconds that is not negative".to_owned(),
        false => "use a number of seconds that is less".to_owned(),
    })
}

/// Parses a share of pages.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok();
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "use a share from 0 to 1".to_owned())
}

fn serve(
    server: Server,
    options: &Options,
    name: &str,
    style: Style,
    run: impl FnOnce(Bound) -> io::Result<Report>,
) -> Result<(), Failure> {
    // A model that cannot run the service is refused before anything is bound.
    can_run(options.model, style)?;
    let driver = options.driver.for_model(options.model)?;
    can_measure(options)?;
    // If the limit cannot be raised, the server runs within the present one.
    let _ = raise_descriptor_limit();
    let log = Log::stderr();
    log.catch_panics();
    let turns = options.metrics.as_ref().map(|_| Arc::<Turns>::default());
    let bound = bind(server, options, driver, &log, turns.as_ref())?;
    announce(options, name, &bound, &log);
    if let (Some(addr), Some(turns)) = (&options.metrics, turns) {
        serve_metrics(addr, &bound, turns, &log)?;
    }
    let report = run(bound);
    match &report {
        Ok(_) if options.quiet => {}
        Ok(report) => drop(log.line_within(log::PATIENCE, ReportLine(report))),
        // The log may be a pipe that nobody reads, and the server ends all the same.
        Err(error) => drop(log.line_within(log::PATIENCE, format_args!("switchboard: {error}"))),
    }
    report.map(drop).map_err(|_| Failure::Reported)
}

/// Checks that this process sees all connections of the server, and may have another thread.
fn can_measure(options: &Options) -> Result<(), Failure> {
    let forks = options.model.dispatch() == Dispatch::Process;
    match options.metrics.is_some() && (forks || matches!(options.workers_as, WorkersAs::Processes))
    {
        true => Err(Failure::usage(
            "--metrics: the figures are those of one process: use another model than processes, \
             and --workers-as threads",
        )),
        false => Ok(()),
    }
}

/// Answers requests for figures, and says where.
fn serve_metrics(addr: &str, bound: &Bound, turns: Arc<Turns>, log: &Log) -> Result<(), Failure> {
    let listening = metrics::serve(addr, bound.observer(), turns);
    let listening =
        listening.map_err(|error| Failure::usage(format_args!("--metrics: {error}")))?;
    log.line(format_args!("figures at http://{listening}/metrics"));
    Ok(())
}

/// Listens where the options say.
fn bind(
    server: Server,
    options: &Options,
    driver: Driver,
    log: &Log,
    turns: Option<&Arc<Turns>>,
) -> Result<Bound, Failure> {
    let traced = options.trace.subscribe(log);
    let workers = match options.workers_as {
        WorkersAs::Threads => Workers::Threads(options.workers),
        WorkersAs::Processes => Workers::Processes(options.workers),
    };
    let mut server = server
        .model(options.model)
        .driver(driver)
        .workers(workers)
        .pool(options.pool)
        .drain(options.drain)
        .on_signals(true)
        .until_eof(options.until_eof)
        .observed(true)
        .hooks(Arc::new(LogHooks {
            log: log.clone(),
            traced,
            quiet: options.quiet,
            turns: turns.cloned(),
        }));
    if let Some(connections) = options.max_connections {
        server = server.max_connections(connections);
    }
    server.check().map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Failure::usage(format_args!("--max-connections: {error}")),
        io::ErrorKind::Unsupported if options.model == Model::Processes => {
            let workers = options.workers;
            Failure::usage(format_args!(
                "--model processes with --workers {workers}: {error}"
            ))
        }
        io::ErrorKind::Unsupported => Failure::usage(format_args!("--driver: {error}")),
        _ => error.into(),
    })?;
    let (option, bound) = match &options.unix {
        Some(path) => ("--unix", server.bind_unix(path)),
        None => {
            let addresses = addresses(&options.listen)?;
            ("--listen", server.bind(addresses.as_slice()))
        }
    };
    bound.map_err(|error| match error.kind() {
        // The text has the address.
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
            Failure::usage(format_args!("{option}: {error}"))
        }
        _ => error.into(),
    })
}

/// Says where the server listens, and what it can hold.
fn announce(options: &Options, name: &str, bound: &Bound, log: &Log) {
    // The starter of this process reads the address; it is the only way to learn what port 0 became.
    let addr = bound.local_addr();
    if !Log::stdout().line(format_args!("listening on {addr}")) {
        log.line(format_args!(
            "switchboard: listening on {addr}, which could not be written to stdout"
        ));
    }
    if !options.quiet {
        let (capacity, reason) = bound.capacity();
        let capacity = Count(capacity as u64, "connection");
        let waiting = match options.model.has_loop() {
            true => format!("{}/{}", options.model, bound.driver()),
            false => options.model.to_string(),
        };
        log.line(format_args!(
            "{name} under {waiting}, at most {capacity} a worker ({reason})"
        ));
        if let Some(limit) = held_threads(options, bound) {
            log.line(format_args!("switchboard: {limit}"));
        }
    }
}

/// Returns what a model cannot do whose flows are few and serve a connection to its end.
fn held_threads(options: &Options, bound: &Bound) -> Option<String> {
    let why = match options.model {
        Model::Blocking => "one connection is served at a time".to_owned(),
        Model::Pool => {
            let served = Count(bound.pool() as u64, "connection");
            format!("the pool serves {served} at a time")
        }
        _ => return None,
    };
    let remedy = match options.model {
        Model::Pool => "use more threads (--pool N) or another model",
        _ => "use another model",
    };
    Some(format!(
        "{why}, each to its end: while clients stay connected, others wait; {remedy} for such clients"
    ))
}

fn addresses(listen: &str) -> Result<Vec<SocketAddr>, Failure> {
    let found = listen.to_socket_addrs().map(Iterator::collect);
    found.map_err(|error| {
        Failure::usage(format_args!(
            "--listen {listen}: {error}; use HOST:PORT, as 127.0.0.1:8080"
        ))
    })
}

/// The line of a report.
struct ReportLine<'a>(&'a Report);

impl fmt::Display for ReportLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            accepted,
            panicked,
            failed,
            refused,
            cut,
            peak,
            replaced,
        } = self.0;
        write!(
            f,
            "accepted {accepted}, panicked {panicked}, failed {failed}, refused {refused}, cut {cut}, \
             at once {peak}, workers replaced {replaced}"
        )
    }
}
