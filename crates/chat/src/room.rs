//! A room: its members, its history, and who is told what.

mod shared;
mod telling;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;

use crate::entry::{Entry, EntryKind, Identity};
use crate::history::{History, TotalBytes};
use crate::log::Stored;
use crate::outbox::Outbox;
use crate::update::{Parcel, Presence, Present};
use crate::{HubOptions, Name, Now, Position};

pub(crate) use self::shared::{Away, Delivered, Loaded};

/// A room, or an inbox. Its lock is held across no wait, and over the locks of outboxes only.
pub(crate) struct Room {
    name: Name,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Other nodes may have it too.
    shared: bool,
    epoch: u32,
    history: History,
    topic: Arc<str>,
    /// In about the order in which they came, and in which their connections were opened: clients whose memory lies side
    /// by side are told one after another. The last one takes the place of one that leaves.
    members: IndexMap<Name, Member>,
    /// The members that other nodes have.
    remote: HashMap<Name, Away>,
    /// Members wait who have seen more than is here: they were at another node.
    has_ahead: bool,
    /// What other nodes are to be told of the members here.
    changes: Vec<(Name, Presence)>,
    /// Entries that came before their predecessors.
    early: BTreeMap<u64, Entry>,
    /// Entries with a client's number that are not kept yet, and who has sent them again.
    sending: HashMap<Identity, Vec<Arc<Outbox>>>,
}

struct Member {
    /// `None` while the connection has ended and the name is held.
    outbox: Option<Arc<Outbox>>,
    /// It is told `joined` once the room is open and has what it had seen, which this is.
    waits: Option<Option<Position>>,
}

