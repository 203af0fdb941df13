//! What this node has under way for each room.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::log::Parts;
use crate::room::Room;

pub(super) struct Open {
    pub(super) room: Arc<Room>,
    pub(super) subscribed: Subscribed,
    /// The room has the history of this session's Redis, so that entries may be appended.
    pub(super) is_synced: bool,
    /// The answer to a sync, or to a seed, is under way.
    pub(super) is_syncing: bool,
    /// Something may have been missed.
    pub(super) is_behind: bool,
    /// Entries that are to be kept, the oldest first.
    pub(super) queue: VecDeque<Queued>,
    /// How many of them are under way.
    pub(super) appending: usize,
    /// The versions that are known of other nodes' members.
    pub(super) nodes: HashMap<Arc<str>, u64>,
    /// That of the members here, as other nodes know them; 0 for none.
    pub(super) version: u64,
    /// Redis is to be told all members, not the changes alone.
    pub(super) tells_all: bool,
    /// When Redis is asked again, if nothing happens.
    pub(super) due: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscribed {
    No,
    Asked,
    Yes,
}

pub(super) struct Queued {
    pub(super) parts: Parts,
    /// Members here were shown it before it is kept.
    pub(super) is_shown: bool,
}

impl Open {
    pub(super) fn new(room: Arc<Room>, due: Instant) -> Open {
        Open {
            room,
            subscribed: Subscribed::No,
            is_synced: false,
            is_syncing: false,
            is_behind: true,
            queue: VecDeque::new(),
            appending: 0,
            nodes: HashMap::new(),
            version: 0,
            tells_all: true,
            due,
        }
    }

    /// Notes that the session has ended. What was under way is to be sent again, and members are shown it.
    pub(super) fn cut(&mut self) {
        self.subscribed = Subscribed::No;
        self.is_synced = false;
        self.is_syncing = false;
        self.is_behind = true;
        self.appending = 0;
        self.tells_all = true;
        self.queue.iter_mut().for_each(Queued::show);
    }
}

impl Queued {
    pub(super) fn show(&mut self) {
        if !std::mem::replace(&mut self.is_shown, true) {
            self.parts.show();
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.parts.entry.text.len() + COST
    }
}

/// What an entry costs beside its text, in bytes.
const COST: usize = 256;
