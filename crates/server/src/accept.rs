//! The accept loop: one for all models.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use switchboard_net::{Accepted, Addr, Incoming, Listener, Stream};
use switchboard_reactor::{Ending, Opened};
use switchboard_runtime::{self as runtime, Dispatch, FlowSpan, race};
use tracing::{Span, info_span};

use crate::addresses::Addresses;
use crate::counts::Count;
use crate::proxies::{self, Proxies};
use crate::shared::{Admission, Permit, Shared};

/// How often an operator hears of refusals.
const REFUSALS: Duration = Duration::from_secs(10);

/// A connection that was accepted and that nothing handles yet.
pub(crate) struct NewConnection {
    pub(crate) stream: Stream,
    pub(crate) admission: Admission,
    pub(crate) span: FlowSpan,
}

/// Accepts until `halt` completes, and hands each connection to `start`, which must not wait for it
/// unless the model serves one at a time. Then waits for the headers that are missing, until the server cuts its
/// connections.
pub(crate) async fn accept_loop(
    shared: &Arc<Shared>,
    listener: &Listener,
    headers: &Headers,
    halt: impl Future<Output = ()>,
    start: impl FnMut(NewConnection),
) -> io::Result<()> {
    let halt = async {
        halt.await;
        Ok(())
    };
    let mut accepting = Accepting {
        shared,
        incoming: Incoming::new(listener.clone()),
        headers,
        notices: Notices::default(),
        start,
    };
    race(halt, accepting.accept()).await?;
    accepting.finish().await;
    Ok(())
}

/// An accept loop.
struct Accepting<'a, S> {
    shared: &'a Arc<Shared>,
    incoming: Incoming,
    headers: &'a Headers,
    notices: Notices,
    start: S,
}

impl<S: FnMut(NewConnection)> Accepting<'_, S> {
    async fn accept(&mut self) -> io::Result<()> {
        loop {
            let shared = self.shared;
            self.notices.full(shared);
            let accepted = match self.next().await {
                Step::Accepted(accepted) => accepted,
                Step::Header(with) => {
                    self.take_header(with);
                    continue;
                }
            };
            match accepted {
                Accepted::Connection(stream, peer) => {
                    self.notices.exhausted = false;
                    self.take(stream, peer);
                }
                Accepted::BackOff { error, pause } => {
                    self.notices.exhausted(shared, &error);
                    shared.permits.returned_within(pause).await;
                    self.incoming.retry_now();
                }
                Accepted::Closed => return Ok(()),
                Accepted::Failed(error) => return Err(error),
            }
        }
    }

    /// Waits for a connection, once there is room for one, or for the header of a proxy. A connection whose header is
    /// missing holds a permit, so headers are read while there is no room, too.
    async fn next(&mut self) -> Step {
        let (shared, incoming, headers) = (self.shared, &mut self.incoming, self.headers);
        let accepted = async {
            shared.permits.below(shared.capacity.connections).await;
            Step::Accepted(incoming.next().await)
        };
        match headers.are_empty() {
            true => accepted.await,
            false => race(async { Step::Header(headers.next().await) }, accepted).await,
        }
    }

    /// Starts what was accepted, or proxied, and not started yet.
    async fn finish(&mut self) {
        // The process that goes on with the socket would not find it in the queue.
        while let Some(stream) = self.incoming.last().await {
            self.take(stream, None);
        }
        let shared = self.shared;
        let headers = async {
            while !self.headers.are_empty() {
                let with = self.headers.next().await;
                self.take_header(with);
            }
        };
        race(shared.is_cut.wait(), headers).await;
        self.headers.close();
    }

    /// Takes in a connection that was accepted.
    fn take(&mut self, stream: Stream, peer: Option<Addr>) {
        let admission = Admission::new(self.shared);
        let trusts = |proxies: &Arc<Proxies>| proxies.trust(&addr(&stream, peer.as_ref()));
        match self.shared.proxies.as_ref().is_some_and(trusts) {
            true => self.headers.add(stream, admission),
            false => self.admit(stream, admission, peer),
        }
    }

    /// Takes in a connection whose proxy has said who its client is.
    fn take_header(&mut self, with: WithHeader) {
        let WithHeader {
            stream,
            admission,
            client,
        } = with;
        match client {
            Ok(client) => {
                if let Some(client) = client {
                    stream.set_peer_addr(client);
                }
                self.admit(stream, admission, client.map(Addr::Tcp));
            }
            Err(error) => {
                let new = self.shared.opened(stream, admission, None);
                let close = || new.admission.start().close(Ending::Failed(&error));
                new.span.in_scope(close);
            }
        }
    }

    /// Tells the hooks of a connection, and starts it unless its address has too many.
    fn admit(&mut self, stream: Stream, admission: Admission, peer: Option<Addr>) {
        if let Some(addresses) = &self.shared.addresses {
            let peer = addr(&stream, peer.as_ref());
            if !addresses.enter(admission.id(), &peer) {
                self.notices.refused(self.shared, &peer, addresses.most());
                return refuse(self.shared, addresses, stream, admission.refuse());
            }
        }
        (self.start)(self.shared.opened(stream, admission, peer));
    }
}

