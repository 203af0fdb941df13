//! The conversation with a client that speaks lines: bytes to commands, updates to lines. It knows no socket.

mod said;

use std::fmt::{self, Write};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::split::Splitter;
use super::{CLOSE, LineOptions};
use crate::line;
use crate::update::Kind;
use crate::{Bye, Connection, Now, Parcel, Position};

pub(super) struct Conversation {
    connection: Connection,
    splitter: Splitter,
    /// Answers that are no updates.
    answers: String,
    /// The room that texts go to.
    room: Option<Box<str>>,
    greeting: Option<Box<Greeting>>,
    /// The answers to commands that have still to come. The inbox is the one to `hello`.
    owed: u32,
    /// The client has said that it leaves; until when it waits for what it is owed.
    leaves: Option<Instant>,
    /// The client has left, and has not taken in time what it is owed.
    is_late: bool,
    /// The client leaves since the last look, so that the time of the next one is another.
    is_due: bool,
}

/// What is known before the client has a name.
struct Greeting {
    /// How long it may be silent.
    patience: Duration,
    /// Until when the name has to come.
    until: Instant,
    /// Beyond which nothing moves that.
    latest: Instant,
    /// What was seen of the inbox.
    inbox: Option<Position>,
}

/// How many bytes are taken out of the queue at a time. With more bytes of answers, nothing is received.
pub(super) const BATCH: usize = 64 * 1024;

/// What a line has beside its text: a command, and a name.
const AROUND_A_TEXT: usize = 512;

/// How long a client may write lines without saying its name: that many times the limit of a silent one.
const PATIENCE: u32 = 6;

/// How often a connection is looked at that may end by itself: its name is late, or its token expires.
const CHECK: Duration = Duration::from_secs(1);
/// How often any other connection is looked at. One whose client leaves is looked at when its time is over.
const RARELY: Duration = Duration::from_secs(60);

const HELLO: &str = "* hello: this is a Switchboard chat. Say who you are by /name NAME, then enter a room by \
/join ROOM. /help lists what else you can say\n";

/// The last line for a client that has left.
const LEFT: &str = "* bye 1000 again=no: you have left\n";

impl Conversation {
    pub(super) fn new(connection: Connection, options: &LineOptions, now: Now) -> Conversation {
        let greeting = Greeting {
            patience: options.hello,
            until: now.instant + options.hello,
            latest: now.instant + options.hello * PATIENCE,
            inbox: None,
        };
        Conversation {
            connection,
            splitter: Splitter::default(),
            answers: HELLO.to_owned(),
            room: None,
            greeting: Some(Box::new(greeting)),
            owed: 0,
            leaves: None,
            is_late: false,
            is_due: false,
        }
    }

    /// Takes what the client has sent. Never blocks.
    pub(super) fn receive(&mut self, bytes: &[u8], now: Now) {
        let mut splitter = std::mem::take(&mut self.splitter);
        splitter.feed(bytes, self.longest(), |piece| self.take(piece, now));
        self.splitter = splitter;
    }

    /// Takes the end of input: a client that says nothing more leaves.
    pub(super) fn finish(&mut self, now: Now) {
        let mut splitter = std::mem::take(&mut self.splitter);
        splitter.finish(self.longest(), |piece| self.take(piece, now));
        self.leave(now);
    }

    /// Returns whether so many answers wait that nothing is to be received.
    pub(super) fn is_behind(&self) -> bool {
        self.answers.len() > BATCH
    }

    /// Waits for lines, and appends them to `into`. Returns whether they are the last ones.
    pub(super) fn poll_lines(
        &mut self,
        context: &mut Context<'_>,
        into: &mut Vec<u8>,
    ) -> Poll<bool> {
        if self.answers.is_empty() {
            match self.connection.poll_ready(context) {
                Poll::Pending if self.leaves.is_some() && self.owed == 0 => {
                    self.connection.quit();
                    into.extend_from_slice(LEFT.as_bytes());
                    return Poll::Ready(true);
                }
                polled => ready!(polled),
            }
        }
        into.extend_from_slice(std::mem::take(&mut self.answers).as_bytes());
        let mut parcels = Vec::new();
        let end = self.connection.take(BATCH, &mut parcels);
        for parcel in &parcels {
            self.note(parcel);
            into.extend_from_slice(parcel.lines());
        }
        if let Some(bye) = end {
            into.extend_from_slice(line::last(bye).as_bytes());
        }
        Poll::Ready(end.is_some())
    }

    /// Waits for the end, while the client takes nothing, and appends the last line.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<()> {
        let bye = match self.connection.poll_end(context) {
            Poll::Pending if self.is_late => {
                self.connection.quit();
                Bye::Slow
            }
            polled => ready!(polled),
        };
        into.extend_from_slice(line::last(bye).as_bytes());
        Poll::Ready(())
    }

    /// Returns whether [`check`](Conversation::check) is to be called before the time that it has returned.
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// Looks whether the connection is to end, and returns when to look again.
    pub(super) fn check(&mut self, now: Now) -> Duration {
        self.is_due = false;
        let next = self.check_rest(now);
        let Some(limit) = self.leaves else {
            return next;
        };
        let left = limit.saturating_duration_since(now.instant);
        if left.is_zero() {
            // A command may be answered by what another one was.
            (self.owed, self.is_late) = (0, true);
            return next;
        }
        next.min(left)
    }

    fn check_rest(&mut self, now: Now) -> Duration {
        self.connection.check(now);
        if self.connection.nick().is_some() {
            self.greeting = None;
        }
        let Some(greeting) = &self.greeting else {
            let user = self.connection.user.as_ref();
            return match user.is_some_and(|user| user.until.is_some()) {
                true => CHECK,
                false => RARELY,
            };
        };
        // Those who have a name are told by the hub.
        if self.connection.hub.has_stopped() {
            self.connection.end(Bye::Restart);
        } else if now.instant >= greeting.until && self.connection.is_waiting_for_hello() {
            self.connection.end(Bye::HelloLate);
        }
        let left = greeting.until.saturating_duration_since(now.instant);
        match left.is_zero() {
            // The name is being asked for.
            true => CHECK,
            false => left.min(CHECK),
        }
    }

    fn leave(&mut self, now: Now) {
        if self.leaves.is_none() {
            self.leaves = Some(now.instant + CLOSE);
            self.is_due = true;
        }
    }

    /// Counts an answer.
    fn note(&mut self, parcel: &Parcel) {
        if *parcel.kind() == Kind::Answer {
            self.owed = self.owed.saturating_sub(1);
        }
    }

    fn longest(&self) -> usize {
        self.connection.hub.options().text + AROUND_A_TEXT
    }

    /// Adds a line that is no update, after those that wait.
    fn answer(&mut self, line: fmt::Arguments<'_>) {
        // As far as the bound of this buffer permits: who is far behind reads answers first.
        let mut parcels = Vec::new();
        let space = BATCH.saturating_sub(self.answers.len());
        // An end is found again when the next ones are taken.
        let _ = self.connection.take(space, &mut parcels);
        for parcel in &parcels {
            self.note(parcel);
            self.answers += &String::from_utf8_lossy(parcel.lines());
        }
        // Writing to a string never fails.
        let _ = writeln!(self.answers, "{line}");
    }
}

#[cfg(test)]
mod tests;
