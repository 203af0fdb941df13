//! A room that several nodes have: opened, told of entries and members that come from elsewhere.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Phase, Room, State};
use crate::entry::Entry;
use crate::update::{Parcel, Presence};
use crate::{HubOptions, Name, Position, Said};

/// A member that another node has.
pub(crate) struct Away {
    node: Arc<str>,
    away: bool,
}

/// The history of a room, as the store has it.
pub(crate) struct Loaded {
    pub(crate) epoch: u32,
    pub(crate) last: u64,
    pub(crate) topic: Arc<str>,
    /// Entries that are kept no longer, and may be sent again.
    pub(crate) said: Vec<Said>,
    /// The newest entries with their offsets.
    pub(crate) entries: Vec<(u64, Entry)>,
}

/// The history of a room, for a store that has lost it.
pub(crate) struct Saved {
    pub(crate) epoch: u32,
    pub(crate) last: u64,
    pub(crate) topic: Arc<str>,
    /// Entries that are kept no longer, and may be sent again.
    pub(crate) said: Vec<Said>,
    /// The newest entries with their offsets.
    pub(crate) entries: Vec<(u64, Parcel)>,
}

/// What became of an entry that came from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The members were told it, or had been.
    Told,
    /// It waits for entries before it that are missing.
    Early,
    /// The room is not open, or has another epoch.
    Foreign,
}

impl Away {
    pub(crate) fn is_away(&self) -> bool {
        self.away
    }

    pub(super) fn presence(&self) -> Presence {
        match self.away {
            true => Presence::Away,
            false => Presence::Here,
        }
    }
}

impl Room {
    /// Notes that the room is to be opened, if it is closed and anything needs it. Returns whether it is needed.
    pub(crate) fn begin_to_open(&self) -> bool {
        let mut state = self.state();
        let needed = !state.members.is_empty() || !state.sending.is_empty();
        if needed && state.phase == Phase::Closed {
            state.phase = Phase::Opening;
        }
        needed
    }

    /// Closes the room if it has no members here and nothing is under way. Returns whether it did.
    pub(crate) fn close(&self) -> bool {
        let mut state = self.state();
        let idle = state.members.is_empty() && state.sending.is_empty();
        if idle {
            state.phase = Phase::Closed;
            state.epoch = 0;
            state.topic = "".into();
            state.history.begin(0);
            state.remote = HashMap::new();
            state.early.clear();
            state.changes = Vec::new();
        }
        idle
    }

    /// Returns the epoch and the newest offset; `(0, 0)` while the room is not open.
    pub(crate) fn position(&self) -> (u32, u64) {
        let state = self.state();
        match state.phase {
            Phase::Open => (state.epoch, state.history.last()),
            _ => (0, 0),
        }
    }

    /// Opens the room with the history that the store has of it; or lets it begin anew with that, if the store has
    /// another epoch than the room. Members that were in it are told `joined` again.
    pub(crate) fn load(&self, loaded: Loaded, options: &HubOptions) {
        let state = &mut *self.state();
        state.phase = Phase::Open;
        state.epoch = loaded.epoch;
        state.topic = loaded.topic;
        state.early.clear();
        let first = loaded
            .entries
            .first()
            .map_or(loaded.last + 1, |(at, _)| *at);
        state.history.begin(first.saturating_sub(1));
        for said in loaded.said {
            state.history.note(said);
        }
        for (offset, entry) in &loaded.entries {
            state.history.skip(offset - 1);
            let parcel = Parcel::entry(&self.name, *offset, entry);
            // What is too old goes at the next sweep.
            state.history.push(parcel, entry, 0, options);
        }
        state.history.skip(loaded.last);
        state.has_ahead = false;
        let mut entered = Vec::new();
        for member in state.members.values_mut() {
            let waited = member.waits.take();
            entered.extend(member.outbox.clone().map(|outbox| (outbox, waited)));
        }
        for (outbox, waited) in entered {
            let (start, recovered) = match waited {
                Some(since) => state.start(since, &outbox),
                None => (state.start(None, &outbox).0, Some(false)),
            };
            self.push_entered(state, &outbox, start, recovered);
        }
    }

    /// Takes an entry that is kept, from this node or another one. Entries may come in any order, and twice.
    pub(crate) fn deliver(
        &self,
        (epoch, offset): (u32, u64),
        entry: Entry,
        oldest: u64,
        options: &HubOptions,
    ) -> Delivered {
        let mut state = self.state();
        if state.phase != Phase::Open || state.epoch != epoch {
            return Delivered::Foreign;
        }
        if offset > state.history.last() {
            state.early.insert(offset, entry);
        }
        state.publish_ready(self, oldest, options);
        match state.early.is_empty() {
            true => Delivered::Told,
            false => Delivered::Early,
        }
    }

    /// Gives up the entries up to `last` that have not come, and tells the members which ones are lost.
    pub(crate) fn skip(&self, epoch: u32, last: u64, oldest: u64, options: &HubOptions) {
        let mut state = self.state();
        if state.phase != Phase::Open || state.epoch != epoch {
            return;
        }
        while state.history.last() < last {
            let next = state.early.keys().next().map_or(last, |early| early - 1);
            let next = next.min(last);
            let gap = self.gap(state.history.last() + 1, next);
            state.history.skip(next);
            for outbox in state.entered() {
                outbox.push(&gap);
            }
            state.publish_ready(self, oldest, options);
        }
    }

    /// Returns whether members wait for entries that they have seen elsewhere.
    pub(crate) fn has_ahead(&self) -> bool {
        self.state().has_ahead
    }

