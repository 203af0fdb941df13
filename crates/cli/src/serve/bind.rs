//! From options to a server that listens.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use switchboard_net::Addr;
use switchboard_runtime::{Driver, Hooks, Model};
use switchboard_server::{Bound, Server, Workers, has_passed_sockets, raise_descriptor_limit};

use super::options::{Options, WorkersAs};
use crate::output::Failure;

/// The address where a server listens that is told no other.
pub(super) const LISTEN: &str = "127.0.0.1:7007";

/// Returns a server as the options say, once it can run. Binds nothing.
pub(super) fn configured(
    server: Server,
    options: &Options,
    driver: Driver,
) -> Result<Server, Failure> {
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
        .managed(true);
    if let Some(connections) = options.max_connections {
        server = server.max_connections(connections);
    }
    if let Some(connections) = options.max_per_address {
        server = server.max_connections_per_address(connections);
    }
    if !options.proxy_protocol.is_empty() {
        let networks = options.proxy_protocol.iter().map(String::as_str);
        let trusting = server.proxy_protocol(networks);
        server =
            trusting.map_err(|error| Failure::usage(format_args!("--proxy-protocol: {error}")))?;
    }
    // If the limit cannot be raised, the server runs within the present one.
    let _ = raise_descriptor_limit();
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
    Ok(server)
}

/// Listens where the options say.
pub(super) fn bind(
    server: Server,
    options: &Options,
    driver: Driver,
    hooks: Arc<dyn Hooks>,
) -> Result<Bound, Failure> {
    let server = configured(server, options, driver)?.hooks(hooks);
    let (option, bound) = match (&options.unix, &options.listen) {
        (Some(path), _) => ("--unix", server.bind_unix(path)),
        (None, None) if has_passed_sockets() => ("LISTEN_FDS", server.bind_passed()),
        (None, listen) => {
            let addresses = addresses("--listen", listen.as_deref().unwrap_or(LISTEN))?;
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

/// Returns the address where a server would listen first; none for the sockets that systemd passes.
pub(super) fn listening(options: &Options) -> Result<Option<Addr>, Failure> {
    match (&options.unix, &options.listen) {
        (Some(path), _) => Ok(Some(Addr::Unix(Some(path.clone())))),
        (None, None) if has_passed_sockets() => Ok(None),
        (None, listen) => {
            let found = addresses("--listen", listen.as_deref().unwrap_or(LISTEN))?;
            Ok(found.first().copied().map(Addr::Tcp))
        }
    }
}

/// Returns the addresses that the value of an option means.
pub(super) fn addresses(option: &str, listen: &str) -> Result<Vec<SocketAddr>, Failure> {
    let found = listen.to_socket_addrs().map(Iterator::collect);
    found.map_err(|error| {
        Failure::usage(format_args!(
            "{option} {listen}: {error}; use HOST:PORT, as 127.0.0.1:8080"
        ))
    })
}
