//! The proxy for any protocol over TCP: bytes both ways.

use std::io;

use switchboard_net::{Addr, DescriptorLimit, Stream};

use super::backend::Busy;
use super::balance::{Balance, hash};
use super::pool::{ATTEMPTS, Pool};
use super::relay::relay;
use super::setup::Setup;

/// Connects a client to a back end, and copies until both have ended.
pub(super) async fn serve(client: Stream, setup: &Setup) -> io::Result<()> {
    let pool = &setup.pools[0];
    let Connected { stream, busy } = match connect(pool, key(pool, &client)).await {
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
fn key(pool: &Pool, client: &Stream) -> u64 {
    if !matches!(pool.settings().balance, Balance::Hash(_)) {
        return 0;
    }
    match client.peer_addr() {
        Ok(Addr::Tcp(addr)) => hash(addr.ip().to_canonical().to_string().as_bytes()),
        _ => 0,
    }
}

/// A connection to a back end.
struct Connected {
    stream: Stream,
    busy: Busy,
}

/// Why there is no connection to a back end.
enum NoBackend {
    /// All of them are down or left out.
    AllDown,
    /// The places of the back end that was chosen are all taken.
    Busy(io::Error),
    /// The last one that was tried did not answer.
    Failed(io::Error),
    /// This process can have no more connections.
    Local(io::Error),
}

/// Connects to a back end; to another one if connecting fails, up to three in all.
async fn connect(pool: &Pool, key: u64) -> Result<Connected, NoBackend> {
    let mut tried = Vec::new();
    let mut last = NoBackend::AllDown;
    let mut queue = pool.settings().queue_timeout;
    while tried.len() < ATTEMPTS {
        let Some(backend) = pool.choose(key, &tried) else {
            return Err(last);
        };
        let busy = match backend.enter(&mut queue).await {
            Ok(busy) => busy,
            Err(error) => {
                tried.push(backend.clone());
                if matches!(last, NoBackend::AllDown) {
                    last = NoBackend::Busy(error);
                }
                continue;
            }
        };
        match pool.dial(backend, pool.settings().connect_timeout).await {
            Ok(stream) => return Ok(Connected { stream, busy }),
            Err(error) if DescriptorLimit::of(&error).is_some() => {
                return Err(NoBackend::Local(error));
            }
            Err(error) => {
                pool.failed(backend, &error);
                tried.push(backend.clone());
                last = NoBackend::Failed(error);
            }
        }
    }
    Err(last)
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
