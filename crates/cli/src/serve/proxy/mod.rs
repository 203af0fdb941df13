//! `switchboard serve proxy`: passes connections on to back ends.

mod config;
mod nearest;
mod options;

use std::fmt::Write;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use switchboard_apps::access::Access;
use switchboard_apps::proxy::{Check, Mode, PoolSettings, Proxy, Sender, Settings};
use switchboard_net::Stream;
use switchboard_runtime::Style;
use switchboard_server::{Bound, Report, Server};

pub(crate) use self::options::ProxyOptions;
use super::bind::{LISTEN, configured, listening};
use super::options::{Options, WorkersAs};
use super::tls::Front;
use super::{Watched, can_serve, serve_prepared};
use crate::output::{self, Failure};

/// Checks need a thread that sees what becomes of all connections.
const CANNOT_CHECK: &str = "--check: under model `processes` each connection is a process that cannot tell the \
others what it sees: leave the option out, use --check off, or another model";

pub(super) fn run(options: &ProxyOptions) -> Result<(), Failure> {
    let settings = options.checked_settings()?;
    let mode = settings.mode;
    let front = options.http.front(&options.options)?;
    options.can_answer_requests(mode, &front)?;
    if options.check_config {
        can_start(&settings, &options.options)?;
        return output::print(description(&settings, options));
    }
    let server = match mode {
        // A client of HTTP speaks first, so that one that has sent nothing needs no thread.
        Mode::Http => front.server(options.http.limits.first_bytes()),
        Mode::Tcp => Server::new(),
    };
    let prepare = |bound: &Bound, watched: &Watched| {
        let proxy = Proxy::with_hooks(settings, watched.hooks.clone())?;
        let own = proxy.listens_on(bound.local_addr());
        own.map_err(Failure::usage)?;
        // Processes that are forked start their own.
        if matches!(options.options.workers_as, WorkersAs::Threads) {
            proxy.start_checks()?;
        }
        options.http.tls.open(&front, bound, &watched.log)?;
        reload_with(bound, &proxy, options);
        Ok((proxy, watched.access.clone(), front))
    };
    serve_prepared(
        // One descriptor to the client and one to the back end.
        server.descriptors(2),
        &options.options,
        "proxy",
        Style::Async,
        Some(&options.http),
        prepare,
        move |bound, (proxy, access, front)| match mode {
            Mode::Tcp => bound.serve(move |client| {
                let proxy = proxy.clone();
                async move { proxy.serve(client).await }
            }),
            Mode::Http => serve_http(bound, proxy, access, front),
        },
    )
}

/// Checks what a start would check, but that the address is free: nothing is bound.
fn can_start(settings: &Settings, options: &Options) -> Result<(), Failure> {
    let driver = can_serve(options, Style::Async)?;
    configured(Server::new().descriptors(2), options, driver)?;
    let proxy = Proxy::new(settings.clone()).map_err(Failure::usage)?;
    if let Some(addr) = listening(options)? {
        proxy.listens_on(&addr).map_err(Failure::usage)?;
    }
    Ok(())
}

fn serve_http(
    bound: Bound,
    proxy: Proxy,
    access: Option<Access>,
    front: Front,
) -> io::Result<Report> {
    // Shared, so that a connection holds one word of it.
    let shared = Arc::new((proxy, access, front, bound.stop_handle()));
    bound.serve(move |client: Stream| {
        let shared = shared.clone();
        async move {
            let (proxy, access, front, stop) = &*shared;
            proxy.start_checks()?;
            client.receive_on_demand();
            let peer = client.peer_addr().ok().map(Box::new);
            let from = Sender {
                peer: peer.as_deref(),
                has_tls: front.has_tls(),
            };
            let answer = |request| proxy.respond(from, access.is_some(), request);
            let stop = pin!(stop.wait());
            front.serve(client, access.as_ref(), answer, stop).await
        }
    })
}

/// Has the configuration read again on SIGHUP.
fn reload_with(bound: &Bound, proxy: &Proxy, options: &ProxyOptions) {
    let Some(path) = &options.config else { return };
    let (proxy, options) = (proxy.clone(), options.clone());
    bound
        .reload_handle()
        .register(path.display().to_string(), move || {
            let settings = options.checked_settings().map_err(Failure::into_text)?;
            let prepared = proxy.prepare(settings);
            prepared.map_err(|error| error.to_string())
        });
}

/// Turns checks off, unless they were asked for.
fn can_do_without_checks(options: &ProxyOptions, settings: &mut Settings) -> Result<(), Failure> {
    if options.asks_for_checks() {
        return Err(Failure::usage(CANNOT_CHECK));
    }
    for pool in &mut settings.pools {
        if options.config.is_some() && pool.check != Check::Off {
            return Err(Failure::usage(format_args!(
                "pool `{}`: {CANNOT_CHECK}",
                pool.name
            )));
        }
        pool.check = Check::Off;
    }
    Ok(())
}

/// Describes what would run.
fn description(settings: &Settings, options: &ProxyOptions) -> String {
    let mut text = String::new();
    let common = &options.options;
    let listen = match &common.unix {
        Some(path) => path.display().to_string(),
        None => common.listen.as_deref().unwrap_or(LISTEN).to_owned(),
    };
    // Writing to a string never fails.
    let (mode, model, times) = (settings.mode, common.model, &settings.timeouts);
    let _ = match mode {
        Mode::Tcp => writeln!(
            text,
            "proxy: mode tcp at {listen} under {model}, idle {:?}, half-closed {:?}",
            times.idle, times.half_closed
        ),
        Mode::Http => writeln!(
            text,
            "proxy: mode http at {listen} under {model}, first byte {:?}, body {:?}",
            times.first_byte, times.body_idle
        ),
    };
    for trusted in &settings.trust {
        let _ = writeln!(text, "trust {trusted}");
    }
    for route in &settings.routes {
        let host = route.host.as_deref().unwrap_or("any host");
        let _ = writeln!(text, "route {host} {}: pool {}", route.path, route.pool);
    }
    for pool in &settings.pools {
        let PoolSettings {
            name,
            balance,
            check,
            check_interval,
            connect_timeout,
            rewrite_host,
            ..
        } = pool;
        let _ = write!(text, "pool {name}: balance {balance}, check {check}");
        if *check != Check::Off {
            let (fall, rise) = (pool.rules.fall, pool.rules.rise);
            let _ = write!(text, " every {check_interval:?} (fall {fall}, rise {rise})");
        }
        let _ = write!(text, ", connect {connect_timeout:?}");
        if let Some(most) = pool.max_in_flight {
            let queue = pool.queue_timeout;
            let _ = write!(
                text,
                ", at most {most} in flight each, others wait {queue:?}"
            );
        }
        if *rewrite_host {
            text.push_str(", its own host");
        }
        text.push('\n');
        for to in &pool.to {
            let _ = writeln!(text, "  {to}");
        }
    }
    text
}
