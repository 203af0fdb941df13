//! A room: its members, its history, and who is told what.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::entry::{Entry, EntryKind, Identity};
use crate::history::History;
use crate::log::Stored;
use crate::outbox::Outbox;
use crate::update::{Parcel, Presence, Present, Update};
use crate::{HubOptions, Name, Now, Position};

/// A room, or an inbox. Its lock is held across no wait, and over the locks of outboxes only.
pub(crate) struct Room {
    name: Name,
    state: Mutex<State>,
}

struct State {
    epoch: u32,
    history: History,
    topic: Arc<str>,
    members: HashMap<Name, Member>,
    /// Entries that came before their predecessors.
    early: BTreeMap<u64, Entry>,
    /// Entries with a client's number that are not kept yet, and who has sent them again.
    sending: HashMap<Identity, Vec<Arc<Outbox>>>,
}

struct Member {
    /// `None` while the connection has ended and the name is held.
    outbox: Option<Arc<Outbox>>,
}

/// How a room takes an entry.
pub(crate) enum Taken {
    /// It is to be kept.
    New,
    /// It is kept at this offset already.
    Kept(u64),
    /// It was sent before, and its sender is told when it is kept.
    Underway,
}

/// The most entries that a client is sent when it enters a room.
const RECOVERED: usize = 300;

impl Room {
    pub(crate) fn new(name: Name, epoch: u32) -> Room {
        Room {
            name,
            state: Mutex::new(State {
                epoch,
                history: History::default(),
                topic: "".into(),
                members: HashMap::new(),
                early: BTreeMap::new(),
                sending: HashMap::new(),
            }),
        }
    }

    /// Returns a room with the history that was kept of it.
    pub(crate) fn restored(stored: &Stored, options: &HubOptions) -> Room {
        let mut room = Room::new(stored.room.clone(), stored.epoch);
        let before = stored.last.saturating_sub(stored.entries.len() as u64);
        let state = room.state.get_mut();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        state.history = History::after(before);
        for entry in &stored.entries {
            // What is too old goes at the next sweep.
            state.publish(&stored.room, entry, 0, options);
        }
        room
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// Enters a member, and sends it what it has missed since `since`, or the newest entries.
    pub(crate) fn join(
        &self,
        nick: &Name,
        outbox: &Arc<Outbox>,
        since: Option<Position>,
        options: &HubOptions,
    ) {
        let mut state = self.state();
        let was = state.members.insert(nick.clone(), Member::here(outbox));
        let was = was.and_then(|member| member.outbox);
        let (start, recovered) = match &was {
            // All that is new since it entered is in its outbox, or was.
            Some(its) if Arc::ptr_eq(its, outbox) => (state.history.last() + 1, Some(true)),
            _ => state.start(since, options),
        };
        self.push_joined(&state, outbox, recovered);
        for parcel in state.history.from(start) {
            outbox.push(parcel);
        }
        if was.is_none() {
            self.tell_presence(&state, nick, Presence::Here, options);
        }
    }

    fn push_joined(&self, state: &State, outbox: &Outbox, recovered: Option<bool>) {
        // An inbox has one reader.
        let members = match self.name.inbox_of() {
            Some(_) => Vec::new(),
            None => state.present(),
        };
        outbox.push(&Parcel::new(&Update::Joined {
            room: &self.name,
            epoch: state.epoch,
            offset: state.history.last(),
            recovered,
            topic: &state.topic,
            count: state.members.len(),
            members: &members,
        }));
    }

    /// Removes a member. Returns whether it was one.
    pub(crate) fn leave(&self, nick: &Name, options: &HubOptions) -> bool {
        let mut state = self.state();
        let left = state.members.remove(nick).is_some();
        if left {
            self.tell_presence(&state, nick, Presence::Gone, options);
        }
        left
    }

    /// Notes that the connection of a member has ended, while its name is held.
    pub(crate) fn away(&self, nick: &Name, outbox: &Arc<Outbox>, options: &HubOptions) {
        let mut state = self.state();
        let Some(member) = state.members.get_mut(nick) else {
            return;
        };
        // A newer connection may have entered the room already.
        if member
            .outbox
            .take_if(|its| Arc::ptr_eq(its, outbox))
            .is_some()
        {
            self.tell_presence(&state, nick, Presence::Away, options);
        }
    }

    /// Takes an entry that is to be kept, unless it has come before.
    pub(crate) fn take(&self, entry: &Entry, sender: &Arc<Outbox>) -> Taken {
        let Some(identity) = entry.identity() else {
            return Taken::New;
        };
        let mut state = self.state();
        if let Some(offset) = state.history.find(&identity) {
            return Taken::Kept(offset);
        }
        if let Some(senders) = state.sending.get_mut(&identity) {
            senders.push(sender.clone());
            return Taken::Underway;
        }
        state.sending.insert(identity, Vec::new());
        Taken::New
    }

    /// Puts an entry that is kept into the history, and tells the members. Returns its offset, and who has sent it
    /// again. One whose predecessors have not come waits for them.
    pub(crate) fn apply(
        &self,
        offset: Option<u64>,
        entry: Entry,
        now: Now,
        options: &HubOptions,
    ) -> (u64, Vec<Arc<Outbox>>) {
        let mut state = self.state();
        let senders = state.forget(&entry);
        let offset = offset.unwrap_or(state.history.last() + 1);
        if offset > state.history.last() {
            state.early.insert(offset, entry);
        }
        while let Some(entry) = state.next_entry() {
            state.publish(&self.name, &entry, options.oldest(now), options);
        }
        (offset, senders)
    }

    /// Forgets an entry that is not kept. Returns who has sent it again.
    pub(crate) fn forget(&self, entry: &Entry) -> Vec<Arc<Outbox>> {
        self.state().forget(entry)
    }

    /// Tells the others that a member is writing.
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
        let (count, members) = (state.members.len(), &*state.present());
        outbox.push(&Parcel::new(&Update::Members {
            room,
            count,
            members,
        }));
    }

