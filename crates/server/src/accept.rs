//! The accept loop: one for all models.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;
use switchboard_net::{Accepted, Addr, Incoming, Listener, Stream};
use switchboard_runtime::{self as runtime, Hooks, Model, race};

use crate::connection::connection;
use crate::counts::{Counts, add};
use crate::watch::Stop;

/// What a worker's accept loop and its connections share.
pub(crate) struct Shared {
    pub(crate) model: Model,
    pub(crate) limit: usize,
    pub(crate) why: String,
    pub(crate) pool: usize,
    pub(crate) counts: Counts,
    pub(crate) hooks: Arc<dyn Hooks>,
    /// Connections whose threads can be reached by nothing but their socket.
    pub(crate) open: Mutex<Slab<Stream>>,
}

impl Shared {
    pub(crate) fn open(&self) -> MutexGuard<'_, Slab<Stream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every connection that is open.
    pub(crate) fn cut(&self) {
        let open: Vec<Stream> = self
            .open()
            .iter()
            .map(|(_, stream)| stream.clone())
            .collect();
        for stream in open {
            add(&self.counts.cut);
            // It may be gone.
            let _ = stream.shutdown();
        }
    }
}

/// One connection's place among the `limit`, from its acceptance to its end.
pub(crate) struct Place(Arc<Shared>);

impl Place {
    pub(crate) fn take(shared: &Arc<Shared>) -> Place {
        let counts = &shared.counts;
        add(&counts.accepted);
        let active = counts.active.fetch_add(1, Ordering::SeqCst) + 1;
        counts.peak.fetch_max(active, Ordering::Relaxed);
        Place(shared.clone())
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// The connection's handler, or its process, did start.
    pub(crate) fn ran(&self) {
        add(&self.0.counts.ran);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let counts = &self.0.counts;
        counts.active.fetch_sub(1, Ordering::SeqCst);
        counts.freed.set();
    }
}

/// Accepts until `halt` is done; each connection is `start`ed and goes its own way.
pub(crate) async fn accept_loop(
    shared: &Arc<Shared>,
    listener: &Listener,
    halt: impl Future<Output = ()>,
    mut start: impl FnMut(Stream, Place),
) -> io::Result<()> {
    let accepting = async {
        let mut incoming = Incoming::new(listener.clone());
        let mut exhausted = false;
        let mut told = false;
        loop {
            room(shared, &mut told).await;
            match incoming.next().await {
                Accepted::Connection(stream, peer) => {
                    exhausted = false;
                    shared.hooks.accept(&Peer(&stream, peer));
                    start(stream, Place::take(shared));
                }
                Accepted::BackOff { error, pause } => {
                    if !std::mem::replace(&mut exhausted, true) {
                        shared.hooks.notice(&format_args!(
                            "cannot accept: {error}; clients wait until a connection ends"
                        ));
                    }
                    shared.counts.freed.clear();
                    race(shared.counts.freed.wait(), runtime::sleep(pause)).await;
                    incoming.retry_now();
                }
                Accepted::Closed => return Ok(()),
                Accepted::Failed(error) => return Err(error),
            }
        }
    };
    race(
        async {
            halt.await;
            Ok(())
        },
        accepting,
    )
    .await
}

/// Waits until there is room for one more connection. Says so once, and again when the server was
/// found half empty in between.
async fn room(shared: &Shared, told: &mut bool) {
    let counts = &shared.counts;
    if *told && counts.active() < shared.limit / 2 {
        *told = false;
    }
    while counts.active() >= shared.limit {
        if !std::mem::replace(told, true) && shared.model != Model::Blocking {
            shared.hooks.notice(&format_args!(
                "full at {} connections ({}); further clients wait in the backlog",
                shared.limit, shared.why
            ));
        }
        counts.freed.clear();
        // Freed between the look and the clearing: nobody would tell.
        if counts.active() < shared.limit {
            return;
        }
        counts.freed.wait().await;
    }
}

/// The peer of an accepted connection; the system is asked for its address when it is printed.
struct Peer<'a>(&'a Stream, Option<Addr>);

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.1 {
            Some(peer) => peer.fmt(f),
            // A peer that is gone has no address.
            None => self.0.peer_addr().unwrap_or(Addr::Unix(None)).fmt(f),
        }
    }
}

/// A worker of any model but `processes`: accepts until `stop`, then lets open connections end.
pub(crate) async fn worker<H, F>(
    shared: Arc<Shared>,
    listener: Listener,
    handler: H,
    stop: &Stop,
) -> io::Result<()>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let name = Location::caller();
    let queue = (shared.model == Model::Pool).then(|| pool(&shared, &handler));
    let start = |stream: Stream, place: Place| {
        let handler = handler.clone();
        if shared.model.has_loop() {
            return runtime::launch_detached(name, move || connection(handler, stream, place));
        }
        let listed = Listed::new(&shared, &stream);
        match (&queue, shared.model) {
            // There is a thread for each place, so that the queue is never full.
            (Some(queue), _) => drop(queue.try_send((stream, place, listed))),
            (None, Model::Blocking) => {
                let run = async { connection(handler, stream, place).await };
                // A flow within the flow, so that it waits for its client alone.
                let _ = Model::Blocking.run(run);
                drop(listed);
            }
            (None, _) => runtime::launch_detached(name, move || async move {
                connection(handler, stream, place).await;
                drop(listed);
            }),
        }
    };
    accept_loop(&shared, &listener, stop.wait(), start).await?;
    drop(listener);
    while shared.counts.active() > 0 {
        shared.counts.freed.clear();
        if shared.counts.active() > 0 {
            shared.counts.freed.wait().await;
        }
    }
    Ok(())
}

type Queued = (Stream, Place, Listed);

/// Starts a pool's threads. They end when its queue is dropped.
fn pool<H, F>(shared: &Arc<Shared>, handler: &H) -> runtime::Sender<Queued>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let (sender, receiver) = runtime::channel::<Queued>(shared.pool);
    for _ in 0..shared.pool {
        let (receiver, handler) = (receiver.clone(), handler.clone());
        let thread = runtime::launch(Location::caller(), move || async move {
            while let Ok((stream, place, listed)) = receiver.recv().await {
                connection(&handler, stream, place).await;
                drop(listed);
            }
        });
        thread.detach();
    }
    sender
}

/// A connection on the list of those to cut when the time to drain is over.
struct Listed {
    shared: Arc<Shared>,
    at: usize,
}

impl Listed {
    fn new(shared: &Arc<Shared>, stream: &Stream) -> Listed {
        Listed {
            at: shared.open().insert(stream.clone()),
            shared: shared.clone(),
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let stream = self.shared.open().try_remove(self.at);
        drop(stream);
    }
}
