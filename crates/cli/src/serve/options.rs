//! The options of `switchboard serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use switchboard_apps::access::{Access, Format};
use switchboard_apps::slow_site::{Latency, Site};
use switchboard_runtime::Model;

use super::limits::LimitOptions;
use super::tls::{Front, TlsOptions};
use crate::driver::DriverOption;
use crate::log::Log;
use crate::output::Failure;
use crate::trace::TraceOptions;

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum WorkersAs {
    Threads,
    Processes,
}

/// The help of a service about its end and its log.
pub(super) const AFTER_HELP: &str = "The address goes to stdout and the log to stderr. The server never waits for the \
reader of its log: a line that a full pipe, a closed one or a full disk does not take is lost, and the next line \
written says how many were lost.\n\nSIGINT or SIGTERM stops the server: it refuses new connections and \
lets open ones end, for as long as --drain says. A second SIGINT or SIGTERM stops it at once. SIGUSR1 logs what each open \
connection waits for and since when, the longest wait first. SIGHUP reads certificates, the users of --auth-file and the proxy's configuration \
again; if anything in them is wrong, one line says what and the old ones go on, and if there is nothing to read, one line says so. SIGUSR2 starts the program again with the same arguments: \
the new process takes the listening sockets over, and this one drains once the new one accepts, so no connection is \
refused or lost; if it does not start, this one goes on.\n\nsystemd may pass the listening sockets (LISTEN_FDS), and is \
told of the start, the stop and who takes over (NOTIFY_SOCKET).\n\nExit status: 0 if the server was stopped, 1 if it failed, 2 for \
wrong usage.";

#[derive(Clone, Args)]
pub(crate) struct Options {
    /// Address to listen on; port 0 takes a free one [default: the sockets that systemd passes, or
    /// 127.0.0.1:7007]
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) listen: Option<String>,
    /// Listen on a Unix socket at this path instead
    #[arg(long, value_name = "PATH", conflicts_with = "listen")]
    pub(super) unix: Option<PathBuf>,
    /// How connections wait: blocking, threads, pool, processes, tasks, green or callbacks
    #[arg(long, default_value = "tasks")]
    pub(super) model: Model,
    #[command(flatten)]
    pub(super) driver: DriverOption,
    /// How many workers, each with a listener and a loop of its own
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(super) workers: usize,
    /// Kind of the workers; processes are forked before the first connection and replaced if they die
    #[arg(long, value_enum, default_value_t = WorkersAs::Threads, value_name = "KIND")]
    pub(super) workers_as: WorkersAs,
    /// Threads of each worker under model `pool`. A connection takes one once its first bytes have come (files
    /// and slow-site: the head of its first request), and keeps it to its end
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(super) pool: usize,
    /// Connections that all workers together hold at once; further clients wait [default: as many as the
    /// machine's limits leave room for]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(super) max_connections: Option<usize>,
    /// Connections that one client address (IPv4 address, or IPv6 network of 64 bits) has at once; further ones
    /// are answered with 429 by services that speak HTTP without TLS (not under the models blocking and processes),
    /// and closed by others. With --workers-as processes each worker counts for itself, so that an address may have
    /// up to N in each [default: no limit]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(super) max_per_address: Option<usize>,
    /// Proxies that say who their clients are by the PROXY protocol, version 1 or 2: networks as 10.0.0.0/8,
    /// addresses, or `unix`. They must send the header within 5 seconds; other peers are clients
    #[arg(long, value_name = "NETWORK,…", value_delimiter = ',')]
    pub(super) proxy_protocol: Vec<String>,
    /// Seconds that open connections get to end in when the server stops
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(super) drain: Duration,
    /// Stop at the end of stdin
    #[arg(long)]
    pub(super) until_eof: bool,
    /// Leave out notices and the report. The lines that remain are the addresses, stalls of a loop, handlers
    /// that panicked or failed, and the error that ends the server
    #[arg(long, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) trace: TraceOptions,
    /// Answer at this address: with figures for Prometheus under /metrics, and with `ok` under /health; refused
    /// with model `processes` and with --workers-as processes, where each process counts for itself, and the
    /// one that forks them may have no thread to answer with
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) metrics: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AccessFormat {
    Off,
    Combined,
    Json,
}

/// Options of services that answer HTTP requests.
#[derive(Clone, Args)]
pub(super) struct HttpOptions {
    /// Log each request when its answer has been sent, or cut: `combined` as Apache and nginx do, or a JSON
    /// object. The lines go to the log
    #[arg(long, value_enum, default_value_t = AccessFormat::Off, value_name = "FORMAT")]
    pub(super) access_log: AccessFormat,
    // The last ones, since their headings are also those of what follows.
    #[command(flatten)]
    pub(super) limits: LimitOptions,
    #[command(flatten)]
    pub(super) tls: TlsOptions,
}

impl HttpOptions {
    /// Reads the certificates, and returns how the service meets its clients.
    pub(super) fn front(&self, options: &Options) -> Result<Front, Failure> {
        self.tls.front(options, self.limits.http())
    }

    /// Returns the watch of requests, if somebody wants to hear of them.
    pub(super) fn access(&self, options: &Options, log: &Log) -> Option<Access> {
        let format = match self.access_log {
            AccessFormat::Off => return options.metrics.as_ref().map(|_| Access::new()),
            AccessFormat::Combined => Format::Combined,
            AccessFormat::Json => Format::Json,
        };
        let log = log.clone();
        Some(Access::new().log(format, move |line| {
            // A line that cannot be written is counted as lost.
            log.line(line);
        }))
    }
}

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct EchoOptions {
    #[command(flatten)]
    pub(super) options: Options,
    /// Run the service written as a plain function over `Read` and `Write`; refused by the models `tasks` and
    /// `callbacks`. Without this option, `callbacks` runs a protocol, and the other models run an async
    /// function
    #[arg(long)]
    pub(super) plain: bool,
    /// Speak WebSocket, with compression if the client wants it, and send back each message, of 16 MiB at most; a client
    /// for which both sides keep their windows takes 340 KB
    #[arg(long, conflicts_with = "plain")]
    pub(super) websocket: bool,
    /// Milliseconds to sleep before each answer, to test what finds it; the async function only
    #[arg(long, hide = true, conflicts_with_all = ["plain", "websocket"], value_name = "MS")]
    pub(super) slow: Option<u64>,
}

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct SiteOptions {
    #[command(flatten)]
    pub(super) options: Options,
    /// Seed from which all pages are computed
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) seed: u64,
    /// How many pages
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) pages: u64,
    /// Links on each page
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(super) links: u64,
    /// How long a page takes: 250ms, 1.5s or lognormal:MEDIAN,SIGMA
    #[arg(long, default_value = "250ms")]
    pub(super) latency: Latency,
    /// Bytes of a page, about
    #[arg(long, default_value_t = 2048, value_name = "BYTES")]
    pub(super) size: usize,
    /// Share of pages that answer 404, from 0 to 1
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub(super) not_found: f64,
    /// Share of pages that answer 500
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub(super) errors: f64,
    /// Share of pages that redirect to another
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub(super) redirects: f64,
    /// Share of pages that reset the connection half-way
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub(super) resets: f64,
    /// Share of pages that come in a hundred pieces over ten times their latency
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub(super) drips: f64,
    #[command(flatten)]
    pub(super) http: HttpOptions,
}

impl SiteOptions {
    pub(super) fn site(&self) -> Result<Site, Failure> {
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

/// Parses a number of seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
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
