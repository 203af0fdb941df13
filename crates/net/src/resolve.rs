//! Looking names up.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use switchboard_runtime as runtime;

use crate::explained::Explained;
use crate::target::{Target, parse_host};

/// Looks `host` up on a thread of [`run_lookup`](switchboard_runtime::run_lookup), and returns its
/// addresses in the order to try them: the families alternate, beginning with that of the system's first
/// address. An IP address, with or without brackets and scope, is returned as it is.
///
/// Dropping the future does not end the look-up, only the wait for it.
///
/// # Errors
/// The resolver's, with the name; `NotFound` for a name without an address; `InvalidInput` for a text that
/// is neither a name nor an address.
///
/// ```
/// use switchboard_runtime::Model;
///
/// let addrs = Model::Tasks.run(switchboard_net::resolve("127.0.0.1", 80))??;
/// assert_eq!(addrs, ["127.0.0.1:80".parse().unwrap()]);
/// # std::io::Result::Ok(())
/// ```
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match parse_host(host, port)? {
        Target::Name(host, port) => look_up(host, port).await,
        Target::Addrs(addrs) => Ok(addrs),
        Target::Path(_) => unreachable!("a host is a name or an address"),
    }
}

pub(crate) async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let name = host.clone();
    let found = runtime::run_lookup(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        found.map(|addrs| addrs.collect::<Vec<_>>())
    });
    let found = found.await.map_err(io::Error::from)?;
    let found = found.map_err(|error| {
        let text = format!("cannot resolve {host}: {error}; check the name");
        Explained::error(text, error)
    })?;
    if found.is_empty() {
        let text = format!("cannot resolve {host}: it has no address");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Ok(alternate(found))
}

/// Returns the addresses with their families alternating, and each family in its own order.
fn alternate(addrs: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let six_first = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addrs
        .into_iter()
        .partition(|addr| addr.is_ipv6() == six_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::new();
    loop {
        let turn = [first.next(), second.next()];
        if turn == [None, None] {
            return order;
        }
        order.extend(turn.into_iter().flatten());
    }
}