    /// Tells those `joined` who wait for what they have seen elsewhere: it is lost, or Redis is away.
    pub(crate) fn enter_all(&self) {
        self.state().enter_ahead(self, true);
    }

    /// Returns the offset of an entry that the members here were told.
    pub(crate) fn find(&self, entry: &Entry) -> Option<u64> {
        self.state().history.find(&entry.identity()?)
    }

    /// Shows the members here an entry that is not kept yet.
    pub(crate) fn show(&self, entry: &Entry) {
        let parcel = Parcel::pending(&self.name, entry);
        for (_, outbox) in self.state().outboxes() {
            outbox.push(&parcel);
        }
    }

    /// Returns the history for a store that has lost it.
    pub(crate) fn saved(&self) -> Saved {
        let state = self.state();
        let entries = state.history.from(0);
        let entries = entries.map(|(offset, parcel)| (offset, parcel.clone()));
        Saved {
            epoch: state.epoch,
            last: state.history.last(),
            topic: state.topic.clone(),
            said: state.history.said().cloned().collect(),
            entries: entries.collect(),
        }
    }

    /// Takes what other nodes are to be told of the members here.
    pub(crate) fn take_changes(&self) -> Vec<(Name, Presence)> {
        std::mem::take(&mut self.state().changes)
    }

    /// Returns the members here, and forgets what other nodes were to be told of them.
    pub(crate) fn all_here(&self) -> Vec<(Name, Presence)> {
        let mut state = self.state();
        state.changes.clear();
        let members = state.members.iter().map(|(nick, member)| {
            let presence = match member.outbox {
                Some(_) => Presence::Here,
                None => Presence::Away,
            };
            (nick.clone(), presence)
        });
        members.collect()
    }

    /// Notes who came or went at another node, and tells the members here.
    pub(crate) fn remote_changed(
        &self,
        node: &Arc<str>,
        changes: &[(Name, Presence)],
        options: &HubOptions,
    ) {
        let state = &mut *self.state();
        for (nick, presence) in changes {
            let before = state.remote.get(nick);
            let was = before.map(Away::presence);
            if *presence == Presence::Gone {
                // It may have come to yet another node since.
                if before.is_none_or(|before| before.node != *node) {
                    continue;
                }
                state.remote.remove(nick);
            } else {
                let away = *presence == Presence::Away;
                // A name that has moved is away where it was, and here where it is.
                if away && before.is_some_and(|before| before.node != *node && !before.away) {
                    continue;
                }
                let node = node.clone();
                state.remote.insert(nick.clone(), Away { node, away });
            }
            let is_here = state.members.get(nick);
            if was != Some(*presence) && is_here.is_none_or(|member| member.outbox.is_none()) {
                let shown = match is_here {
                    Some(_) if *presence == Presence::Gone => Presence::Away,
                    _ => *presence,
                };
                self.tell_presence(state, nick, shown, options);
            }
        }
    }

    /// Replaces the members that another node has, and tells the members here the difference.
    pub(crate) fn remote_is(
        &self,
        node: &Arc<str>,
        members: &[(Name, Presence)],
        options: &HubOptions,
    ) {
        let state = self.state();
        let there = state.remote.iter().filter(|(_, away)| away.node == *node);
        let gone = there.filter(|(nick, _)| !members.iter().any(|(other, _)| other == *nick));
        let mut changes: Vec<_> = gone
            .map(|(nick, _)| (nick.clone(), Presence::Gone))
            .collect();
        drop(state);
        changes.extend_from_slice(members);
        self.remote_changed(node, &changes, options);
    }
}

impl State {
    /// Returns whether other nodes may have the room too.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Returns how many members there are, here and elsewhere.
    pub(super) fn count(&self) -> usize {
        let elsewhere = self.remote.keys();
        let elsewhere = elsewhere.filter(|nick| !self.members.contains_key(*nick));
        self.members.len() + elsewhere.count()
    }

    /// Tells the members the entries whose predecessors have come.
    pub(super) fn publish_ready(&mut self, room: &Room, oldest: u64, options: &HubOptions) {
        let last = self.history.last();
        self.early = self.early.split_off(&(last + 1));
        while let Some(entry) = self.next_entry() {
            self.publish(&room.name, &entry, oldest, options);
        }
        self.enter_ahead(room, false);
    }

    /// Returns whether a client has seen more at another node than has come to this one.
    pub(super) fn is_behind(&self, since: Option<Position>) -> bool {
        self.shared
            && self.phase == Phase::Open
            && since.is_some_and(|since| {
                since.epoch == self.epoch && since.offset > self.history.last()
            })
    }

    /// Tells those `joined` who have seen no more than is here now; or `all` of them.
    fn enter_ahead(&mut self, room: &Room, all: bool) {
        if !std::mem::take(&mut self.has_ahead) {
            return;
        }
        let mut entered = Vec::new();
        let last = self.history.last();
        for member in self.members.values_mut() {
            let ahead = |since: &Option<Position>| since.is_some_and(|since| since.offset > last);
            if !all && member.waits.as_ref().is_some_and(ahead) {
                self.has_ahead = true;
            } else if let Some(since) = member.waits.take() {
                entered.extend(member.outbox.clone().map(|outbox| (outbox, since)));
            }
        }
        for (outbox, since) in entered {
            let (start, recovered) = self.start(since, &outbox);
            room.push_entered(self, &outbox, start, recovered);
        }
    }
}
