//! One back end: where it is, how it is, and how much it has to do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use switchboard_net::{Stream, Target, connect_any, resolve};
use switchboard_runtime as runtime;
use switchboard_runtime::sync::{Semaphore, SemaphoreGuardArc};

use super::balance::hash;
use super::health::Health;
use super::http::idle::IdleConnections;
use super::to::To;

/// The shortest time between two look-ups of a name whose addresses do not answer.
const LOOKUP_PAUSE: u64 = 1000;

/// One back end, which the workers of a process share.
pub(crate) struct Backend {
    to: To,
    hash: u64,
    /// Where the name led to when it was looked up last; empty for a path.
    addrs: Mutex<Arc<[SocketAddr]>>,
    looked_up_at: AtomicU64,
    /// Whether the addresses have not answered at all, so that no time was left to look the name up.
    is_silent: AtomicBool,
    in_flight: AtomicUsize,
    /// The most that may be in flight.
    most: usize,
    /// Its free places, if there is a limit.
    places: Option<Arc<Semaphore>>,
    pub(crate) health: Health,
    pub(crate) idle: IdleConnections,
}

impl Backend {
    /// Returns a back end that counts as up. Blocks the thread while its name is looked up.
    pub(crate) fn new(to: To, most: Option<usize>) -> io::Result<Backend> {
        Ok(Backend {
            hash: hash(to.to_string().as_bytes()),
            addrs: Mutex::new(to.look_up()?.into()),
            looked_up_at: AtomicU64::new(0),
            is_silent: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            most: most.unwrap_or(usize::MAX),
            places: most.map(|most| Arc::new(Semaphore::new(most))),
            health: Health::default(),
            idle: IdleConnections::default(),
            to,
        })
    }

    pub(crate) fn to(&self) -> &To {
        &self.to
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Returns how many connections or requests it has in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Returns whether one more need not wait for a place.
    pub(crate) fn has_place(&self) -> bool {
        self.in_flight() < self.most
    }

    pub(crate) fn addrs(&self) -> Arc<[SocketAddr]> {
        self.addrs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Counts one connection or request more until the result is dropped. Waits for a place for `limit` at most
    /// if there is a limit, and takes what it has waited from `limit`.
    ///
    /// # Errors
    /// `TimedOut` if there was no place in time.
    pub(crate) async fn enter(self: &Arc<Self>, limit: &mut Duration) -> io::Result<Busy> {
        // Counted before it waits, so that others see the queue.
        let mut busy = Busy::new(self);
        let Some(places) = &self.places else {
            return Ok(busy);
        };
        busy.place = places.try_acquire_arc();
        if busy.place.is_none() {
            let began = runtime::now();
            let entered = runtime::timeout(*limit, places.acquire_arc()).await;
            let text = || format!("{self} had no free place within {limit:?}");
            let entered = entered.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, text()));
            *limit = limit.saturating_sub(runtime::now() - began);
            busy.place = Some(entered?);
        }
        Ok(busy)
    }

