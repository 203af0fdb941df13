//! `switchboard serve`: runs a service until a signal, or the end of stdin, stops it.

mod bind;
mod chat;
mod files;
mod limits;
mod lines;
mod options;
mod proxy;
mod redirect;
mod tls;

use std::fmt;
use std::io;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use switchboard_apps as apps;
use switchboard_apps::access::Access;
use switchboard_apps::slow_site;
use switchboard_http::Body;
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Dispatch, Driver, Hooks, Model, Style};
use switchboard_server::{Bound, Report, Server};

use self::bind::bind;
use self::chat::ChatArgs;
use self::files::FilesArgs;
use self::options::{EchoOptions, HttpOptions, Options, SiteOptions, WorkersAs};
use self::proxy::ProxyOptions;
use crate::driver::can_run;
use crate::hooks::LogHooks;
use crate::log::{self, Log};
use crate::metrics::{self, Figures, Turns};
use crate::output::{self, Count, Failure};

#[derive(Subcommand)]
pub(crate) enum Service {
    /// Send back every received byte
    Echo(EchoOptions),
    /// Serve a web site of slow pages, the same for the same seed: / and /page/N
    SlowSite(Box<SiteOptions>),
    /// Serve the files of a folder
    Files(Box<FilesArgs>),
    /// Serve a chat: rooms with a history, a page for browsers, WebSocket, lines of text for `nc`
    Chat(Box<ChatArgs>),
    /// Pass connections on to back ends that are up, and spread them
    Proxy(Box<ProxyOptions>),
}

pub(crate) fn run(service: Service) -> ExitCode {
    let served = match service {
        Service::Echo(options) => serve_echo(&options),
        Service::Files(options) => options.serve(),
        Service::Chat(options) => options.serve(),
        Service::Proxy(options) => proxy::run(&options),
        Service::SlowSite(options) => serve_site(&options),
    };
    output::status(served.map(|()| true))
}

fn serve_echo(echo: &EchoOptions) -> Result<(), Failure> {
    let options = &echo.options;
    let style = match options.model {
        _ if echo.plain => Style::Plain,
        Model::Callbacks => Style::Protocol,
        _ => Style::Async,
    };
    // A client that has sent nothing needs no thread yet, however long that takes.
    let server = Server::new();
    if let Some(millis) = echo.slow {
        let slow = Duration::from_millis(millis);
        let server = server.first_bytes(Duration::MAX, |_| true);
        return serve(server, options, "echo", Style::Async, |bound| {
            bound.serve(move |stream| echo_slowly(stream, slow))
        });
    }
    if !echo.websocket {
        let server = server.first_bytes(Duration::MAX, |_| true);
        return serve(server, options, "echo", style, |bound| match style {
            Style::Async => bound.serve(apps::echo),
            Style::Plain => bound.serve_plain(apps::echo_plain),
            Style::Protocol => bound.serve_protocol(|| apps::EchoProtocol),
        });
    }
    let server = server.first_bytes(Duration::MAX, switchboard_http::has_head);
    let settings = apps::echo_options();
    serve(server, options, "echo", style, move |bound| match style {
        Style::Protocol => bound.serve_protocol(move || {
            switchboard_websocket::Protocol::new(settings.clone(), apps::EchoHandler)
        }),
        _ => bound.serve(move |stream| {
            let settings = settings.clone();
            async move { apps::echo_websocket(stream, &settings).await }
        }),
    })
}

/// Does what `echo` does, and sleeps before each answer.
async fn echo_slowly(stream: Stream, slow: Duration) -> io::Result<()> {
    loop {
        let chunk = stream.recv().await?;
        if chunk.is_empty() {
            return stream.shutdown_write();
        }
        runtime::sleep(slow).await;
        stream.write_all(&chunk).await?;
    }
}

