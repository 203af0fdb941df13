//! How long a connection may wait, by one timer that stays armed.
//!
//! A request that is served at once neither arms nor cancels it. When the timer fires, the connection looks at
//! what it waits for and since when; if its time has not come, the timer is armed again.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use switchboard_runtime::{self as runtime, Sleep};

use super::limits::ServerLimits;

/// Time between two looks at whether the client of a running handler has hung up.
const HANG_UP_INTERVAL: Duration = Duration::from_millis(250);

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing.
    None,
    /// The first byte of a connection.
    First,
    /// The first byte of another request.
    Idle,
    /// The rest of a head.
    Head,
    /// A handler, or the body of its answer.
    Handler,
    /// Bytes of a request's body.
    Body,
    /// The client, to take bytes of an answer.
    Write,
}

pub(crate) struct Pace {
    timer: Option<Sleep>,
    /// The waker that the timer has.
    waker: Option<Waker>,
    phase: Phase,
    /// The start of the phase.
    since: Instant,
    /// The time that earlier waits in the directions of the current message took, and the bytes they brought.
    body: Moved,
    written: Moved,
    /// For how long the client that a write waits for has taken nothing, and what it had left at the last look.
    stalled: Duration,
    left: Option<usize>,
}

/// What was moved in one direction of one message.
#[derive(Clone, Copy, Default)]
struct Moved {
    bytes: u64,
    waited: Duration,
}

impl Moved {
    /// Returns the wait after which this is too slow.
    fn patience(&self, limits: &ServerLimits) -> Option<Duration> {
        let due = Duration::from_secs(self.bytes.checked_div(limits.min_rate)?);
        Some(due.max(limits.rate_grace).saturating_sub(self.waited))
    }
}

impl Pace {
    pub(crate) fn new() -> Pace {
        Pace {
            timer: None,
            waker: None,
            phase: Phase::None,
            since: Instant::now(),
            body: Moved::default(),
            written: Moved::default(),
            stalled: Duration::ZERO,
            left: None,
        }
    }

    /// Begins another message.
    pub(super) fn reset_rates(&mut self) {
        self.body = Moved::default();
        self.written = Moved::default();
    }

    /// Ends the wait.
    pub(super) fn end(&mut self) {
        self.phase = Phase::None;
    }

    /// Notes that bytes of a request's body came.
    pub(super) fn received(&mut self, bytes: usize) {
        self.received_at(bytes, runtime::now());
    }

    /// Notes that bytes of a request's body came at `time`, until which the server has waited for them if it did.
    pub(crate) fn received_at(&mut self, bytes: usize, time: Instant) {
        self.body.bytes += bytes as u64;
        if self.phase == Phase::Body {
            self.body.waited += time.saturating_duration_since(self.since);
            self.end();
        }
    }

    /// Notes that the client took bytes of an answer.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.written.bytes += bytes as u64;
        if self.phase == Phase::Write {
            (self.stalled, self.left) = (Duration::ZERO, None);
            self.written.waited += runtime::now().saturating_duration_since(self.since);
            self.end();
        }
    }

    /// Waits for a client to take bytes of an answer; completes once it is too slow. `left` tells how many it has
    /// not taken, if that is known: a socket that is not writable may still be read from.
    pub(super) fn poll_write(
        &mut self,
        left: impl Fn() -> Option<usize>,
        limits: &ServerLimits,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            ready!(self.poll(Phase::Write, limits, context));
            let waited = runtime::now().saturating_duration_since(self.since);
            self.written.waited += waited;
            let before = std::mem::replace(&mut self.left, left());
            match (before, self.left) {
                (Some(before), Some(left)) if left < before => self.stalled = Duration::ZERO,
                _ => self.stalled += waited,
            }
            let too_slow = self.written.patience(limits) == Some(Duration::ZERO);
            if too_slow || self.stalled >= limits.write_idle {
                return Poll::Ready(());
            }
        }
    }

    /// Waits in `phase`; completes once that has taken too long.
    pub(crate) fn poll(
        &mut self,
        phase: Phase,
        limits: &ServerLimits,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let now = runtime::now();
        if self.phase != phase {
            self.phase = phase;
            self.since = now;
        }
        let Some(deadline) = self.since.checked_add(self.limit(limits)) else {
            return Poll::Pending;
        };
        if now >= deadline {
            self.phase = Phase::None;
            return Poll::Ready(());
        }
        let armed = self.timer.as_ref().and_then(Sleep::deadline);
        let kept = armed.is_some_and(|armed| now < armed && armed <= deadline);
        let waker = self.waker.as_ref();
        if !kept || !waker.is_some_and(|waker| waker.will_wake(context.waker())) {
            self.arm(if kept { armed } else { None }.unwrap_or(deadline), context);
        }
        Poll::Pending
    }

    #[cold]
    fn arm(&mut self, deadline: Instant, context: &mut Context<'_>) {
        self.waker = Some(context.waker().clone());
        let timer = self.timer.get_or_insert_with(|| Sleep::until(deadline));
        if timer.deadline() != Some(deadline) {
            timer.reset(deadline);
        }
        if Pin::new(timer).poll(context).is_ready() {
            // It has passed since the clock was read.
            context.waker().wake_by_ref();
        }
    }

    /// Returns the longest time that the current phase may take.
    fn limit(&self, limits: &ServerLimits) -> Duration {
        let with_rate = |idle: Duration, moved: &Moved| match moved.patience(limits) {
            Some(patience) => idle.min(patience),
            None => idle,
        };
        match self.phase {
            Phase::None | Phase::Handler => HANG_UP_INTERVAL,
            Phase::Idle => limits.keep_alive_idle,
            Phase::First | Phase::Head => limits.head_time,
            Phase::Body => with_rate(limits.body_idle, &self.body),
            // Looked at four times before it is too long.
            Phase::Write => {
                let rest = limits.write_idle.saturating_sub(self.stalled);
                with_rate(rest.min(limits.write_idle / 4), &self.written)
            }
        }
    }
}
