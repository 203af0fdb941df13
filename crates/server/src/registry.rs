//! The servers of this process that listen, for the process that takes over from it.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fd::OwnedFd;
use switchboard_net::Listener;

use crate::passed;
use crate::stop::Stop;

static SERVERS: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
static HANDED_OVER: AtomicBool = AtomicBool::new(false);

struct Entry {
    /// The name under which the next process looks for the sockets.
    name: String,
    listeners: Vec<Listener>,
    stop: Stop,
}

/// The entry of a server. Its drop removes it.
#[derive(Debug)]
pub(crate) struct Registered(Stop);

impl Registered {
    pub(crate) fn new(name: &str, listeners: &[Listener], stop: &Stop) -> Registered {
        servers().push(Entry {
            name: name.to_owned(),
            listeners: listeners.to_vec(),
            stop: stop.clone(),
        });
        Registered(stop.clone())
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let removed: Vec<_> = servers()
            .extract_if(.., |entry| entry.stop.is_same(&self.0))
            .collect();
        // After the lock: closing a socket may wait for its loop.
        drop(removed);
    }
}

fn servers() -> MutexGuard<'static, Vec<Entry>> {
    SERVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the sockets of all servers to the new process.
///
/// # Errors
/// The system's.
pub(crate) fn send_all(to: &OwnedFd) -> std::io::Result<()> {
    let servers = servers();
    let all = servers.iter().map(|server| {
        let sockets = server.listeners.iter().map(AsFd::as_fd);
        (server.name.as_str(), sockets.collect())
    });
    passed::send_all(to, all)
}

/// Stops all servers, and leaves their sockets to the new process.
pub(crate) fn hand_over() {
    HANDED_OVER.store(true, Ordering::SeqCst);
    let stops: Vec<_> = servers().iter().map(|server| server.stop.clone()).collect();
    stops.iter().for_each(Stop::stop);
}

/// Returns whether another process has the sockets of this one.
pub(crate) fn is_handed_over() -> bool {
    HANDED_OVER.load(Ordering::SeqCst)
}
