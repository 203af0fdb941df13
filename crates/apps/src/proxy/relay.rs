//! Bytes both ways between two connections, for as long as some come.

use std::io;
use std::time::{Duration, Instant};

use futures_lite::future::try_zip;
use switchboard_net::{Copier, Stream};
use switchboard_runtime as runtime;

use super::settings::Timeouts;

/// One direction, which may be interrupted.
struct Direction<'a> {
    copier: Copier,
    writer: &'a Stream,
    has_ended: bool,
}

impl<'a> Direction<'a> {
    fn new(reader: &Stream, writer: &'a Stream) -> Direction<'a> {
        Direction {
            copier: Copier::new(reader, writer),
            writer,
            has_ended: false,
        }
    }

    /// Copies until the input ends, and passes the end on.
    async fn run(&mut self) -> io::Result<()> {
        if self.has_ended {
            return Ok(());
        }
        self.copier.run().await?;
        self.has_ended = true;
        match self.writer.shutdown_write() {
            // The peer has closed both directions already.
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            _ => Ok(()),
        }
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
    let result = copy_while_busy(a, b, timeouts).await;
    if result.is_err() {
        // A socket that is closed already needs no reset.
        let _ = (a.reset_on_close(), b.reset_on_close());
    }
    result
}

async fn copy_while_busy(a: &Stream, b: &Stream, timeouts: &Timeouts) -> io::Result<()> {
    let (mut there, mut back) = (Direction::new(a, b), Direction::new(b, a));
    let tick = timeouts.idle.min(timeouts.half_closed) / 4;
    let mut quiet = Quiet {
        seen: (0, false),
        since: runtime::now(),
    };
    loop {
        let both = try_zip(there.run(), back.run());
        if let Ok(result) = runtime::timeout(tick, both).await {
            return result.map(drop);
        }
        let is_half_closed = there.has_ended || back.has_ended;
        let seen = (there.copier.copied() + back.copier.copied(), is_half_closed);
        let limit = if is_half_closed {
            timeouts.half_closed
        } else {
            timeouts.idle
        };
        if quiet.lasts(seen, runtime::now()) >= limit {
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
