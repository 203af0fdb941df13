//! What the members of a room are told.

use super::shared::Away;
use super::{RECOVERED, Room, State};
use crate::outbox::Outbox;
use crate::update::{Parcel, Presence, Update};
use crate::{HubOptions, Name};

impl Room {
    /// Tells a member that it has entered, and the entries from `start` on.
    pub(super) fn push_entered(
        &self,
        state: &State,
        outbox: &Outbox,
        start: u64,
        recovered: Option<bool>,
    ) {
        self.push_joined(state, outbox, recovered);
        let mut next = None;
        for (offset, parcel) in state.history.from(start) {
            if let Some(next) = next.filter(|next| *next < offset) {
                outbox.push(&self.gap(next, offset - 1));
            }
            outbox.push(parcel);
            next = Some(offset + 1);
        }
        if let Some(next) = next.filter(|next| *next <= state.history.last()) {
            outbox.push(&self.gap(next, state.history.last()));
        }
    }

    pub(super) fn gap(&self, from: u64, to: u64) -> Parcel {
        let room = &self.name;
        Parcel::new(&Update::Gap { room, from, to })
    }

    pub(super) fn push_joined(&self, state: &State, outbox: &Outbox, recovered: Option<bool>) {
        // An inbox has one reader.
        let members = match self.name.inbox_of() {
            Some(_) => Vec::new(),
            // The lists of many large rooms that are entered at once would fill the queue.
            None if outbox.room_for_entries() == 0 => Vec::new(),
            None => state.present(),
        };
        outbox.push(&Parcel::new(&Update::Joined {
            room: &self.name,
            epoch: state.epoch,
            offset: state.history.last(),
            recovered,
            topic: &state.topic,
            count: state.count(),
            members: &members,
        }));
    }

    /// Tells the others here that a member is writing.
    pub(crate) fn typing(&self, nick: &Name) {
        let (state, room) = (self.state(), &self.name);
        let typing = Parcel::new(&Update::Typing { room, nick });
        for (name, outbox) in state.outboxes() {
            if name != nick {
                outbox.push_passing(&typing);
            }
        }
    }

    /// Tells a member who the members are.
    pub(crate) fn tell_members(&self, outbox: &Outbox) {
        let (state, room) = (self.state(), &self.name);
        let (count, members) = (state.count(), &*state.present());
        outbox.push(&Parcel::new(&Update::Members {
            room,
            count,
            members,
        }));
    }

    /// Tells a member older entries.
    pub(crate) fn tell_history(&self, outbox: &Outbox, before: Option<u64>, limit: Option<usize>) {
        let state = self.state();
        let (before, limit) = (before.unwrap_or(u64::MAX), limit.unwrap_or(RECOVERED));
        let (limit, bytes) = (limit.min(RECOVERED), outbox.room_for_entries());
        // A client that has read most of what it was sent gets on, however long a text is.
        let least = usize::from(!outbox.is_half_full());
        let (messages, complete) = state.history.before(before, limit, bytes, least);
        outbox.push(&Parcel::new(&Update::History {
            room: &self.name,
            epoch: state.epoch,
            complete,
            messages: &messages,
        }));
    }

    /// Tells the members here that one of them came or went, and notes it for other nodes.
    pub(super) fn tell_change(
        &self,
        state: &mut State,
        nick: &Name,
        here: Presence,
        options: &HubOptions,
    ) {
        if state.is_shared() && self.name.inbox_of().is_none() {
            state.changes.push((nick.clone(), here));
        }
        // One that has left here may be elsewhere.
        let elsewhere = state.remote.get(nick).map(Away::presence);
        let presence = match here {
            Presence::Gone => elsewhere.unwrap_or(here),
            _ => here,
        };
        self.tell_presence(state, nick, presence, options);
    }

    /// Tells the members of a room that is not too large who came or went.
    pub(super) fn tell_presence(
        &self,
        state: &State,
        nick: &Name,
        presence: Presence,
        options: &HubOptions,
    ) {
        let count = state.count();
        if self.name.inbox_of().is_some() || count > options.presence {
            return;
        }
        let parcel = Parcel::new(&Update::Presence {
            room: &self.name,
            nick,
            state: presence,
            count,
        });
        for (name, outbox) in state.outboxes() {
            if name != nick {
                outbox.push(&parcel);
            }
        }
    }
}
