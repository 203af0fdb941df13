//! The figures of a running server, for Prometheus.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use http_body_util::Full;
use hyper::body::Bytes;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use switchboard_apps::access::{Access, Counts};
use switchboard_http::{Request, Response, StatusCode, serve_connection};
use switchboard_net::Addr;
use switchboard_reactor::{Quiet, TurnReport};
use switchboard_runtime::offload_stats;
use switchboard_server::{Observer, Server};

/// The turns of a server's loops, which its hooks count.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    turns: AtomicU64,
    events: AtomicU64,
    ran: AtomicU64,
}

impl Turns {
    pub(crate) fn add(&self, turn: &TurnReport) {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(turn.events as u64, Ordering::Relaxed);
        self.ran
            .fetch_add((turn.ran + turn.timers) as u64, Ordering::Relaxed);
    }
}

/// Answers requests for `/metrics` and `/health` at `addr`, on a thread of its own, until the process ends.
/// Returns the address.
///
/// # Errors
/// Those of binding the address and of starting a thread.
pub(crate) fn serve(addr: &str, figures: Figures) -> io::Result<Addr> {
    let mut registry = Registry::with_prefix("switchboard");
    registry.register_collector(Box::new(figures));
    let registry = Arc::new(registry);
    // Its own connections are none that the operator wants to hear of.
    let server = Server::new().hooks(Arc::new(Quiet)).max_connections(16);
    let server = server.bind(addr)?;
    let addr = server.local_addr().clone();
    let answer = move |stream| {
        let registry = registry.clone();
        serve_connection(stream, move |request| {
            let answer = answer(&request, &registry);
            async move { Ok::<_, Infallible>(answer) }
        })
    };
    let thread = thread::Builder::new().name("metrics".to_owned());
    thread.spawn(move || server.serve(answer))?;
    Ok(addr)
}

fn answer(request: &Request, registry: &Registry) -> Response<Full<Bytes>> {
    let mut text = String::new();
    let plain = "text/plain; charset=utf-8";
    let (status, kind) = match request.uri().path() {
        "/metrics" => match text::encode(&mut text, registry) {
            Ok(()) => (
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            ),
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, plain),
        },
        // The process answers, so it lives. How its loops do is among the figures.
        "/health" => {
            text.push_str("ok\n");
            (StatusCode::OK, plain)
        }
        _ => {
            text.push_str("the figures are at /metrics, and /health says ok\n");
            (StatusCode::NOT_FOUND, plain)
        }
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, kind);
    response
}

/// The figures as they are when they are asked for.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) observer: Observer,
    pub(crate) turns: Arc<Turns>,
    /// `None` for services that are not HTTP.
    pub(crate) access: Option<Access>,
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let to = &mut encoder;
        let (report, traffic, lag) = (
            self.observer.report(),
            self.observer.traffic(),
            self.observer.lag(),
        );
        gauge(
            to,
            "connections",
            "Connections that are open",
            self.observer.open() as f64,
        )?;
        counter(to, "accepted", "Connections accepted", report.accepted)?;
        let kinds = [
            ("failed", report.failed),
            ("panicked", report.panicked),
            ("refused", report.refused),
            ("cut", report.cut),
        ];
        let help = "Connections that ended by an error, by its kind";
        let kind = ConstCounter::new(0_u64).metric_type();
        let mut errors = to.encode_descriptor("errors", help, None, kind)?;
        for (kind, count) in kinds {
            let label = [("kind", kind)];
            ConstCounter::new(count).encode(errors.encode_family(&label)?)?;
        }
        counter(
            to,
            "received_bytes",
            "Bytes received from clients",
            traffic.received,
        )?;
        counter(to, "sent_bytes", "Bytes sent to clients", traffic.sent)?;
        if let Some(access) = &self.access {
            requests(to, access.counts())?;
        }
        let turns = &self.turns;
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        counter(to, "turns", "Turns of the event loops", load(&turns.turns))?;
        counter(
            to,
            "events",
            "Events that drivers reported",
            load(&turns.events),
        )?;
        counter(
            to,
            "ran",
            "Callbacks, timers and task polls that ran",
            load(&turns.ran),
        )?;
        let help = "Seconds that the latest loop's last timer was late; measured once a second";
        gauge(to, "timer_lag_seconds", help, lag.timer.as_secs_f64())?;
        let help = "Seconds that a ready task waited for its turn; measured once a second";
        gauge(to, "ready_lag_seconds", help, lag.ready.as_secs_f64())?;
        let jobs = offload_stats();
        gauge(
            to,
            "run_blocking_queued",
            "Jobs that wait for a thread",
            jobs.queued as f64,
        )?;
        gauge(
            to,
            "run_blocking_busy",
            "Threads that run a job",
            jobs.busy as f64,
        )
    }
}

fn requests(to: &mut DescriptorEncoder<'_>, counts: Counts) -> Result<(), fmt::Error> {
    let classes = [
        ("1xx", counts.informational),
        ("2xx", counts.successful),
        ("3xx", counts.redirected),
        ("4xx", counts.client_errors),
        ("5xx", counts.server_errors),
        ("unanswered", counts.unanswered),
    ];
    let help = "Requests by the class of their status; unanswered if the client hung up before";
    let kind = ConstCounter::new(0_u64).metric_type();
    let mut requests = to.encode_descriptor("http_requests", help, None, kind)?;
    for (status, count) in classes {
        let label = [("status", status)];
        ConstCounter::new(count).encode(requests.encode_family(&label)?)?;
    }
    let help = "Bytes of the bodies of answers that were sent";
    counter(to, "http_body_bytes", help, counts.body_bytes)
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), fmt::Error> {
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: f64,
) -> Result<(), fmt::Error> {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}
