//! `switchboard serve proxy`: passes connections on to back ends.

mod config;
mod nearest;
mod options;

use std::fmt::Write;

use switchboard_apps::proxy::{Check, Mode, PoolSettings, Proxy, Settings};
use switchboard_http::has_head;
use switchboard_runtime::{Dispatch, Style};
use switchboard_server::{Bound, Server};

pub(crate) use self::options::ProxyOptions;
use super::bind::LISTEN;
use super::options::{AccessFormat, WorkersAs};
use super::{HEAD_LIMIT, Watched, serve_prepared};
use crate::output::{self, Failure};

/// Checks need a thread that sees what becomes of all connections.
const CANNOT_CHECK: &str = "--check: under model `processes` each connection is a process that cannot tell the \
others what it sees: leave the option out, use --check off, or another model";

pub(super) fn run(options: &ProxyOptions) -> Result<(), Failure> {
    let mut settings = options.settings()?;
    if options.options.model.dispatch() == Dispatch::Process {
        can_do_without_checks(options, &mut settings)?;
    }
    settings.check().map_err(|text| match &options.config {
        Some(path) => Failure::usage(format_args!("{}: {text}", path.display())),
        None => Failure::usage(text),
    })?;
    if options.check_config {
        return output::print(description(&settings, options));
    }
    let mode = settings.mode;
    if mode == Mode::Tcp && options.http.access_log != AccessFormat::Off {
        let text =
            "--access-log: mode tcp knows no requests: leave the option out, or use --mode http";
        return Err(Failure::usage(text));
    }
    let prepare = |bound: &Bound, watched: &Watched| {
        let proxy = Proxy::with_hooks(settings, watched.hooks.clone())?;
        let own = proxy.listens_on(bound.local_addr());
        own.map_err(Failure::usage)?;
        // Processes that are forked start their own.
        if matches!(options.options.workers_as, WorkersAs::Threads) {
            proxy.start_checks()?;
        }
        Ok((proxy, watched.access.clone()))
    };
    let server = match mode {
        // A client of HTTP speaks first, so that one that has sent nothing needs no thread.
        Mode::Http => Server::new().first_bytes(HEAD_LIMIT, has_head),
        Mode::Tcp => Server::new(),
    };
    // One to the client and one to the back end.
    let server = server.descriptors(2);
    serve_prepared(
        server,
        &options.options,
        "proxy",
        Style::Async,
        Some(&options.http),
        prepare,
        |bound, (proxy, access)| {
            let stop = bound.stop_handle();
            bound.serve(move |client| {
                let (proxy, access, stop) = (proxy.clone(), access.clone(), stop.clone());
                async move {
                    proxy
                        .serve_until(client, stop.wait(), access.as_ref())
                        .await
                }
            })
        },
    )
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
        text.push('\n');
        for to in &pool.to {
            let _ = writeln!(text, "  {to}");
        }
    }
    text
}
