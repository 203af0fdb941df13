//! The hub's side of one connection.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::command::Command;
use crate::commands::Wrong;
use crate::greeting::{Greeting, Step};
use crate::hub::Hub;
use crate::outbox::Outbox;
use crate::passwords;
use crate::rate::Bucket;
use crate::room::Room;
use crate::update::{ErrorCode, Parcel, Update};
use crate::{Bye, Name, Now};

/// The hub's side of one connection: takes commands, and holds what the client is to be told. Dropping it ends the
/// client's presence; its name is held for a while.
///
/// A flow does two things side by side, as in [`Hub`]'s example: it gives what it receives to
/// [`receive`](Connection::receive), and sends what [`take`](Connection::take) returns once
/// [`poll_ready`](Connection::poll_ready) says that there is something.
pub struct Connection {
    pub(crate) hub: Hub,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) user: Option<Box<User>>,
    pub(crate) greeting: Option<Box<Greeting>>,
    commands: Bucket,
    pub(crate) passwords: Bucket,
    malformed: u8,
}

pub(crate) struct User {
    pub(crate) nick: Name,
    pub(crate) rooms: Vec<Arc<Room>>,
    /// When the token expires, in seconds since 1970.
    pub(crate) until: Option<u64>,
}

/// The most commands that wait for a name.
const DEFERRED: usize = 256;

/// The most bytes that these have, in texts of the greatest length.
const DEFERRED_TEXTS: usize = 4;
/// The most bytes that they have in any case.
const DEFERRED_BYTES: usize = 64 * 1024;

/// Texts that are no command, after which the connection ends.
const MALFORMED: u8 = 10;

impl Connection {
    pub(crate) fn new(hub: Hub, now: Now) -> Connection {
        let options = hub.options();
        Connection {
            outbox: Arc::new(Outbox::new(options.outbox, options.overflow)),
            user: None,
            greeting: None,
            commands: Bucket::full(options.burst, now.instant),
            passwords: Bucket::full(passwords::AT_ONCE, now.instant),
            malformed: 0,
            hub,
        }
    }

    /// Returns who the client is, once it has said `hello`.
    pub fn nick(&self) -> Option<&Name> {
        self.user.as_ref().map(|user| &user.nick)
    }

    /// Returns whether the client has not said who it is. While its password is checked, or its name asked for, it has.
    pub(crate) fn is_waiting_for_hello(&self) -> bool {
        self.user.is_none() && self.greeting.is_none()
    }

    /// Waits until the connection is to end, for a flow whose client does not read, and returns why. What is queued is
    /// discarded then: a client that comes back is sent what it has missed.
    pub fn poll_end(&self, context: &mut Context<'_>) -> Poll<Bye> {
        self.outbox.poll_end(context)
    }