fn serve_site(options: &SiteOptions) -> Result<(), Failure> {
    let site = Arc::new(options.site()?);
    let http = &options.http;
    let front = http.front(&options.options)?;
    let server = front.server(http.limits.first_bytes());
    let prepare = |bound: &Bound, watched: &Watched| {
        http.tls.open(&front, bound, &watched.log)?;
        Ok(watched.access.clone())
    };
    let run = |bound: Bound, access: Option<Access>| {
        // Shared, so that a connection holds one word of it.
        let shared = Arc::new((site, access, front.clone(), bound.stop_handle()));
        bound.serve(move |stream: Stream| {
            let shared = shared.clone();
            async move {
                let (site, access, front, stop) = &*shared;
                let socket = stream.clone();
                let answer = |request| {
                    let answer = slow_site::answer(site, &request, socket.clone());
                    async { answer.await.map(Body::new) }
                };
                let stop = pin!(stop.wait());
                front.serve(stream, access.as_ref(), answer, stop).await
            }
        })
    };
    let (options, style) = (&options.options, Style::Async);
    serve_prepared(
        server,
        options,
        "slow-site",
        style,
        Some(http),
        prepare,
        run,
    )
}

fn serve(
    server: Server,
    options: &Options,
    name: &str,
    style: Style,
    run: impl FnOnce(Bound) -> io::Result<Report>,
) -> Result<(), Failure> {
    let prepare = |_: &Bound, _: &Watched| Ok(());
    serve_prepared(server, options, name, style, None, prepare, |bound, ()| {
        run(bound)
    })
}

/// Who hears of what a service does.
struct Watched {
    hooks: Arc<dyn Hooks>,
    /// Hears of requests; `None` if nobody wants to.
    access: Option<Access>,
    log: Log,
}

/// Serves what `prepare` makes once the address is known and before it is announced. A service that answers
/// HTTP requests has options of its own.
fn serve_prepared<P>(
    server: Server,
    options: &Options,
    name: &str,
    style: Style,
    http: Option<&HttpOptions>,
    prepare: impl FnOnce(&Bound, &Watched) -> Result<P, Failure>,
    run: impl FnOnce(Bound, P) -> io::Result<Report>,
) -> Result<(), Failure> {
    // A model that cannot run the service is refused before anything is bound.
    let driver = can_serve(options, style)?;
    let log = Log::stderr();
    log.catch_panics();
    let turns = options.metrics.as_ref().map(|_| Arc::<Turns>::default());
    let hooks: Arc<dyn Hooks> = Arc::new(LogHooks {
        traced: options.trace.subscribe(&log),
        log: log.clone(),
        quiet: options.quiet,
        turns: turns.clone(),
    });
    let access = http.and_then(|http| http.access(options, &log));
    let bound = bind(server, options, driver, hooks.clone())?;
    let watched = Watched {
        hooks,
        access,
        log: log.clone(),
    };
    let prepared = prepare(&bound, &watched)?;
    announce(options, name, &bound, &log);
    if let (Some(addr), Some(turns)) = (&options.metrics, turns) {
        let figures = Figures {
            observer: bound.observer(),
            turns,
            access: watched.access,
        };
        serve_metrics(addr, figures, &log)?;
    }
    let report = run(bound, prepared);
    match &report {
        Ok(_) if options.quiet => {}
        Ok(report) => drop(log.line_within(log::PATIENCE, ReportLine(report))),
        // The log may be a pipe that nobody reads, and the server ends all the same.
        Err(error) => drop(log.line_within(log::PATIENCE, format_args!("switchboard: {error}"))),
    }
    report.map(drop).map_err(|_| Failure::Reported)
}

/// Checks that the model can run a service of this style, and returns the driver that it waits with.
fn can_serve(options: &Options, style: Style) -> Result<Driver, Failure> {
    can_run(options.model, style)?;
    let driver = options.driver.for_model(options.model)?;
    can_measure(options)?;
    Ok(driver)
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
fn serve_metrics(addr: &str, figures: Figures, log: &Log) -> Result<(), Failure> {
    let listening = metrics::serve(addr, figures);
    let listening =
        listening.map_err(|error| Failure::usage(format_args!("--metrics: {error}")))?;
    log.line(format_args!("figures at http://{listening}/metrics"));
    Ok(())
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
             most at once {peak}, workers replaced {replaced}"
        )
    }
}
