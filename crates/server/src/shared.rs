//! The state that the accepting flow of a worker and its connections share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use slab::Slab;
use switchboard_net::{Addr, Stream, WeakStream};
use switchboard_reactor::{Closed, Ending, Name, Traffic};
use switchboard_runtime::{Activity, Dispatch, Event, Hooks, Model};

use crate::addresses::{Addresses, Refuse};
use crate::capacity::Capacity;
use crate::counts::{Counts, Report, add};
use crate::lag::LagSamples;
use crate::permits::Permits;
use crate::proxies::Proxies;
use crate::settings::FirstBytes;
use crate::setup::Setup;

pub(crate) struct Shared {
    pub(crate) model: Model,
    pub(crate) capacity: Capacity,
    pub(crate) pool: usize,
    pub(crate) first: Option<FirstBytes>,
    pub(crate) addresses: Option<Arc<Addresses>>,
    pub(crate) refuse: Option<Refuse>,
    pub(crate) proxies: Option<Arc<Proxies>>,
    pub(crate) hooks: Arc<dyn Hooks>,
    /// The place where the handler was given to the server.
    pub(crate) handler: Name,
    pub(crate) counts: Counts,
    pub(crate) permits: Permits,
    /// The open connections: of threads, which can be reached only by their sockets, and of a server that
    /// is observed.
    open: Mutex<Slab<Open>>,
    is_observed: bool,
    /// Set when the connections that block threads are cut.
    pub(crate) is_cut: Event,
    pub(crate) lag: LagSamples,
    started_at: Instant,
}

impl Shared {
    /// Returns the state of the worker that serves a listener, given by its place in the setup.
    pub(crate) fn new(setup: &Setup, listener: usize) -> Arc<Shared> {
        Arc::new(Shared {
            model: setup.settings.model,
            capacity: setup.capacity.of(setup.worker(listener)),
            pool: setup.settings.pool,
            first: setup.settings.first.clone(),
            addresses: setup.settings.addresses.clone(),
            refuse: setup.settings.refuse.clone(),
            proxies: setup.settings.proxies.clone(),
            hooks: setup.settings.hooks.clone(),
            handler: setup.handler,
            counts: Counts::default(),
            permits: Permits::new(),
            open: Mutex::new(Slab::new()),
            is_observed: setup.settings.observed,
            is_cut: Event::new(),
            lag: LagSamples::default(),
            started_at: Instant::now(),
        })
    }

    pub(crate) fn report(&self) -> Report {
        self.counts.report(self.permits.peak())
    }

    /// Returns the bytes of all connections so far.
    pub(crate) fn traffic(&self) -> Traffic {
        // Under the lock, so that no connection is missed as it moves from the list to the sum.
        let open = self.open();
        let mut sum = Traffic {
            received: self.counts.received.load(Ordering::Relaxed),
            sent: self.counts.sent.load(Ordering::Relaxed),
        };
        for traffic in open.iter().filter_map(|(_, open)| open.traffic()) {
            sum.received += traffic.received;
            sum.sent += traffic.sent;
        }
        sum
    }

    /// Ends every connection that blocks a thread. On a loop they end with the loop.
    pub(crate) fn cut(&self) {
        if self.model.has_loop() {
            return;
        }
        self.is_cut.set();
        let cut: Vec<Open> = self
            .open()
            .iter_mut()
            .filter(|(_, open)| !open.is_cut)
            .map(|(_, open)| {
                open.is_cut = true;
                open.clone()
            })
            .collect();
        cut.iter().for_each(|open| open.end(&self.counts));
    }

    /// Returns the open connections as they are now.
    pub(crate) fn list(&self) -> Vec<Open> {
        self.open().iter().map(|(_, open)| open.clone()).collect()
    }

    /// Adds a connection to the list, if the server has one.
    fn enlist(&self, stream: &mut Stream, id: u64, accepted_at: u64) -> Option<usize> {
        if self.model.has_loop() && !self.is_observed {
            return None;
        }
        // Another process's use of its copy of the stream is not seen here.
        let elsewhere = self.model.dispatch() == Dispatch::Process;
        let peer = elsewhere.then(|| stream.peer_addr().ok()).flatten();
        let peer = peer.map(Box::new);
        let seen = self.is_observed && !elsewhere;
        let activity = seen.then(Arc::<Activity>::default);
        if let Some(activity) = &activity {
            // Nothing else has the stream yet.
            stream.observe(activity.clone());
        }
        let mut open = Open {
            id,
            accepted_at,
            activity,
            peer,
            stream: stream.downgrade(),
            is_cut: false,
        };
        let mut list = self.open();
        // A cut that has looked at the list does not find it there.
        open.is_cut = self.is_cut.is_set();
        let late = open.is_cut.then(|| open.clone());
        let entry = list.insert(open);
        drop(list);
        if let Some(open) = late {
            open.end(&self.counts);
        }
        Some(entry)
    }

    /// Removes a connection from the list, and adds its traffic to the sum if that was observed.
    fn delist(&self, entry: usize) -> Option<Open> {
        let mut list = self.open();
        let open = list.try_remove(entry)?;
        if let Some(Traffic { received, sent }) = open.traffic() {
            self.counts.received.fetch_add(received, Ordering::Relaxed);
            self.counts.sent.fetch_add(sent, Ordering::Relaxed);
        }
        Some(open)
    }