    /// Waits until there is something to take.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.outbox.poll_ready(context)
    }

    /// Moves what the client is to be told to `into`, until that has `bytes` bytes. Returns why the connection ends,
    /// once everything before its end is taken.
    pub fn take(&mut self, bytes: usize, into: &mut Vec<Parcel>) -> Option<Bye> {
        if self.greeting.is_some() {
            self.settle(Now::read());
        }
        self.outbox.take(bytes, into)
    }

    /// Returns how many bytes wait to be taken.
    pub fn queued(&self) -> usize {
        self.outbox.bytes()
    }

    /// Ends the connection after what is queued.
    pub fn end(&self, bye: Bye) {
        self.outbox.end(bye);
    }

    /// Ends the client's presence, as dropping the connection does, at this moment. Its name is held for a while.
    pub fn close(mut self, now: Now) {
        self.leave_all(now);
    }

    /// Ends the client's presence for good: it leaves its rooms, and its name is free.
    pub fn quit(&mut self) {
        let Some((nick, mut rooms)) = self.end_presence() else {
            return;
        };
        let holders = self.hub.holders();
        rooms.extend(holders.refuse(&nick, &self.outbox));
        for room in &rooms {
            room.leave(&nick, Some(&self.outbox), self.hub.options());
            self.hub.stir(room);
        }
        if let Some(shared) = self.hub.shared()
            && !holders.has(&nick)
        {
            shared.release(&nick);
        }
    }

    /// Ends the connection if its token has expired. To be called now and then.
    pub fn check(&self, now: Now) {
        let until = self.user.as_ref().and_then(|user| user.until);
        if until.is_some_and(|until| until <= now.unix / 1000) {
            self.end(Bye::Expired);
        }
    }

    /// Carries out a command, which is a JSON object. What comes of it, also what was wrong with it, is queued. One that
    /// comes after the end is not carried out. Never blocks.
    pub fn receive(&mut self, text: &[u8], now: Now) {
        match serde_json::from_slice(text) {
            Ok(command) => self.run(command, now),
            Err(error) => self.refuse_text(&format!("this is no command: {error}")),
        }
    }

    /// Tells the client that what it sent is no command.
    pub fn refuse_text(&mut self, why: &str) {
        self.malformed = self.malformed.saturating_add(1);
        self.outbox.push(&Parcel::error(ErrorCode::Malformed, why));
        if self.malformed >= MALFORMED {
            self.end(Bye::Malformed);
        }
    }

    /// Carries out a command.
    pub fn run(&mut self, command: Command<'_>, now: Now) {
        if !self.permit(now) {
            return;
        }
        self.settle(now);
        let most = DEFERRED_BYTES.max(self.hub.options().text * DEFERRED_TEXTS);
        match &mut self.greeting {
            // It is carried out once the name is granted.
            Some(greeting) if has_room(&greeting.deferred, &command, most) => {
                greeting.deferred.push(command.into_owned());
            }
            Some(_) => self.end(Bye::Flood),
            None => self.carry_out_or_tell(command, now),
        }
    }

    /// Counts a command. Returns whether it is to be carried out; if the client sends more than it may, that ends the
    /// connection.
    pub(crate) fn permit(&mut self, now: Now) -> bool {
        if self.outbox.has_ended() {
            return false;
        }
        let options = self.hub.options();
        let (rate, burst) = (options.rate, options.burst);
        let granted = self.commands.take(rate, burst, now.instant);
        if !granted {
            self.end(Bye::Flood);
        }
        granted
    }

    pub(crate) fn carry_out_or_tell(&mut self, command: Command<'_>, now: Now) {
        let (room, id) = (
            command.room().map(str::to_owned),
            command.id().map(str::to_owned),
        );
        if let Err(Wrong(code, text)) = self.carry_out(command, now) {
            let (room, id) = (room.as_deref(), id.as_deref());
            let text = &*text;
            self.outbox.push(&Parcel::new(&Update::Error {
                code,
                text,
                room,
                id,
            }));
        }
    }

    /// Takes the client's name and its rooms, if it has a name.
    fn end_presence(&mut self) -> Option<(Name, Vec<Arc<Room>>)> {
        let greeting = self.greeting.take();
        match (self.user.take(), greeting) {
            (Some(user), _) => Some((user.nick, user.rooms)),
            (None, Some(greeting)) => match greeting.step {
                Step::Claimed { welcome, .. } => Some((welcome.nick, welcome.rooms)),
                Step::Checked { .. } => None,
            },
            (None, None) => None,
        }
    }

    fn leave_all(&mut self, now: Now) {
        let Some((nick, rooms)) = self.end_presence() else {
            return;
        };
        let options = self.hub.options();
        if self.hub.has_stopped() {
            // The others hear of the stop, and not of those who go because of it.
            self.hub.holders().all_are_told();
        }
        for room in &rooms {
            room.away(&nick, &self.outbox, options);
            self.hub.stir(room);
        }
        let until = now.after(options.grace).instant;
        let holders = self.hub.holders();
        // The inbox is one of them, and does not count.
        let most = options.rooms.saturating_add(1);
        let beyond = holders.release(&nick, &self.outbox, rooms, until, most);
        self.hub.leave(&nick, beyond);
    }
}

/// Returns whether a command may wait behind those that do.
fn has_room(deferred: &[Command<'_>], command: &Command<'_>, most: usize) -> bool {
    let bytes: usize = deferred.iter().map(Command::bytes).sum();
    deferred.len() < DEFERRED && bytes + command.bytes() <= most
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.leave_all(Now::read());
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("nick", &self.nick())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
