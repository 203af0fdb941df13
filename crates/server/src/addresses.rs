//! How many connections each client address has.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchboard_net::{Addr, Stream};
use switchboard_runtime as runtime;

/// The most connections at once that are told why they are refused; further ones are closed at once.
const TOLD: usize = 64;
/// How long it may take to tell one.
const LIMIT: Duration = Duration::from_secs(5);

/// Tells a client why it is refused.
pub(crate) type Refuse = Arc<dyn Fn(Stream) -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

/// The connections of each address, in all workers of this process.
pub(crate) struct Addresses {
    most: usize,
    table: Mutex<Table>,
    told: AtomicUsize,
}

#[derive(Default)]
struct Table {
    counts: HashMap<IpAddr, usize>,
    /// The address of each connection, given by its number. A connection holds nothing of it itself.
    of: HashMap<u64, IpAddr>,
}

impl Addresses {
    pub(crate) fn new(most: usize) -> Addresses {
        Addresses {
            most,
            table: Mutex::default(),
            told: AtomicUsize::new(0),
        }
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Counts a connection, unless its peer has the most already; returns whether it does not. A Unix socket's
    /// peer has no address.
    pub(crate) fn enter(&self, connection: u64, peer: &Addr) -> bool {
        let Some(peer) = peer.as_tcp() else {
            return true;
        };
        let (address, mut table) = (client(peer.ip()), self.table());
        let count = table.counts.entry(address).or_default();
        if *count >= self.most {
            return false;
        }
        *count += 1;
        table.of.insert(connection, address);
        true
    }

    pub(crate) fn leave(&self, connection: u64) {
        let mut table = self.table();
        let Some(address) = table.of.remove(&connection) else {
            return;
        };
        if let Some(count) = table.counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                table.counts.remove(&address);
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place among those that are told why they are refused.
    pub(crate) fn tell(self: &Arc<Self>) -> Option<Telling> {
        let telling = Telling(self.clone());
        let others = self.told.fetch_add(1, Ordering::Relaxed);
        (others < TOLD).then_some(telling)
    }
}

/// A place among those that are told why they are refused.
pub(crate) struct Telling(Arc<Addresses>);

impl Telling {
    pub(crate) async fn run(self, refuse: Refuse, stream: Stream) {
        // A client that takes longer is closed all the same.
        let _ = runtime::timeout(LIMIT, refuse(stream)).await;
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.told.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns what counts as one client: an IPv4 address, or the 64 bits of an IPv6 network.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            Ipv6Addr::from(network).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Addr {
        Addr::Tcp(format!("{text}:1").parse().unwrap())
    }

    #[test]
    fn an_address_has_the_most_and_gets_places_back() {
        let addresses = Addresses::new(2);
        let networks = ["192.0.2.1", "192.0.2.2", "[2001:db8::1]"];
        for (at, text) in networks.into_iter().enumerate() {
            let at = at as u64 * 10;
            let client = peer(text);
            assert!(addresses.enter(at, &client) && addresses.enter(at + 1, &client));
            assert!(!addresses.enter(at + 2, &client));
        }
        assert!(!addresses.enter(50, &peer("[::ffff:192.0.2.1]")));
        assert!(
            !addresses.enter(50, &peer("[2001:db8::ffff:1]")),
            "the same network"
        );
        assert!(addresses.enter(50, &peer("[2001:db8:0:1::1]")));
        assert!(addresses.enter(51, &Addr::Unix(None)));
        addresses.leave(51);
        addresses.leave(2);
        addresses.leave(1);
        assert!(addresses.enter(3, &peer("192.0.2.1")));
        (0..60).for_each(|connection| addresses.leave(connection));
        let table = addresses.table();
        assert!(table.counts.is_empty() && table.of.is_empty());
    }
}
