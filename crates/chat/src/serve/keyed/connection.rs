//! A connection of the hub that outlives the requests by which its client reads and sends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::serve::ServiceOptions;
use crate::{Bye, Connection, Now, Parcel};

/// How many bytes are taken out of the queue at a time.
const BATCH: usize = 64 * 1024;

/// The most bytes that one reader is given without a sign that they have arrived.
const WINDOW: usize = 256 * 1024;

/// A list that was longer than this gives its memory back once it is empty.
const KEPT_PLACES: usize = 16;

/// A connection whose client reads by one request after another, and sends by others.
///
/// Each parcel has a number, from 1. What was given to a reader is kept until the client acknowledges it, by asking
/// for what comes behind it.
pub(super) struct Keyed(Mutex<State>);

struct State {
    /// Why it has ended, if it has.
    connection: Result<Connection, Bye>,
    /// The client had a name when the connection ended.
    had_name: bool,
    /// The parcels that are not acknowledged, oldest first, and their bytes.
    kept: VecDeque<Parcel>,
    bytes: usize,
    /// The number of the last of them.
    taken: u64,
    /// How many readers there were; the last one is served.
    reader: u64,
    is_read: bool,
    /// The reader that waits.
    waker: Option<Waker>,
    opened: Instant,
    /// When the client has acknowledged something last, or its reader has ended.
    seen: Instant,
}

/// The request by which the client reads. Dropping it leaves the connection without a reader.
pub(super) struct Reader {
    keyed: Arc<Keyed>,
    number: u64,
    /// The number of the last parcel that it was given.
    pub(super) position: u64,
}

/// What a reader is given. Nothing at all means that the client has to acknowledge what it was given before.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) parcels: Vec<Parcel>,
    /// Why the connection has ended, behind the last parcel.
    pub(super) end: Option<Bye>,
}

/// The position was left behind already, or not reached yet.
pub(super) struct BadPosition;

impl Keyed {
    pub(super) fn new(connection: Connection, now: Instant) -> Keyed {
        Keyed(Mutex::new(State {
            connection: Ok(connection),
            had_name: false,
            kept: VecDeque::new(),
            bytes: 0,
            taken: 0,
            reader: 0,
            is_read: false,
            waker: None,
            opened: now,
            seen: now,
        }))
    }

    /// Acknowledges the parcels up to `position`, and returns the reader of those behind it. An earlier reader ends.
    pub(super) fn read(self: &Arc<Keyed>, position: u64) -> Result<Reader, BadPosition> {
        let mut state = self.state();
        state.acknowledge(position)?;
        state.seen = Instant::now();
        state.reader += 1;
        state.is_read = true;
        let (number, before) = (state.reader, state.waker.take());
        drop(state);
        before.into_iter().for_each(Waker::wake);
        Ok(Reader {
            keyed: self.clone(),
            number,
            position,
        })
    }

    /// Acknowledges the parcels up to `position`, and carries out commands, each in a line. Returns whether the
    /// connection has not ended.
    pub(super) fn receive(&self, position: Option<u64>, lines: &[u8], now: Now) -> bool {
        let mut state = self.state();
        // A request that was overtaken by another acknowledges nothing new.
        let news = position.is_some_and(|position| state.acknowledge(position).is_ok());
        if news && state.is_read {
            state.seen = now.instant;
        }
        let Ok(connection) = &mut state.connection else {
            return false;
        };
        for line in lines.split(|byte| *byte == b'\n') {
            if !line.trim_ascii().is_empty() {
                connection.receive(line, now);
            }
        }
        true
    }

    /// Ends the connection after what is queued.
    pub(super) fn end(&self, bye: Bye) {
        if let Ok(connection) = &self.state().connection {
            connection.end(bye);
        }
    }