    /// Connects within `limit`. A name whose addresses refuse is looked up again, and tried again if it leads
    /// elsewhere by now; one whose addresses keep silent is looked up before the next connection.
    ///
    /// # Errors
    /// The system's; `TimedOut`; `AddrInUse` for an address that `is_own`.
    pub(crate) async fn connect(
        &self,
        limit: Duration,
        now: u64,
        is_own: impl Fn(&SocketAddr) -> bool,
    ) -> io::Result<Stream> {
        let connecting = async {
            let addrs = match self.to.target() {
                Target::Path(path) => return Stream::connect_unix(path).await,
                _ if self.is_silent.swap(false, Ordering::Relaxed) => {
                    let found = self.look_up_again(now, &is_own).await?;
                    found.unwrap_or_else(|| self.addrs())
                }
                _ => self.addrs(),
            };
            let error = match connect_any(&addrs).await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            match self.look_up_again(now, &is_own).await? {
                Some(found) if found != addrs => connect_any(&found).await,
                _ => Err(error),
            }
        };
        match runtime::timeout(limit, connecting).await {
            Ok(connected) => connected,
            Err(_) => {
                self.is_silent.store(true, Ordering::Relaxed);
                let text = format!("cannot connect to {self}: no answer within {limit:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
        }
    }

    /// Looks the name up again, unless that was done a moment ago, and keeps the addresses.
    ///
    /// # Errors
    /// `AddrInUse` if one of them `is_own`; then the old ones stay.
    async fn look_up_again(
        &self,
        now: u64,
        is_own: impl Fn(&SocketAddr) -> bool,
    ) -> io::Result<Option<Arc<[SocketAddr]>>> {
        let Target::Name(host, port) = self.to.target() else {
            return Ok(None);
        };
        let last = self.looked_up_at.load(Ordering::Relaxed);
        let is_due = now >= last + LOOKUP_PAUSE;
        let order = Ordering::Relaxed;
        if !is_due
            || self
                .looked_up_at
                .compare_exchange(last, now, order, order)
                .is_err()
        {
            return Ok(None);
        }
        let Ok(found) = resolve(host, *port).await else {
            return Ok(None);
        };
        if found.iter().any(is_own) {
            let text = format!("{self} leads to this proxy itself by now");
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        let found: Arc<[SocketAddr]> = found.into();
        *self.addrs.lock().unwrap_or_else(PoisonError::into_inner) = found.clone();
        Ok(Some(found))
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to.fmt(f)
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({}, {} in flight)", self.to, self.in_flight())
    }
}

/// A connection or request in flight at a back end.
#[derive(Debug)]
pub(crate) struct Busy {
    backend: Arc<Backend>,
    place: Option<SemaphoreGuardArc>,
}

impl Busy {
    fn new(backend: &Arc<Backend>) -> Busy {
        backend.in_flight.fetch_add(1, Ordering::Relaxed);
        Busy {
            backend: backend.clone(),
            place: None,
        }
    }

    pub(crate) fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.backend.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::net::{AddressFamily, SocketType};
    use switchboard_net::{BindOptions, Listener};
    use switchboard_runtime::{Driver, Model};

    use super::*;

    /// A limit for connecting that is longer than the test may take, or virtual.
    const LIMIT: Duration = Duration::from_secs(60);

    /// Returns a back end whose name leads to a port of this machine, but had led to `before`.
    fn moved(port: u16, before: SocketAddr) -> Backend {
        let to = format!("localhost:{port}").parse().unwrap();
        let backend = Backend::new(to, None).unwrap();
        *backend.addrs.lock().unwrap() = [before].into();
        backend
    }

    /// Returns an address at which nothing listens while this process lives.
    fn nowhere() -> SocketAddr {
        // A socket that is bound and does not listen keeps its port.
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let addr = rustix::net::getsockname(&socket).unwrap();
        std::mem::forget(socket);
        addr.try_into().unwrap()
    }

    #[test]
    fn a_name_that_leads_to_the_proxy_itself_keeps_its_old_addresses() {
        let own = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, before) = (own.local_addr().unwrap().port(), nowhere());
        let backend = moved(port, before);
        let is_own = |addr: &SocketAddr| addr.port() == port;
        let connect = |now| {
            Model::Tasks
                .run(backend.connect(LIMIT, now, is_own))
                .unwrap()
        };
        let error = connect(LOOKUP_PAUSE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(*backend.addrs(), [before]);
        // The name is not looked up again so soon.
        let error = connect(LOOKUP_PAUSE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    /// Returns a listener that answers to no further connection, and those that fill its queue.
    async fn full() -> (Listener, Vec<Stream>) {
        let listener = BindOptions::new().backlog(1).bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().as_tcp().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = runtime::timeout(LIMIT, connect_any(&[addr])).await {
            queue.push(stream.unwrap());
        }
        (listener, queue)
    }

    #[test]
    fn a_name_whose_address_keeps_silent_is_looked_up_before_the_next_connection() {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = there.local_addr().unwrap().port();
        let silent = async {
            let (listener, queue) = full().await;
            let addr = listener.local_addr().unwrap().as_tcp().unwrap();
            let backend = moved(port, addr);
            let error = backend.connect(LIMIT, 0, |_| false).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            (backend, listener, queue)
        };
        let (backend, _listener, _queue) = Model::Tasks.run_with(Driver::Sim, silent).unwrap();
        let connecting = backend.connect(LIMIT, LOOKUP_PAUSE, |_| false);
        let stream = Model::Tasks.run(connecting).unwrap().unwrap();
        let peer = stream.peer_addr().unwrap().as_tcp().unwrap();
        assert_eq!(peer.port(), port);
    }
}