/// Whether the history of a room that nodes share is here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No.
    Closed,
    /// It was asked for.
    Opening,
    /// Yes; and always, for a room that this node has alone.
    Open,
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
    /// Returns a room whose history goes on behind `position`.
    pub(crate) fn new(name: Name, position: Position, topic: Arc<str>, total: &TotalBytes) -> Room {
        let mut room = Room::with(name, position.epoch, Phase::Open, total);
        let state = room.state_mut();
        state.history.begin(position.offset);
        state.topic = topic;
        room
    }

    /// Returns a room whose history other nodes have, and which is to be opened.
    pub(crate) fn closed(name: Name, total: &TotalBytes) -> Room {
        Room::with(name, 0, Phase::Closed, total)
    }

    fn with(name: Name, epoch: u32, phase: Phase, total: &TotalBytes) -> Room {
        Room {
            name,
            state: Mutex::new(State {
                phase,
                shared: phase == Phase::Closed,
                epoch,
                history: History::new(total),
                topic: "".into(),
                members: IndexMap::new(),
                remote: HashMap::new(),
                has_ahead: false,
                changes: Vec::new(),
                early: BTreeMap::new(),
                sending: HashMap::new(),
            }),
        }
    }

    /// Returns a room with the history that was kept of it.
    pub(crate) fn restored(stored: &Stored, options: &HubOptions, total: &TotalBytes) -> Room {
        let offset = stored.last.saturating_sub(stored.entries.len() as u64);
        let position = Position {
            epoch: stored.epoch,
            offset,
        };
        let mut room = Room::new(stored.room.clone(), position, stored.topic.clone(), total);
        let state = room.state_mut();
        for said in &stored.said {
            state.history.note(said.clone());
        }
        for entry in &stored.entries {
            // What is too old goes at the next sweep.
            state.publish(&stored.room, entry, 0, options);
        }
        room
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// Enters a member, and sends it what it has missed since `since`, or the newest entries. A connection that has ended
    /// does not enter.
    pub(crate) fn join(
        &self,
        nick: &Name,
        outbox: &Arc<Outbox>,
        since: Option<Position>,
        options: &HubOptions,
    ) {
        let mut state = self.state();
        // A newer connection of the name may be in the room: the one before ends earlier than that comes.
        if outbox.has_ended() {
            return;
        }
        let is_ahead = state.is_behind(since);
        let enters = state.phase == Phase::Open && !is_ahead;
        state.has_ahead |= is_ahead;
        let member = Member {
            outbox: Some(outbox.clone()),
            waits: (!enters).then_some(since),
        };
        let was = state.members.insert(nick.clone(), member);
        let is_here = |was: &Member| was.outbox.is_some();
        let has_entered = |was: &Member| {
            let its = was.outbox.as_ref();
            was.waits.is_none() && its.is_some_and(|its| Arc::ptr_eq(its, outbox))
        };
        if enters {
            let (start, recovered) = match was.as_ref().is_some_and(has_entered) {
                // All that is new since it entered is in its outbox, or was.
                true => (state.history.last() + 1, Some(true)),
                false => state.start(since, outbox),
            };
            self.push_entered(&state, outbox, start, recovered);
        }
        if !was.as_ref().is_some_and(is_here) {
            self.tell_change(&mut state, nick, Presence::Here, options);
        }
    }

    /// Removes the member that `outbox` is, or whose connection has ended. A newer connection of the name stays.
    pub(crate) fn leave(&self, nick: &Name, outbox: Option<&Arc<Outbox>>, options: &HubOptions) {
        let mut state = self.state();
        let leaves = state.members.get(nick).is_some_and(|member| {
            let its = member.outbox.as_ref();
            its.is_none_or(|its| its.has_ended() || outbox.is_some_and(|it| Arc::ptr_eq(it, its)))
        });
        if leaves {
            state.members.swap_remove(nick);
            self.tell_change(&mut state, nick, Presence::Gone, options);
        }
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
            self.tell_change(&mut state, nick, Presence::Away, options);
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

    /// Returns the run of the history.
    pub(crate) fn epoch(&self) -> u32 {
        self.state().epoch
    }

    /// Returns how many members there are.
    pub(crate) fn count(&self) -> usize {
        self.state().count()
    }

    /// Returns whether the room has a topic.
    pub(crate) fn has_topic(&self) -> bool {
        !self.state().topic.is_empty()
    }

    /// Forgets old entries. Returns whether nothing is left of the room but its topic.
    pub(crate) fn sweep(&self, now: Now, options: &HubOptions) -> bool {
        let mut state = self.state();
        let (oldest, repeated) = (options.oldest(now), options.repeats_since(now.unix));
        state.history.trim(options.history, oldest, repeated);
        state.members.is_empty()
            && state.history.is_empty()
            && state.sending.is_empty()
            && state.early.is_empty()
    }

    /// Returns how many bytes the history has.
    pub(crate) fn bytes(&self) -> usize {
        self.state().history.bytes()
    }

    /// Returns when the newest entry that is kept was said, in milliseconds since 1970; 0 if none is.
    pub(crate) fn newest_time(&self) -> u64 {
        self.state().history.newest_time()
    }

    /// Forgets the oldest entries of the history beyond so many bytes.
    pub(crate) fn lighten(&self, bytes: usize, now: Now, options: &HubOptions) {
        let repeated = options.repeats_since(now.unix);
        self.state().history.lighten(bytes, repeated);
    }

    fn state_mut(&mut self) -> &mut State {
        let state = self.state.get_mut();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns from where on a client is sent entries, and whether it has all that it missed then.
    fn start(&self, since: Option<Position>, outbox: &Outbox) -> (u64, Option<bool>) {
        let fitting = self.history.newest(RECOVERED, outbox.room_for_entries());
        let Some(since) = since else {
            return (fitting, None);
        };
        let known = since.epoch == self.epoch && since.offset <= self.history.last();
        let next = since.offset.saturating_add(1);
        match known && next >= fitting && self.history.is_whole(next) {
            true => (next, Some(true)),
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
        for outbox in self.entered() {
            outbox.push(&parcel);
        }
        self.history.push(parcel, entry, oldest, options);
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

    /// Returns the outboxes of those who were told `joined`.
    fn entered(&self) -> impl Iterator<Item = &Arc<Outbox>> {
        let members = self.members.values();
        let entered = members.filter(|member| member.waits.is_none());
        entered.filter_map(|member| member.outbox.as_ref())
    }

    fn present(&self) -> Vec<Present<'_>> {
        let members = self.members.iter().map(|(nick, member)| Present {
            nick,
            away: member.outbox.is_none() && self.remote.get(nick).is_none_or(Away::is_away),
        });
        let remote = self.remote.iter();
        let remote = remote.filter(|(nick, _)| !self.members.contains_key(*nick));
        let remote = remote.map(|(nick, away)| Present {
            nick,
            away: away.is_away(),
        });
        let mut present: Vec<_> = members.chain(remote).take(LISTED).collect();
        present.sort_by_key(|present| present.nick);
        present
    }
}

/// The most members that are named.
const LISTED: usize = 1000;

#[cfg(test)]
mod tests;