    /// Returns the milliseconds since the worker started.
    pub(crate) fn milliseconds(&self) -> u64 {
        self.started_at.elapsed().as_millis() as u64
    }

    fn open(&self) -> MutexGuard<'_, Slab<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in the list of a worker.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) id: u64,
    /// In milliseconds since the worker started.
    pub(crate) accepted_at: u64,
    /// `None` unless the server is observed, and of a connection that another process handles.
    pub(crate) activity: Option<Arc<Activity>>,
    /// The peer of a connection that another process handles.
    pub(crate) peer: Option<Box<Addr>>,
    /// Does not keep the connection open: its handler may close it and go on.
    pub(crate) stream: WeakStream,
    /// Whether the connection was counted as cut, so that its end is not counted as another.
    is_cut: bool,
}

impl Open {
    /// Ends a connection that is cut.
    fn end(&self, counts: &Counts) {
        add(&counts.cut);
        if let Some(stream) = self.stream.upgrade() {
            // The peer may have ended the connection.
            let _ = stream.shutdown();
        }
    }

    pub(crate) fn traffic(&self) -> Option<Traffic> {
        self.activity.as_ref().map(|activity| Traffic {
            received: activity.received(),
            sent: activity.sent(),
        })
    }
}

/// A connection that was accepted and that nothing handles yet. Dropped, it was refused, or cut if the hooks do
/// not know of it yet.
pub(crate) struct Admission {
    permit: Option<Permit>,
    is_told: bool,
}

impl Admission {
    /// Takes a permit for a connection that was accepted, and numbers the connection.
    pub(crate) fn new(shared: &Arc<Shared>) -> Admission {
        static IDS: AtomicU64 = AtomicU64::new(1);
        add(&shared.counts.accepted);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        Admission {
            permit: Some(Permit::take(shared, id)),
            is_told: false,
        }
    }

    /// Adds the connection to the list, before the hooks are told of it.
    pub(crate) fn enlist(&mut self, stream: &mut Stream) {
        self.is_told = true;
        if let Some(permit) = &mut self.permit {
            permit.entry = permit.shared.enlist(stream, permit.id, permit.accepted_at);
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.permit.as_ref().map_or(0, |permit| permit.id)
    }

    /// Returns the admission of the same connection in the process that was forked to handle it.
    pub(crate) fn in_child(&self) -> Admission {
        Admission {
            permit: self.permit.as_ref().map(Permit::again),
            is_told: self.is_told,
        }
    }

    /// Returns the permit of a connection that its address may not have, of which the hooks are not told: a
    /// client could fill the log.
    pub(crate) fn refuse(self) -> Permit {
        let permit = self.start();
        add(&permit.shared.counts.refused);
        permit
    }

    /// Returns the permit of a connection whose handler, or whose process, starts.
    pub(crate) fn start(mut self) -> Permit {
        match self.permit.take() {
            Some(permit) => permit,
            None => unreachable!("only this call takes the permit"),
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        match &mut self.permit {
            Some(permit) if self.is_told => permit.close(Ending::Refused),
            Some(permit) => add(&permit.shared.counts.cut),
            None => {}
        }
    }
}

/// The right of one connection to run, until its end.
pub(crate) struct Permit {
    shared: Arc<Shared>,
    id: u64,
    /// In milliseconds since the worker started.
    accepted_at: u64,
    /// The connection's place in the list.
    entry: Option<usize>,
}

impl Permit {
    fn take(shared: &Arc<Shared>, id: u64) -> Permit {
        shared.permits.take();
        Permit {
            shared: shared.clone(),
            id,
            accepted_at: shared.milliseconds(),
            entry: None,
        }
    }

    /// Takes another permit for the same connection.
    fn again(&self) -> Permit {
        Permit::take(&self.shared, self.id)
    }

    /// Counts how the connection ended, and tells the hooks.
    pub(crate) fn close(&mut self, ending: Ending<'_>) {
        let shared = &self.shared;
        let open = self.entry.take().and_then(|entry| shared.delist(entry));
        let is_cut = open.as_ref().is_some_and(|open| open.is_cut);
        // A handler that fails or panics because of a cut is no other ending.
        let ending = if is_cut { Ending::Cut } else { ending };
        match ending {
            Ending::Failed(_) => add(&shared.counts.failed),
            Ending::Panicked => add(&shared.counts.panicked),
            Ending::Refused => add(&shared.counts.refused),
            Ending::Cut if !is_cut => add(&shared.counts.cut),
            _ => {}
        }
        let lasted = shared.milliseconds().saturating_sub(self.accepted_at);
        shared.hooks.close(&Closed {
            id: self.id,
            handler: shared.handler,
            lasted: Duration::from_millis(lasted),
            traffic: open.and_then(|open| open.traffic()),
            ending,
        });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.shared.delist(entry);
        }
        if let Some(addresses) = &self.shared.addresses {
            addresses.leave(self.id);
        }
        self.shared.permits.give_back();
    }
}