    /// Ends the connection, since its client has left. If that is for good, its name is free.
    pub(super) fn close(&self, for_good: bool) {
        let mut state = self.state();
        if let Ok(connection) = &mut state.connection
            && for_good
        {
            connection.quit();
        }
        state.connection = Err(Bye::Replaced);
        state.reader += 1;
        let reader = state.waker.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    /// Does what is due. Returns whether the connection is to be forgotten: nobody has read it for too long, or it has
    /// ended without a name and nobody reads that.
    pub(super) fn look(&self, now: Now, options: &ServiceOptions) -> bool {
        let mut state = self.state();
        let is_late = now.instant.saturating_duration_since(state.opened) >= options.hello;
        if let Ok(connection) = &mut state.connection {
            connection.check(now);
            if is_late && connection.is_waiting_for_hello() {
                connection.end(Bye::HelloLate);
            }
            // A client that does not read its end is absent all the same.
            if let Some(bye) = connection.take(0, &mut Vec::new()) {
                state.end(bye);
            }
        }
        let is_over = is_late && !state.is_read && state.connection.is_err() && !state.had_name;
        let is_silent = !state.is_read && state.is_quiet(now.instant, options.ping + options.pong);
        if is_silent {
            // A request that has found it in this moment is told so.
            state.connection = Err(Bye::Silent);
        }
        is_silent || is_over
    }

    /// Returns whether the client has not said who it is, or had not when the connection ended.
    pub(super) fn is_nameless(&self) -> bool {
        let state = self.state();
        match &state.connection {
            Ok(connection) => connection.is_waiting_for_hello(),
            Err(_) => !state.had_name,
        }
    }

    /// Returns since when nobody reads the connection, and how many bytes wait in it; `None` if it has a reader.
    pub(super) fn unread(&self) -> Option<(Instant, usize)> {
        let state = self.state();
        let queued = state.connection.as_ref().map_or(0, Connection::queued);
        (!state.is_read).then_some((state.seen, state.bytes + queued))
    }

    /// Ends the connection with all that waits in it, unless it has a reader by now.
    pub(super) fn cut(&self) {
        let mut state = self.state();
        if state.is_read {
            return;
        }
        if state.connection.is_ok() {
            state.end(Bye::Slow);
        }
        (state.kept, state.bytes) = (VecDeque::new(), 0);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn acknowledge(&mut self, position: u64) -> Result<(), BadPosition> {
        let left = self.taken.checked_sub(position).ok_or(BadPosition)?;
        let acknowledged = (self.kept.len() as u64).checked_sub(left);
        let acknowledged = acknowledged.ok_or(BadPosition)? as usize;
        for parcel in self.kept.drain(..acknowledged) {
            self.bytes -= parcel.weight();
        }
        if self.kept.is_empty() && self.kept.capacity() > KEPT_PLACES {
            self.kept = VecDeque::new();
        }
        Ok(())
    }

    /// Takes more out of the connection's queue.
    fn take(&mut self) {
        let Ok(connection) = &mut self.connection else {
            return;
        };
        let mut parcels = Vec::new();
        let end = connection.take(BATCH, &mut parcels);
        self.taken += parcels.len() as u64;
        self.bytes += parcels.iter().map(Parcel::weight).sum::<usize>();
        self.kept.extend(parcels);
        if let Some(bye) = end {
            self.end(bye);
        }
    }

    /// Lets go of the connection, which ends the client's presence.
    fn end(&mut self, bye: Bye) {
        let connection = self.connection.as_ref();
        self.had_name = connection.is_ok_and(|connection| connection.nick().is_some());
        self.connection = Err(bye);
    }

    fn is_quiet(&self, now: Instant, time: Duration) -> bool {
        now.saturating_duration_since(self.seen) >= time
    }
}

impl Reader {
    /// Waits for parcels or the end.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Batch> {
        let mut state = self.keyed.state();
        if state.reader != self.number {
            return Poll::Ready(Batch {
                parcels: Vec::new(),
                end: Some(Bye::Replaced),
            });
        }
        loop {
            // What was acknowledged meanwhile, by a request that sends, does not come again.
            let acknowledged = state.taken - state.kept.len() as u64;
            self.position = self.position.max(acknowledged);
            let unread = (state.taken - self.position) as usize;
            let end = state.connection.as_ref().err().copied();
            if unread > 0 || end.is_some() || state.bytes >= WINDOW {
                self.position = state.taken;
                let from = state.kept.len() - unread;
                let parcels = state.kept.range(from..).cloned().collect();
                return Poll::Ready(Batch { parcels, end });
            }
            let ready = state.connection.as_ref().map(|it| it.poll_ready(context));
            if ready.is_ok_and(|ready| ready.is_pending()) {
                state.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            state.take();
        }
    }

    /// Returns whether the client has acknowledged nothing for `time`.
    pub(super) fn is_quiet(&self, now: Instant, time: Duration) -> bool {
        self.keyed.state().is_quiet(now, time)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.keyed.state();
        if state.reader == self.number {
            state.is_read = false;
            state.seen = Instant::now();
            state.waker = None;
        }
    }
}
