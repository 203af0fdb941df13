//! A view of a server while it runs: its connections, counters and loops.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchboard_net::Addr;
use switchboard_reactor::Traffic;
use switchboard_runtime::Waiting;

use crate::counts::Report;
use crate::lag::Lag;
use crate::shared::{Open, Shared};

/// A view of a server's connections and loops while it serves, from any thread. A clone is the same view.
///
/// Nothing is seen of [worker processes](crate::Workers::Processes), which have memory of their own.
///
/// ```
/// use switchboard_server::Server;
///
/// let bound = Server::new().observed(true).bind("127.0.0.1:0")?;
/// let observer = bound.observer();
/// bound.stop_handle().stop();
/// bound.serve(|_stream| async {})?;
/// assert_eq!(observer.report().accepted, 0);
/// assert!(observer.connections().is_empty());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Default)]
pub struct Observer(Arc<Mutex<Vec<Arc<Shared>>>>);

/// An open connection, as [`Observer::connections`] returns it.
///
/// Printed, it is one line: `connection 7 from 127.0.0.1:40312: waits to receive for 3.2 s; open for 10.0 s,
/// 64 B in, 64 B out`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenConnection {
    /// The connection's number, as hooks are told.
    pub id: u64,
    /// The peer's address; `None` if the handler has closed the connection already.
    pub peer: Option<Addr>,
    /// The time since it was accepted.
    pub open_for: Duration,
    /// The wait of the connection, and the time since it began; `None` if another process handles it.
    pub waiting: Option<(Waiting, Duration)>,
    /// The bytes that it carried so far; `None` if another process handles it.
    pub traffic: Option<Traffic>,
}

impl Observer {
    pub(crate) fn add(&self, worker: &Arc<Shared>) {
        self.workers().push(worker.clone());
    }

    fn workers(&self) -> MutexGuard<'_, Vec<Arc<Shared>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the connections that are open now. Empty unless the server is
    /// [observed](crate::Server::observed). Blocks only for as long as copying the list takes.
    pub fn connections(&self) -> Vec<OpenConnection> {
        let workers = self.workers().clone();
        let mut all: Vec<_> = workers
            .iter()
            .flat_map(|worker| {
                let now = worker.milliseconds();
                let open = worker.list().into_iter();
                open.map(move |open| OpenConnection::new(&open, now))
            })
            .collect();
        all.sort_by_key(|open| open.id);
        all
    }

    /// Returns the counters so far.
    pub fn report(&self) -> Report {
        let mut sum = Report::default();
        for worker in self.workers().iter() {
            sum.add(worker.report());
        }
        sum
    }

    /// Returns how many connections are open now.
    pub fn open(&self) -> usize {
        self.workers()
            .iter()
            .map(|worker| worker.permits.taken())
            .sum()
    }

    /// Returns the bytes of all connections so far; zero unless the server is
    /// [observed](crate::Server::observed).
    pub fn traffic(&self) -> Traffic {
        let mut sum = Traffic::default();
        for worker in self.workers().iter() {
            let traffic = worker.traffic();
            sum.received += traffic.received;
            sum.sent += traffic.sent;
        }
        sum
    }

    /// Returns how late the loops are: the latest worker's figures. Zero unless the server is
    /// [observed](crate::Server::observed), and under models without a loop.
    pub fn lag(&self) -> Lag {
        let mut most = Lag::default();
        for worker in self.workers().iter() {
            let lag = worker.lag.get();
            most.timer = most.timer.max(lag.timer);
            most.ready = most.ready.max(lag.ready);
        }
        most
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observer({} open)", self.open())
    }
}

impl OpenConnection {
    fn new(open: &Open, now: u64) -> OpenConnection {
        let stream = open.stream.upgrade();
        OpenConnection {
            id: open.id,
            peer: stream
                .and_then(|stream| stream.peer_addr().ok())
                .or(open.peer.as_deref().cloned()),
            open_for: Duration::from_millis(now.saturating_sub(open.accepted_at)),
            waiting: open.activity.as_ref().map(|activity| activity.waiting()),
            traffic: open.traffic(),
        }
    }
}

impl fmt::Display for OpenConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.id)?;
        match &self.peer {
            Some(peer) => write!(f, " from {peer}: ")?,
            None => f.write_str(", closed by its handler: ")?,
        }
        if let Some((waiting, since)) = self.waiting {
            let what = match waiting {
                Waiting::Receive => "waits to receive",
                Waiting::Send => "waits to send",
                Waiting::Nothing => "runs, or waits for something else than its socket",
            };
            write!(f, "{what} for {:.1} s; ", since.as_secs_f64())?;
        }
        write!(f, "open for {:.1} s", self.open_for.as_secs_f64())?;
        match self.traffic {
            Some(Traffic { received, sent }) => write!(f, ", {received} B in, {sent} B out"),
            None => f.write_str(", in a process of its own"),
        }
    }
}