impl Shared {
    /// Adds a connection to the list, and tells the hooks of it.
    fn opened(
        self: &Arc<Self>,
        mut stream: Stream,
        mut admission: Admission,
        peer: Option<Addr>,
    ) -> NewConnection {
        admission.enlist(&mut stream);
        let (id, peer) = (admission.id(), Peer(&stream, peer));
        let span = info_span!(target: "switchboard", "connection", id, %peer);
        let span = FlowSpan::new(span);
        let (peer, handler) = (&peer, self.handler);
        span.in_scope(|| self.hooks.accept(&Opened { id, peer, handler }));
        NewConnection {
            stream,
            admission,
            span,
        }
    }
}

/// Has a connection told why it is refused, if anything is to be told; then it is closed.
fn refuse(shared: &Shared, addresses: &Arc<Addresses>, stream: Stream, permit: Permit) {
    // A thread beside the accepting flow would keep the model `processes` from forking.
    let can_tell = shared.model.dispatch() != Dispatch::Process;
    let refuse = shared.refuse.clone().filter(|_| can_tell);
    let (Some(refuse), Some(telling)) = (refuse, addresses.tell()) else {
        return;
    };
    let span = FlowSpan::new(Span::none());
    runtime::launch_detached(shared.handler, span, move || async move {
        telling.run(refuse, stream).await;
        drop(permit);
    });
}

enum Step {
    Accepted(Accepted),
    Header(WithHeader),
}

/// A connection of a proxy, and the client for which it speaks.
struct WithHeader {
    stream: Stream,
    admission: Admission,
    client: io::Result<Option<SocketAddr>>,
}

/// The connections whose proxies have not said yet who their clients are.
#[derive(Default)]
pub(crate) struct Headers(RefCell<Vec<Pin<Box<dyn Future<Output = WithHeader>>>>>);

impl Headers {
    fn add(&self, stream: Stream, admission: Admission) {
        self.0.borrow_mut().push(Box::pin(async move {
            let client = proxies::read_header(&stream).await;
            WithHeader {
                stream,
                admission,
                client,
            }
        }));
    }

    fn are_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Closes the connections, in this process only.
    pub(crate) fn close(&self) {
        drop(self.0.take());
    }

    /// Waits for the next one that has. May be dropped and called again.
    async fn next(&self) -> WithHeader {
        poll_fn(|context| {
            let mut headers = self.0.borrow_mut();
            for at in 0..headers.len() {
                if let Poll::Ready(with) = headers[at].as_mut().poll(context) {
                    drop(headers.swap_remove(at));
                    return Poll::Ready(with);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Returns the address of a peer; the system is asked for it only if it is not known.
fn addr(stream: &Stream, known: Option<&Addr>) -> Addr {
    // A peer that has gone since has no address.
    let asked = || stream.peer_addr().unwrap_or(Addr::Unix(None));
    known.cloned().unwrap_or_else(asked)
}

/// The notices of an accept loop, each given once for as long as its cause lasts.
#[derive(Default)]
struct Notices {
    full: bool,
    exhausted: bool,
    /// When the last refusal was told, and how many there were since.
    refused: Option<(Instant, usize)>,
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

    /// Says that an address has too many connections; again only after some time.
    fn refused(&mut self, shared: &Shared, peer: &Addr, most: usize) {
        let others = match &mut self.refused {
            Some((at, others)) if at.elapsed() < REFUSALS => {
                *others += 1;
                return;
            }
            last => last.replace((Instant::now(), 0)).map_or(0, |last| last.1),
        };
        let has = Count(most, "connection");
        let text = format!("refused {peer}: its address has {has}, which is the limit");
        match others {
            0 => shared.hooks.notice(&text),
            others => shared.hooks.notice(&format_args!(
                "{text}; {others} more were refused since the last line"
            )),
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
            None => addr(self.0, None).fmt(f),
        }
    }
}
