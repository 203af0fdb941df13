//! Bytes both ways between two connections, for as long as some come.

mod streams;

use std::io;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use futures_lite::future::try_zip;
use switchboard_http::Upgraded;
use switchboard_net::{Copier, Stream};
use switchboard_runtime as runtime;

use self::streams::{Halves, Streams};
use super::settings::Timeouts;

/// One direction, which may be interrupted.
trait Direction {
    /// Copies until the input ends, and passes the end on. Dropping the future loses nothing.
    fn run(&mut self) -> impl Future<Output = io::Result<()>> + Send;

    /// Returns how many bytes were written so far.
    fn copied(&self) -> u64;

    /// Returns whether the end was passed on.
    fn has_ended(&self) -> bool;
}

/// Bytes that were received before a direction began.
struct Early {
    left: Bytes,
    written: u64,
}

/// A direction between sockets.
struct Sockets<'a> {
    /// In memory of its own, since most have none.
    early: Option<Box<Early>>,
    copier: Copier,
    writer: &'a Stream,
    has_ended: bool,
}

impl<'a> Sockets<'a> {
    fn new(reader: &Stream, writer: &'a Stream) -> Sockets<'a> {
        Sockets {
            early: None,
            copier: Copier::new(reader, writer),
            writer,
            has_ended: false,
        }
    }

    /// Returns one that begins with bytes of the reader that were received already.
    fn after(left: Bytes, reader: &Stream, writer: &'a Stream) -> Sockets<'a> {
        let early = (!left.is_empty()).then(|| Box::new(Early { left, written: 0 }));
        Sockets {
            early,
            ..Sockets::new(reader, writer)
        }
    }
}

impl Direction for Sockets<'_> {
    async fn run(&mut self) -> io::Result<()> {
        if self.has_ended {
            return Ok(());
        }
        if let Some(early) = &mut self.early {
            while !early.left.is_empty() {
                let written = self.writer.write(&early.left).await?;
                early.left.advance(written);
                early.written += written as u64;
            }
            early.left = Bytes::new();
        }
        self.copier.run().await?;
        self.has_ended = true;
        match self.writer.shutdown_write() {
            // The peer has closed both directions already.
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            _ => Ok(()),
        }
    }

    fn copied(&self) -> u64 {
        let early = self.early.as_ref().map_or(0, |early| early.written);
        early + self.copier.copied()
    }

    fn has_ended(&self) -> bool {
        self.has_ended
    }
}

/// Copies both ways until both inputs have ended. After an error, and after a time without a byte, both
/// connections are to be reset when they close, so that no peer takes what it got for all there is.
///
/// One timer is armed all the time. When it fires, a look at the counters says whether bytes have come, so that a
/// byte costs nothing.
///
/// # Errors
/// The first one of either direction; `TimedOut`.
pub(super) async fn relay(a: &Stream, b: &Stream, timeouts: &Timeouts) -> io::Result<()> {
    let both = Both {
        there: Sockets::new(a, b),
        back: Sockets::new(b, a),
        told: |_, _| {},
    };
    let result = both.copy_while_busy(timeouts).await;
    if result.is_err() {
        reset(Some(a), Some(b));
    }
    result
}

/// Does so with connections that have left HTTP, and tells in the end, also when the future is dropped, how many
/// bytes went from `a` to `b` and from `b` to `a`.
///
/// # Errors
/// Those of [`relay`]; `UnexpectedEof` for TLS that ends without saying so.
pub(super) async fn relay_upgraded(
    a: Upgraded,
    b: Upgraded,
    timeouts: &Timeouts,
    told: impl FnMut(u64, u64) + Send,
) -> io::Result<()> {
    let sockets = [a.socket().cloned(), b.socket().cloned()];
    let result = match (a.into_socket(), b.into_socket()) {
        (Ok((a, early_a)), Ok((b, early_b))) => {
            let both = Both {
                there: Sockets::after(early_a, &a, &b),
                back: Sockets::after(early_b, &b, &a),
                told,
            };
            both.copy_while_busy(timeouts).await
        }
        (a, b) => {
            let halves = |it: Result<_, Upgraded>| it.map_or_else(Halves::from, Halves::from);
            let (a, b) = (halves(a), halves(b));
            let both = Both {
                there: Streams::new(a.reader, b.writer, a.early),
                back: Streams::new(b.reader, a.writer, b.early),
                told,
            };
            both.copy_while_busy(timeouts).await
        }
    };
    if result.is_err() {
        let [a, b] = &sockets;
        reset(a.as_ref(), b.as_ref());
    }
    result
}

/// Has connections reset when they close.
fn reset(a: Option<&Stream>, b: Option<&Stream>) {
    for socket in [a, b].into_iter().flatten() {
        // One that is closed already needs no reset.
        let _ = socket.reset_on_close();
    }
}

/// Both directions between two connections.
struct Both<D: Direction, F: FnMut(u64, u64)> {
    there: D,
    back: D,
    /// Told at the end of the bytes there and back.
    told: F,
}

impl<D: Direction, F: FnMut(u64, u64)> Both<D, F> {
    async fn copy_while_busy(mut self, timeouts: &Timeouts) -> io::Result<()> {
        let tick = timeouts.idle.min(timeouts.half_closed) / 4;
        let mut quiet = Quiet {
            seen: (0, false),
            since: runtime::now(),
        };
        loop {
            let both = try_zip(self.there.run(), self.back.run());
            if let Ok(result) = runtime::timeout(tick, both).await {
                return result.map(drop);
            }
            let is_half_closed = self.there.has_ended() || self.back.has_ended();
            let copied = self.there.copied() + self.back.copied();
            let limit = if is_half_closed {
                timeouts.half_closed
            } else {
                timeouts.idle
            };
            if quiet.lasts((copied, is_half_closed), runtime::now()) >= limit {
                let which = if is_half_closed {
                    "half-closed"
                } else {
                    "idle"
                };
                let text = format!("the connection was {which} for {limit:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
        }
    }
}

impl<D: Direction, F: FnMut(u64, u64)> Drop for Both<D, F> {
    fn drop(&mut self) {
        (self.told)(self.there.copied(), self.back.copied());
    }
}

/// Since when nothing has happened.
struct Quiet<T> {
    seen: T,
    since: Instant,
}

impl<T: PartialEq> Quiet<T> {
    /// Returns for how long what is seen has stayed the same.
    fn lasts(&mut self, seen: T, now: Instant) -> Duration {
        if self.seen != seen {
            (self.seen, self.since) = (seen, now);
        }
        now - self.since
    }
}
