//! Where entries are kept before anybody is told of them.

use std::sync::Arc;

use crate::accounts::{Account, PendingAccount};
use crate::entry::{Entry, EntryKind, Identity};
use crate::history::{MOST_SAID, weight_of};
use crate::outbox::Outbox;
use crate::room::Room;
use crate::update::{ErrorCode, Parcel, Update};
use crate::{HubOptions, Name, Now, Position};

/// What keeps the entries of all rooms, and gives each its offset.
///
/// An entry is told to nobody before it is kept, so that what a client has seen is in the history after a crash too.
/// [`InMemory`] keeps entries no longer than the process lives.
pub trait Log: Send + Sync + 'static {
    /// Keeps an entry and calls [`Pending::kept`], now or later and on any thread; or [`Pending::failed`]. Never
    /// blocks. The entries of a room get offsets one after another, and those of one sender in the order of the calls.
    fn append(&self, pending: Pending);

    /// Returns where the history of a room ends of which nothing is in memory; `None` for one that is not kept, whose
    /// history begins with a new epoch. Never waits for the disk.
    fn position(&self, room: &Name) -> Option<Position> {
        let _ = room;
        None
    }

    /// Returns the topic of a room of which nothing is in memory; `None` if topics are not kept, so that the hub keeps it.
    /// Never waits for the disk.
    fn topic(&self, room: &Name) -> Option<Arc<str>> {
        let _ = room;
        None
    }

    /// Returns the names that have passwords; `None` if passwords are not kept here. [`Hub::new`](crate::Hub::new) calls
    /// it once; it may block.
    fn accounts(&self) -> Option<Vec<Account>> {
        None
    }

    /// Keeps an account, and calls [`PendingAccount::kept`], now or later and on any thread; or
    /// [`PendingAccount::failed`]. Never blocks.
    fn keep_account(&self, pending: PendingAccount) {
        pending.failed("passwords are not kept here");
    }

    /// Returns what is kept of earlier runs. [`Hub::new`](crate::Hub::new) calls it once; it may block.
    fn stored(&self) -> Vec<Stored> {
        Vec::new()
    }
}

/// A room that a [`Log`] has kept.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The room.
    pub room: Name,
    /// The run of its history.
    pub epoch: u32,
    /// The offset of its newest entry.
    pub last: u64,
    /// The topic, also if the entry that has set it is kept no longer.
    pub topic: Arc<str>,
    /// The newest entries, the last of them at `last`.
    pub entries: Vec<Entry>,
    /// The entries before those whose clients may send them again, the oldest first.
    pub said: Vec<Said>,
}

impl Stored {
    /// Returns about how many bytes the entries have.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.iter().map(weight_of).sum()
    }

    /// Returns when the newest entry was said, in milliseconds since 1970; 0 if there is none.
    pub(crate) fn newest_time(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.time)
    }

    /// Forgets the oldest entries beyond so many bytes, and notes what was said since `repeated`.
    pub(crate) fn shorten(&mut self, bytes: usize, repeated: u64) {
        let (mut left, mut count) = (self.bytes(), 0);
        for entry in &self.entries {
            if left <= bytes {
                break;
            }
            left -= weight_of(entry);
            count += 1;
        }
        let first = self.last + 1 - self.entries.len() as u64;
        for (offset, entry) in (first..).zip(self.entries.drain(..count)) {
            if let Some(id) = entry.id.filter(|_| entry.time >= repeated) {
                let (from, time) = (entry.from, entry.time);
                self.said.push(Said {
                    offset,
                    from,
                    id,
                    time,
                });
            }
        }
        self.entries.shrink_to_fit();
        let beyond = self.said.len().saturating_sub(MOST_SAID);
        self.said.drain(..beyond);
    }
}

/// What tells a repeated entry from a new one, of an entry that is kept no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The offset that it had.
    pub offset: u64,
    /// Who said it.
    pub from: Name,
    /// The client's number of it.
    pub id: Arc<str>,
    /// When it was said, in milliseconds since 1970.
    pub time: u64,
}

impl Said {
    pub(crate) fn identity(&self) -> Identity {
        (self.from.clone(), self.id.clone())
    }
}

/// Keeps entries in the memory of this process alone.
///
/// ```
/// use switchboard_chat::{Hub, HubOptions, InMemory};
///
/// let hub = Hub::new(HubOptions::default(), InMemory);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct InMemory;

impl Log for InMemory {
    fn append(&self, pending: Pending) {
        pending.kept_next();
    }
}

