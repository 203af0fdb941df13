//! The one timer of a connection: it stays armed, and looks at what has happened when it fires.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use switchboard_runtime::{self as runtime, Sleep};

use super::tally::Tally;
use crate::server::ServerLimits;

/// The bytes that every HTTP/2 client sends first.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Time in which an idle client must follow the GOAWAY frame.
const GRACE: Duration = Duration::from_secs(5);
/// The longest time between two looks, after which frames are counted anew.
const LOOK: Duration = Duration::from_secs(60);
/// Requests that a client may take back before it is asked whether these are most of them.
const WITHDRAWN: u64 = 200;

/// What the watch has found.
pub(super) enum Found {
    /// The connection was idle for too long: the client is to be told.
    Idle,
    /// The client has not followed within the grace.
    Unmoved,
    Error(io::Error),
}

pub(super) struct Watch {
    timer: Sleep,
    /// When the last stream ended, if none is open, or bytes of its answer were last seen to move.
    idle_since: Option<Instant>,
    /// The bytes that were written at the last look at an idle connection, and when that was.
    idle_look: (u64, Instant),
    /// Whether the client has been told of the end.
    closing: bool,
    /// When an answer was first seen to wait for the client, and the bytes that were written then.
    stuck: Option<(Instant, u64)>,
    /// Since when frames are counted, for their limit of a minute.
    counted_since: Instant,
}

impl Watch {
    pub(super) fn new(limits: &ServerLimits) -> Watch {
        Watch {
            timer: runtime::sleep(limits.head_time.min(period(limits))),
            idle_since: Some(runtime::now()),
            idle_look: (0, runtime::now()),
            closing: false,
            stuck: None,
            counted_since: runtime::now(),
        }
    }

    /// Says that the client has been told of the end.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.timer.reset(runtime::now() + GRACE);
    }

    /// Looks whether the connection is `idle`, and whether the client does its part.
    pub(super) fn poll(
        &mut self,
        idle: bool,
        tally: &Tally,
        limits: &ServerLimits,
        context: &mut Context<'_>,
    ) -> Poll<Found> {
        match (idle, self.idle_since) {
            (true, None) => {
                let now = runtime::now();
                self.idle_since = Some(now);
                self.idle_look = (tally.written.get(), now);
            }
            (false, Some(_)) => self.idle_since = None,
            _ => {}
        }
        let withdrawn = tally.withdrawn.get();
        if withdrawn > WITHDRAWN && withdrawn * 2 > tally.requests.get() {
            let text = format!(
                "the client took back {withdrawn} of {} requests",
                tally.requests.get()
            );
            return Poll::Ready(Found::Error(io::Error::other(text)));
        }
        while Pin::new(&mut self.timer).poll(context).is_ready() {
            let now = runtime::now();
            match self.look(now, tally, limits) {
                Ok(next) => self.timer.reset(next),
                Err(found) => return Poll::Ready(found),
            }
        }
        Poll::Pending
    }

    /// Returns when to look again.
    fn look(
        &mut self,
        now: Instant,
        tally: &Tally,
        limits: &ServerLimits,
    ) -> Result<Instant, Found> {
        if now.saturating_duration_since(self.counted_since) >= LOOK {
            self.counted_since = now;
            tally.forget_frames();
        }
        let after = |since: Instant, span| since.checked_add(span).unwrap_or(now + FAR);
        let stuck = tally.blocked.get() || tally.sending.get() > 0;
        if !stuck && let Some(since) = self.idle_since {
            self.stuck = None;
            let since = match self.is_sending(now, tally, limits) {
                true => *self.idle_since.insert(now),
                false => since,
            };
            let greeted = tally.read.get() >= PREFACE.len() as u64;
            let end = after(
                since,
                match (greeted, self.closing) {
                    (false, _) => limits.head_time,
                    (true, true) => GRACE,
                    (true, false) => limits.keep_alive_idle,
                },
            );
            return match (now < end, greeted) {
                (true, _) => Ok(end.min(after(now, period(limits)))),
                (false, false) => Err(Found::Error(late(
                    "a client that does not finish its greeting",
                ))),
                (false, true) if self.closing => Err(Found::Unmoved),
                (false, true) => Err(Found::Idle),
            };
        }
        let written = tally.written.get();
        let (since, before) = *self.stuck.get_or_insert((now, written));
        let end = after(since, limits.write_idle);
        if !stuck || written - before >= least(limits, limits.write_idle) {
            self.stuck = None;
        } else if now >= end {
            return Err(Found::Error(late(
                "a client that does not take its answers",
            )));
        }
        let next = after(now, period(limits));
        Ok(match self.stuck {
            Some(_) => next.min(end),
            None => next,
        })
    }

    /// Returns whether an idle connection has moved since the last look: hyper ends a stream once it has the last
    /// piece of its answer, which a slow client may take for a long time.
    fn is_sending(&mut self, now: Instant, tally: &Tally, limits: &ServerLimits) -> bool {
        let written = tally.written.get();
        let (before, looked) = std::mem::replace(&mut self.idle_look, (written, now));
        written - before >= least(limits, now.saturating_duration_since(looked))
    }
}

/// Returns the fewest bytes that count as moving within `span`.
fn least(limits: &ServerLimits, span: Duration) -> u64 {
    limits.min_rate.saturating_mul(span.as_secs()).max(1)
}

/// A wait that is as good as none.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Returns the longest time between two looks.
fn period(limits: &ServerLimits) -> Duration {
    limits.keep_alive_idle.min(limits.write_idle).min(LOOK)
}

fn late(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, text)
}
