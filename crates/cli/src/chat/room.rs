//! Rooms, and what is to be said in them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use switchboard_chat::Command;

use super::event::Place;
use super::seen::Seen;

/// A room, or the inbox.
#[derive(Default)]
pub(super) struct Room {
    pub(super) name: String,
    pub(super) seen: Seen,
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
}

impl Room {
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
