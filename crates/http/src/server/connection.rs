//! The connection: it waits without a buffer, and serves what comes in bursts.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use hyper::body::Body as HttpBody;
use switchboard_net::Chunk;
use switchboard_runtime as runtime;

use super::burst::{After, serve_burst};
use super::limits::ServerLimits;
use super::pace::Phase;
use super::transport::Transport;
use super::wire::Wire;
use crate::{Request, h2};

/// Time in which a client whose next request is on its way must send something, when the server stops.
pub(super) const LAST_CHANCE: Duration = Duration::from_secs(1);

/// Time in which a client must take the end of its stream.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves HTTP/1.1, or HTTP/2 if the client begins with it or has agreed on it, on `io` until the client, a
/// response or `stop` ends it.
pub(super) fn serve<T, F, B, E>(
    io: T,
    handler: impl Fn(Request) -> F,
    stop: impl Future<Output = ()>,
    limits: Arc<ServerLimits>,
) -> impl Future<Output = io::Result<()>>
where
    T: Transport + Unpin,
    F: Future<Output = Result<Response<B>, E>>,
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    // An async function would hold this twice.
    let mut wire = Wire::new(io, limits);
    async move {
        let mut stop = pin!(stop);
        // Whether the server stops. The burst looks at it before it waits for more, and at each head.
        let stopping = AtomicBool::new(false);
        let last = loop {
            let idle = poll_fn(|context| poll_idle(&mut wire, stop.as_mut(), &stopping, context));
            let chunk = match idle.await? {
                Some(chunk) => chunk,
                None if !stopping.load(Ordering::Relaxed) => break After::Close,
                // In memory of its own, as the burst.
                None => match Box::pin(last_chance(&mut wire)).await? {
                    Some(chunk) => chunk,
                    None => break After::Close,
                },
            };
            if is_http2(&wire, &chunk) {
                break After::Http2(chunk);
            }
            // In memory of its own, so that an idle connection is small.
            let mut burst = Box::pin(serve_burst(&mut wire, &handler, &stopping, chunk));
            let burst = poll_fn(|context| {
                poll_stop(stop.as_mut(), &stopping, context);
                burst.as_mut().poll(context)
            });
            match burst.await? {
                After::KeepAlive => {}
                after => break after,
            }
        };
        match last {
            After::Http2(first) => {
                let stopped = stopping.load(Ordering::Relaxed);
                let Wire { io, limits, .. } = wire;
                let served = h2::serve(io, first, &handler, stop, stopped, limits);
                Box::pin(served).await
            }
            After::Upgrade(early) => match wire.continuation {
                Some(run) => run(wire.io.upgraded(early)).await,
                None => Ok(()),
            },
            After::Close | After::KeepAlive => {
                if wire.io.socket().is_none() {
                    Box::pin(farewell(&mut wire.io)).await;
                }
                Ok(())
            }
        }
    }
}

/// Returns whether a connection that begins with `first` is one of HTTP/2.
fn is_http2<T: Transport>(wire: &Wire<T>, first: &[u8]) -> bool {
    wire.served == 0 && (h2::begins(first) || wire.io.has_agreed_on_http2())
}

/// Receives from a client whose request is on its way when the server stops: one that has just connected, or one
/// that asks again and again. `None` if it sends nothing.
async fn last_chance<T: Transport>(wire: &mut Wire<T>) -> io::Result<Option<Chunk>> {
    let received = poll_fn(|context| wire.io.poll_recv(context));
    let Ok(received) = runtime::timeout(LAST_CHANCE, received).await else {
        return Ok(None);
    };
    first_bytes(received, wire.served)
}

/// Returns the bytes with which a request begins; `None` at the end of input.
fn first_bytes(received: io::Result<Chunk>, served: u64) -> io::Result<Option<Chunk>> {
    match received {
        Ok(chunk) => Ok((!chunk.is_empty()).then_some(chunk)),
        // A client that has its answers may end in any way: many leave out the end of TLS.
        Err(error) if served > 0 && is_end(error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells the client of the end in the way of its stream, as TLS has one. A socket's end is its closing.
async fn farewell(io: &mut impl Transport) {
    let told = poll_fn(|context| io.poll_shutdown(context));
    // A client that does not read learns it from the closing.
    let _ = runtime::timeout(FAREWELL, told).await;
}

/// Returns whether the server stops.
fn poll_stop(
    stop: Pin<&mut impl Future<Output = ()>>,
    stopping: &AtomicBool,
    context: &mut Context<'_>,
) -> bool {
    if stopping.load(Ordering::Relaxed) {
        return true;
    }
    let stops = stop.poll(context).is_ready();
    if stops {
        stopping.store(true, Ordering::Relaxed);
    }
    stops
}

fn is_end(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(kind, UnexpectedEof | ConnectionReset | BrokenPipe)
}

/// Waits for the first bytes of a request; `None` if the connection ends without one.
fn poll_idle<T: Transport>(
    wire: &mut Wire<T>,
    stop: Pin<&mut impl Future<Output = ()>>,
    stopping: &AtomicBool,
    context: &mut Context<'_>,
) -> Poll<io::Result<Option<Chunk>>> {
    let stops = poll_stop(stop, stopping, context);
    let mut received = wire.io.poll_recv(context);
    if stops && received.is_pending() {
        // A request that has arrived is answered. The first poll of a blocking flow may only note the read,
        // and the second one makes the call.
        received = wire.io.poll_recv(context);
    }
    if let Poll::Ready(received) = received {
        // The wait goes on until a head is whole: empty lines do not keep a connection.
        return Poll::Ready(first_bytes(received, wire.served));
    }
    if stops {
        return Poll::Ready(Ok(None));
    }
    let phase = match wire.served {
        0 => Phase::First,
        _ => Phase::Idle,
    };
    wire.poll_pace(phase, context).map(|()| match phase {
        Phase::First => {
            let text = "a client that sends no request";
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        }
        _ => Ok(None),
    })
}
