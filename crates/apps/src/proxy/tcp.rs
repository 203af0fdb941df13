//! The proxy for any protocol over TCP: bytes both ways.

use std::io;

use switchboard_net::{Addr, Stream};

use super::balance::{Balance, hash};
use super::live::Setup;
use super::pool::{Connected, NoBackend, Pool};
use super::relay::relay;

/// Connects a client to a back end, and copies until both have ended.
pub(super) async fn serve(client: Stream, setup: &Setup) -> io::Result<()> {
    let pool = &setup.pools[0];
    let Connected { stream, busy } = match pool.connect(key(pool, &client)).await {
        Ok(connected) => connected,
        Err(why) => {
            // A close alone would look like an answer of no bytes.
            let _ = client.reset_on_close();
            return Err(refused(pool, why));
        }
    };
    pool.succeeded(busy.backend());
    let relayed = relay(&client, &stream, &setup.settings.timeouts).await;
    relayed.map_err(|error| {
        let text = format!("{error}; back end {}", busy.backend());
        io::Error::new(error.kind(), text)
    })
}

/// Returns what the choice of a back end goes by, if it goes by the client.
pub(super) fn key(pool: &Pool, client: &Stream) -> u64 {
    if !matches!(pool.settings().balance, Balance::Hash(_)) {
        return 0;
    }
    match client.peer_addr() {
        Ok(Addr::Tcp(addr)) => hash(addr.ip().to_canonical().to_string().as_bytes()),
        _ => 0,
    }
}

fn refused(pool: &Pool, why: NoBackend) -> io::Error {
    let name = &pool.settings().name;
    let (kind, text) = match why {
        NoBackend::AllDown => (
            io::ErrorKind::HostUnreachable,
            format!("every back end of pool {name} is down"),
        ),
        NoBackend::Busy(error) | NoBackend::Local(error) => (error.kind(), error.to_string()),
        NoBackend::Failed(error) => (
            io::ErrorKind::HostUnreachable,
            format!("no back end of pool {name} answers: {error}"),
        ),
    };
    io::Error::new(kind, text)
}
