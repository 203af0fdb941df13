//! Rooms, and what is to be said in them.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};

use switchboard_chat::Command;

use super::event::Place;
use super::seen::Seen;
use super::updates;

/// A room, or the inbox.
#[derive(Default)]
pub(super) struct Room {
    pub(super) name: String,
    pub(super) seen: Seen,
    /// The server was asked to let this client in.
    pub(super) is_asked: bool,
    pub(super) is_joined: bool,
    /// The offset of the newest entry when the room was entered.
    pub(super) newest: u64,
    /// It was entered without anything that had been seen.
    pub(super) is_fresh: bool,
    pub(super) members: BTreeSet<String>,
    pub(super) topic: String,
    /// What was said since the user has spoken elsewhere.
    pub(super) unread: usize,
    /// The offset of the oldest entry that was shown.
    pub(super) oldest: Option<u64>,
    /// Not all that was missed comes by itself.
    pub(super) is_lacking: bool,
    /// What is shown once that has come.
    pub(super) hold: Option<Hold>,
    /// Who has asked for older entries, and is not answered.
    pub(super) asks: VecDeque<Ask>,
}

/// Entries that come behind others that are asked for.
pub(super) struct Hold {
    /// The first entry that was missed.
    pub(super) from: u64,
    /// The oldest entry that is here.
    pub(super) before: u64,
    pub(super) older: Vec<updates::Entry>,
    pub(super) newer: Vec<Held>,
}

pub(super) enum Held {
    Entry(updates::Entry),
    /// So many are missing here.
    Missing(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    User,
    /// What was missed.
    Missed,
}

impl Room {
    /// Forgets the connection.
    pub(super) fn lost(&mut self) {
        (self.is_asked, self.is_joined) = (false, false);
        self.asks.clear();
        if let Some(hold) = self.hold.take() {
            self.seen.rewind(hold.from);
        }
    }

    /// Returns the command that enters it, with what was seen of it.
    pub(super) fn join(&self) -> Command<'static> {
        Command::Join {
            room: Cow::Owned(self.name.clone()),
            since: self.seen.since(),
        }
    }
}

/// What is to be said.
#[derive(Clone, Debug)]
pub(super) struct Unsaid {
    pub(super) id: String,
    pub(super) place: Place,
    pub(super) text: String,
}

impl Unsaid {
    pub(super) fn command(&self) -> Command<'static> {
        let (text, id) = (Cow::Owned(self.text.clone()), Some(self.id.clone().into()));
        match self.place.clone() {
            Place::Room(room) => Command::Say {
                room: Cow::Owned(room),
                text,
                id,
            },
            Place::User(to) => Command::Tell {
                to: Cow::Owned(to),
                text,
                id,
            },
        }
    }
}