/// An entry that is not kept yet. Dropping it counts as [`failed`](Pending::failed).
pub struct Pending(Option<Parts>);

/// What a [`Pending`] is made of.
pub(crate) struct Parts {
    options: Arc<HubOptions>,
    pub(crate) room: Arc<Room>,
    pub(crate) entry: Entry,
    /// Who is told once it is kept.
    pub(crate) sender: Arc<Outbox>,
    now: Now,
}

impl Pending {
    pub(crate) fn new(
        options: Arc<HubOptions>,
        room: Arc<Room>,
        entry: Entry,
        sender: Arc<Outbox>,
        now: Now,
    ) -> Pending {
        Pending(Some(Parts {
            options,
            room,
            entry,
            sender,
            now,
        }))
    }

    /// Returns the room of the entry.
    pub fn room(&self) -> &Name {
        self.parts().room.name()
    }

    /// Returns the run of the room's history.
    pub fn epoch(&self) -> u32 {
        self.parts().room.epoch()
    }

    /// Returns the entry.
    pub fn entry(&self) -> &Entry {
        &self.parts().entry
    }

    /// Tells the sender and the members of the room: the entry is kept at `offset`. An entry whose predecessors have
    /// not come yet waits for them.
    pub fn kept(mut self, offset: u64) {
        if let Some(parts) = self.0.take() {
            parts.apply(Some(offset));
        }
    }

    /// Gives up the entries of the room up to `last`, which nobody was told, and tells the members which ones.
    pub(crate) fn skip(&self, last: u64) {
        let parts = self.parts();
        let oldest = parts.options.oldest(parts.now);
        parts
            .room
            .skip(parts.room.epoch(), last, oldest, &parts.options);
    }

    /// As [`kept`](Pending::kept), at the next offset of the room.
    pub(crate) fn kept_next(mut self) {
        if let Some(parts) = self.0.take() {
            parts.apply(None);
        }
    }

    /// Tells the sender that the entry is not kept, and why. Nobody else hears of it.
    pub fn failed(mut self, why: &str) {
        if let Some(parts) = self.0.take() {
            parts.fail(why);
        }
    }

    /// Returns the parts. Nobody is told what becomes of the entry but by them.
    pub(crate) fn into_parts(mut self) -> Option<Parts> {
        self.0.take()
    }

    fn parts(&self) -> &Parts {
        // Only methods that consume the entry take it.
        self.0.as_ref().expect("an entry that is pending")
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(parts) = self.0.take() {
            parts.fail("the server stops");
        }
    }
}

impl Parts {
    fn apply(self, offset: Option<u64>) {
        let Parts { room, sender, .. } = self;
        let id = self.entry.id.clone();
        let (offset, others) = room.apply(offset, self.entry, self.now, &self.options);
        let said = Parcel::new(&Update::Said {
            room: room.name(),
            offset,
            id: id.as_deref(),
        });
        // Whoever is told finds that nothing of the entry is under way.
        drop(room);
        tell(&said, &others, &sender);
    }

    pub(crate) fn fail(self, why: &str) {
        self.refuse(ErrorCode::NotKept, why);
    }

    /// Tells the sender and the members here that the entry waits to be kept.
    pub(crate) fn show(&self) {
        if self.entry.kind == EntryKind::Message {
            self.room.show(&self.entry);
        }
        let (room, id) = (self.room.name(), self.entry.id.as_deref());
        self.sender.push(&Parcel::new(&Update::Queued { room, id }));
    }

    /// Tells the sender that the entry is kept, once the room has it.
    pub(crate) fn said(self, offset: u64) {
        let (room, id) = (self.room.name(), self.entry.id.as_deref());
        let said = Parcel::new(&Update::Said { room, offset, id });
        tell(&said, &self.room.forget(&self.entry), &self.sender);
    }

    /// Tells the sender why the entry is not kept.
    pub(crate) fn refuse(self, code: ErrorCode, text: &str) {
        let (room, id) = (Some(&**self.room.name()), self.entry.id.as_deref());
        let error = Parcel::new(&Update::Error {
            code,
            text,
            room,
            id,
        });
        tell(&error, &self.room.forget(&self.entry), &self.sender);
    }
}

/// Tells the sender of an entry, and the others that have sent it again.
fn tell(parcel: &Parcel, others: &[Arc<Outbox>], sender: &Outbox) {
    for outbox in others {
        outbox.push(parcel);
    }
    sender.push(parcel);
}