    /// Tells a member older entries.
    pub(crate) fn tell_history(&self, outbox: &Outbox, before: Option<u64>, limit: Option<usize>) {
        let state = self.state();
        let limit = limit.unwrap_or(RECOVERED).min(RECOVERED);
        let (messages, complete) = state.history.before(before.unwrap_or(u64::MAX), limit);
        outbox.push(&Parcel::new(&Update::History {
            room: &self.name,
            epoch: state.epoch,
            complete,
            messages: &messages,
        }));
    }

    /// Returns how many members there are.
    pub(crate) fn count(&self) -> usize {
        self.state().members.len()
    }

    /// Forgets old entries. Returns whether nothing is left of the room.
    pub(crate) fn sweep(&self, now: Now, options: &HubOptions) -> bool {
        let mut state = self.state();
        state.history.trim(options.history, options.oldest(now));
        state.members.is_empty()
            && state.history.is_empty()
            && state.sending.is_empty()
            && state.early.is_empty()
            && state.topic.is_empty()
    }

    /// Tells the members of a room that is not too large who came or went.
    fn tell_presence(&self, state: &State, nick: &Name, presence: Presence, options: &HubOptions) {
        let count = state.members.len();
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns from where on a client is sent entries, and whether it has all that it missed then.
    fn start(&self, since: Option<Position>, options: &HubOptions) -> (u64, Option<bool>) {
        // Half of the queue is left for what is said meanwhile.
        let fitting = self.history.newest(RECOVERED, options.outbox / 2);
        let Some(since) = since else {
            return (fitting, None);
        };
        let known = since.epoch == self.epoch && since.offset <= self.history.last();
        match known && since.offset + 1 >= fitting {
            true => (since.offset + 1, Some(true)),
            false => (fitting, Some(false)),
        }
    }

    /// Takes the next entry of those that came early.
    fn next_entry(&mut self) -> Option<Entry> {
        let next = self.history.last() + 1;
        self.early.remove(&next)
    }

    /// Tells the members the next entry, and keeps it.
    fn publish(&mut self, room: &Name, entry: &Entry, oldest: u64, options: &HubOptions) {
        let parcel = Parcel::entry(room, self.history.last() + 1, entry);
        if entry.kind == EntryKind::Topic {
            self.topic = entry.text.clone();
        }
        for (_, outbox) in self.outboxes() {
            outbox.push(&parcel);
        }
        self.history.push(parcel, entry, options.history, oldest);
    }

    fn forget(&mut self, entry: &Entry) -> Vec<Arc<Outbox>> {
        let identity = entry.identity();
        let senders = identity.and_then(|identity| self.sending.remove(&identity));
        senders.unwrap_or_default()
    }

    fn outboxes(&self) -> impl Iterator<Item = (&Name, &Arc<Outbox>)> {
        let members = self.members.iter();
        members.filter_map(|(nick, member)| Some((nick, member.outbox.as_ref()?)))
    }

    fn present(&self) -> Vec<Present<'_>> {
        let members = self.members.iter().take(LISTED);
        let present = members.map(|(nick, member)| Present {
            nick,
            away: member.outbox.is_none(),
        });
        let mut present: Vec<_> = present.collect();
        present.sort_by_key(|present| present.nick);
        present
    }
}

/// The most members that are named.
const LISTED: usize = 1000;

impl Member {
    fn here(outbox: &Arc<Outbox>) -> Member {
        let outbox = Some(outbox.clone());
        Member { outbox }
    }
}
