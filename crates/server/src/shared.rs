//! The state that the accepting flow of a worker and its connections share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;
use switchboard_net::Stream;
use switchboard_runtime::{Hooks, Model};

use crate::capacity::Capacity;
use crate::counts::{Counts, Report, add};
use crate::permits::Permits;
use crate::setup::Setup;

pub(crate) struct Shared {
    pub(crate) model: Model,
    pub(crate) capacity: Capacity,
    pub(crate) pool: usize,
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) counts: Counts,
    pub(crate) permits: Permits,
    /// Connections of threads, which can be reached only by their sockets.
    open: Mutex<Slab<Stream>>,
}

impl Shared {
    pub(crate) fn new(setup: &Setup) -> Arc<Shared> {
        Arc::new(Shared {
            model: setup.settings.model,
            capacity: setup.capacity.clone(),
            pool: setup.settings.pool,
            hooks: setup.settings.hooks.clone(),
            counts: Counts::default(),
            permits: Permits::new(),
            open: Mutex::new(Slab::new()),
        })
    }

    pub(crate) fn report(&self) -> Report {
        self.counts.report(self.permits.peak())
    }

    /// Ends every connection that is listed.
    pub(crate) fn cut(&self) {
        let open: Vec<Stream> = self
            .open()
            .iter()
            .map(|(_, stream)| stream.clone())
            .collect();
        for stream in open {
            add(&self.counts.cut);
            // The peer may have ended the connection.
            let _ = stream.shutdown();
        }
    }

    fn open(&self) -> MutexGuard<'_, Slab<Stream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right of one connection to run, from its acceptance to its end.
pub(crate) struct Permit(Arc<Shared>);

impl Permit {
    /// Takes a permit for a connection that was accepted.
    pub(crate) fn take(shared: &Arc<Shared>) -> Permit {
        add(&shared.counts.accepted);
        shared.permits.take();
        Permit(shared.clone())
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Counts the start of the connection's handler, or of its process.
    pub(crate) fn started(&self) {
        add(&self.0.counts.started);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.permits.give_back();
    }
}

/// An entry in the list of connections to cut at the end of the drain.
pub(crate) struct Listed {
    shared: Arc<Shared>,
    index: usize,
}

impl Listed {
    pub(crate) fn new(shared: &Arc<Shared>, stream: &Stream) -> Listed {
        Listed {
            index: shared.open().insert(stream.clone()),
            shared: shared.clone(),
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let stream = self.shared.open().try_remove(self.index);
        // After the lock: the last clone closes the socket.
        drop(stream);
    }
}
