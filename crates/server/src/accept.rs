//! The accept loop: one for all models.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use switchboard_net::{Accepted, Addr, Incoming, Listener, Stream};
use switchboard_reactor::Opened;
use switchboard_runtime::{Dispatch, FlowSpan, race};
use tracing::info_span;

use crate::counts::Count;
use crate::shared::{Admission, Shared};

/// A connection that was accepted and that nothing handles yet.
pub(crate) struct NewConnection {
    pub(crate) stream: Stream,
    pub(crate) admission: Admission,
    pub(crate) span: FlowSpan,
}

/// Accepts until `halt` completes, and hands each connection to `start`, which must not wait for it
/// unless the model serves one at a time.
pub(crate) async fn accept_loop(
    shared: &Arc<Shared>,
    listener: &Listener,
    halt: impl Future<Output = ()>,
    mut start: impl FnMut(NewConnection),
) -> io::Result<()> {
    let halt = async {
        halt.await;
        Ok(())
    };
    let mut incoming = Incoming::new(listener.clone());
    race(halt, accept(shared, &mut incoming, &mut start)).await?;
    // The process that goes on with the socket would not find it in the queue.
    while let Some(stream) = incoming.last().await {
        start(admit(shared, stream, None));
    }
    Ok(())
}

async fn accept(
    shared: &Arc<Shared>,
    incoming: &mut Incoming,
    mut start: impl FnMut(NewConnection),
) -> io::Result<()> {
    let mut notices = Notices::default();
    loop {
        notices.full(shared);
        shared.permits.below(shared.capacity.connections).await;
        match incoming.next().await {
            Accepted::Connection(stream, peer) => {
                notices.exhausted = false;
                start(admit(shared, stream, peer));
            }
            Accepted::BackOff { error, pause } => {
                notices.exhausted(shared, &error);
                shared.permits.returned_within(pause).await;
                incoming.retry_now();
            }
            Accepted::Closed => return Ok(()),
            Accepted::Failed(error) => return Err(error),
        }
    }
}

/// Takes a permit for a connection, and tells the hooks of it.
fn admit(shared: &Arc<Shared>, mut stream: Stream, peer: Option<Addr>) -> NewConnection {
    let admission = Admission::new(shared, &mut stream);
    let (id, peer) = (admission.id(), Peer(&stream, peer));
    let span = info_span!(target: "switchboard", "connection", id, %peer);
    let span = FlowSpan::new(span);
    let (peer, handler) = (&peer, shared.handler);
    span.in_scope(|| shared.hooks.accept(&Opened { id, peer, handler }));
    NewConnection {
        stream,
        admission,
        span,
    }
}

/// The notices of an accept loop, each given once for as long as its cause lasts.
#[derive(Default)]
struct Notices {
    full: bool,
    exhausted: bool,
}

impl Notices {
    /// Says that the server is full; again only after it was half empty.
    fn full(&mut self, shared: &Shared) {
        let (taken, capacity) = (shared.permits.taken(), &shared.capacity);
        if taken < capacity.connections {
            self.full &= taken >= capacity.connections / 2;
        } else if !std::mem::replace(&mut self.full, true)
            && shared.model.dispatch() != Dispatch::InTurn
        {
            shared.hooks.notice(&format_args!(
                "full at {} ({}); further clients wait in the backlog",
                Count(capacity.connections, "connection"),
                capacity.reason
            ));
        }
    }

    /// Says that no descriptor is left; again only after a connection was accepted.
    fn exhausted(&mut self, shared: &Shared, error: &io::Error) {
        if !std::mem::replace(&mut self.exhausted, true) {
            shared.hooks.notice(&format_args!(
                "cannot accept: {error}; clients wait until a connection ends"
            ));
        }
    }
}

/// The peer of an accepted connection; the system is asked for its address only when it is printed.
struct Peer<'a>(&'a Stream, Option<Addr>);

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.1 {
            Some(peer) => peer.fmt(f),
            // A peer that has gone since has no address.
            None => self.0.peer_addr().unwrap_or(Addr::Unix(None)).fmt(f),
        }
    }
}
