//! The state that the accepting flow of a worker and its connections share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use slab::Slab;
use switchboard_net::Stream;
use switchboard_reactor::{Closed, Ending, Name};
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
    /// The place where the handler was given to the server.
    pub(crate) handler: Name,
    pub(crate) counts: Counts,
    pub(crate) permits: Permits,
    /// Connections of threads, which can be reached only by their sockets.
    open: Mutex<Slab<Stream>>,
    started_at: Instant,
    /// The time to drain is over: what is still open was cut.
    is_cut: AtomicBool,
}

impl Shared {
    pub(crate) fn new(setup: &Setup) -> Arc<Shared> {
        Arc::new(Shared {
            model: setup.settings.model,
            capacity: setup.capacity.clone(),
            pool: setup.settings.pool,
            hooks: setup.settings.hooks.clone(),
            handler: setup.handler,
            counts: Counts::default(),
            permits: Permits::new(),
            open: Mutex::new(Slab::new()),
            started_at: Instant::now(),
            is_cut: AtomicBool::new(false),
        })
    }

    pub(crate) fn report(&self) -> Report {
        self.counts.report(self.permits.peak())
    }

    /// Ends every connection that is listed.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
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

    /// Returns the milliseconds since the worker started.
    fn milliseconds(&self) -> u64 {
        self.started_at.elapsed().as_millis() as u64
    }

    fn open(&self) -> MutexGuard<'_, Slab<Stream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that was accepted and that nothing handles yet. Dropped, it was refused.
pub(crate) struct Admission(Option<Permit>);

impl Admission {
    /// Takes a permit for a connection that was accepted, and numbers the connection.
    pub(crate) fn new(shared: &Arc<Shared>) -> Admission {
        static IDS: AtomicU64 = AtomicU64::new(1);
        add(&shared.counts.accepted);
        Admission(Some(Permit::take(
            shared,
            IDS.fetch_add(1, Ordering::Relaxed),
        )))
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.as_ref().map_or(0, |permit| permit.id)
    }

    /// Returns the admission of the same connection in the process that was forked to handle it.
    pub(crate) fn in_child(&self) -> Admission {
        Admission(self.0.as_ref().map(Permit::again))
    }

    /// Returns the permit of a connection whose handler, or whose process, starts.
    pub(crate) fn start(mut self) -> Permit {
        let Some(permit) = self.0.take() else {
            unreachable!("only this call takes the permit")
        };
        add(&permit.shared.counts.started);
        permit
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(permit) = &self.0 {
            permit.close(Ending::Refused);
        }
    }
}

/// The right of one connection to run, until its end.
pub(crate) struct Permit {
    shared: Arc<Shared>,
    id: u64,
    /// In milliseconds since the worker started.
    accepted_at: u64,
}

impl Permit {
    fn take(shared: &Arc<Shared>, id: u64) -> Permit {
        shared.permits.take();
        Permit {
            shared: shared.clone(),
            id,
            accepted_at: shared.milliseconds(),
        }
    }

    /// Takes another permit for the same connection.
    fn again(&self) -> Permit {
        Permit::take(&self.shared, self.id)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Tells the hooks how the connection ended.
    pub(crate) fn close(&self, ending: Ending<'_>) {
        let shared = &self.shared;
        let ending = match ending {
            Ending::Finished | Ending::Failed(_) if shared.is_cut.load(Ordering::Relaxed) => {
                Ending::Cut
            }
            ending => ending,
        };
        let lasted = shared.milliseconds().saturating_sub(self.accepted_at);
        shared.hooks.close(&Closed {
            id: self.id,
            handler: shared.handler,
            lasted: Duration::from_millis(lasted),
            ending,
        });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.permits.give_back();
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
