//! A log that keeps entries when it is told to, and outlives the hubs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use switchboard_chat::{Entry, Log, Name, Pending, Position, Stored};

/// A clone is the same one.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    kept: BTreeMap<Name, (u32, Vec<Entry>)>,
    waiting: VecDeque<Pending>,
    /// Kept, and told to the hub later.
    late: Vec<(Pending, u64)>,
    epochs: u32,
}

impl Log for Disk {
    fn append(&self, pending: Pending) {
        self.0.lock().unwrap().waiting.push_back(pending);
    }

    fn position(&self, room: &Name) -> Option<Position> {
        let state = &mut *self.0.lock().unwrap();
        let epochs = &mut state.epochs;
        let (epoch, entries) = state.kept.entry(room.clone()).or_insert_with(|| {
            *epochs += 1;
            (*epochs, Vec::new())
        });
        let (epoch, offset) = (*epoch, entries.len() as u64);
        Some(Position { epoch, offset })
    }

    fn stored(&self) -> Vec<Stored> {
        let state = self.0.lock().unwrap();
        let rooms = state.kept.iter().map(|(room, (epoch, entries))| Stored {
            room: room.clone(),
            epoch: *epoch,
            last: entries.len() as u64,
            topic: "".into(),
            entries: entries.clone(),
            said: Vec::new(),
        });
        rooms.collect()
    }
}

impl Disk {
    /// Keeps the next entry, and tells the hub: at once, or when [`tell_late`](Disk::tell_late) is called.
    pub(crate) fn keep_next(&self, late: bool) {
        let mut state = self.0.lock().unwrap();
        let Some(pending) = state.waiting.pop_front() else {
            return;
        };
        let (_, entries) = state
            .kept
            .get_mut(pending.room())
            .expect("a room that has an epoch");
        // A client sends again what it was not told to be kept, also to a hub that does not know it to be.
        let same =
            |other: &Entry| other.id == pending.entry().id && other.from == pending.entry().from;
        let before = entries.iter().position(same);
        let offset = match before {
            Some(at) => at as u64 + 1,
            None => {
                entries.push(pending.entry().clone());
                entries.len() as u64
            }
        };
        if late {
            return state.late.push((pending, offset));
        }
        drop(state);
        pending.kept(offset);
    }

    /// Tells the hub of all that is kept, in any order.
    pub(crate) fn tell_late(&self, random: &mut fastrand::Rng) {
        let mut late = std::mem::take(&mut self.0.lock().unwrap().late);
        random.shuffle(&mut late);
        for (pending, offset) in late {
            pending.kept(offset);
        }
    }

    /// Forgets what is not kept, as a crash does.
    pub(crate) fn crash(&self) {
        let mut state = self.0.lock().unwrap();
        let lost = (
            std::mem::take(&mut state.waiting),
            std::mem::take(&mut state.late),
        );
        // Their senders are told when they are dropped, which needs no lock of this one's.
        drop(state);
        drop(lost);
    }

    /// Returns the history of a room.
    pub(crate) fn history(&self, room: &str) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let room = state.kept.get(&room.parse().unwrap());
        let entries = room.map(|(_, entries)| entries.iter().map(|entry| entry.text.to_string()));
        entries.map(Iterator::collect).unwrap_or_default()
    }

    pub(crate) fn is_idle(&self) -> bool {
        let state = self.0.lock().unwrap();
        state.waiting.is_empty() && state.late.is_empty()
    }
}
