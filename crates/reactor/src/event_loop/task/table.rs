//! The table of a loop's tasks.

use super::BoxFuture;
use super::id::{MAX_TASKS, TaskId};
use crate::hooks::Name;

/// The end of the list of vacant entries.
const END: u32 = u32::MAX;

/// A place in the table of tasks.
struct Entry {
    /// `None` while the task runs, and in a vacant entry.
    future: Option<BoxFuture>,
    name: Name,
    /// The generation, and [`ALIVE`] and [`QUEUED`].
    state: u32,
    /// The next vacant entry, in a vacant entry.
    next: u32,
}

/// The entry has a task.
const ALIVE: u32 = 1;
/// The task is in the ready queue.
const QUEUED: u32 = 2;
/// The task was taken from the ready queue while it ran, by a turn within its own poll, and has to be queued
/// again.
const MISSED: u32 = 4;
const GENERATION_SHIFT: u32 = 16;

/// The table of a loop's tasks.
pub(crate) struct Tasks {
    entries: Vec<Entry>,
    vacant: u32,
    alive: usize,
}

impl Default for Tasks {
    fn default() -> Tasks {
        Tasks {
            entries: Vec::new(),
            vacant: END,
            alive: 0,
        }
    }
}

/// The key of a task in the table of its loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskKey {
    index: u32,
    /// The state of the entry while it has this task and the task is not queued.
    state: u32,
}

impl TaskKey {
    #[inline]
    pub(super) fn new(index: u32, generation: u16) -> TaskKey {
        let state = u32::from(generation) << GENERATION_SHIFT | ALIVE;
        TaskKey { index, state }
    }

    #[inline]
    pub(super) fn id(self, owner: u32) -> TaskId {
        TaskId::new(owner, self.index, (self.state >> GENERATION_SHIFT) as u16)
    }
}

impl Tasks {
    pub(crate) fn is_empty(&self) -> bool {
        self.alive == 0
    }

    pub(super) fn insert(&mut self, future: BoxFuture, name: Name) -> TaskKey {
        let index = match self.vacant {
            END => self.grow(name),
            vacant => vacant,
        };
        self.alive += 1;
        let entry = &mut self.entries[index as usize];
        self.vacant = entry.next;
        entry.future = Some(future);
        entry.name = name;
        entry.state |= ALIVE | QUEUED;
        TaskKey {
            index,
            state: entry.state & !QUEUED,
        }
    }

    /// Adds a vacant entry.
    fn grow(&mut self, name: Name) -> u32 {
        let index = self.entries.len();
        assert!(index < MAX_TASKS, "a loop holds at most {MAX_TASKS} tasks");
        self.entries.push(Entry {
            future: None,
            name,
            state: 0,
            next: END,
        });
        index as u32
    }

    #[inline]
    fn get_mut(&mut self, key: TaskKey) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(key.index as usize)?;
        (entry.state & !(QUEUED | MISSED) == key.state).then_some(entry)
    }

    /// Marks a task as queued; returns whether the caller has to add it to the ready queue.
    #[inline]
    pub(super) fn wake(&mut self, key: TaskKey) -> bool {
        match self.entries.get_mut(key.index as usize) {
            Some(entry) if entry.state == key.state => {
                entry.state |= QUEUED;
                true
            }
            _ => false,
        }
    }

    /// Takes the future of a queued task out of the table, so that it can be polled.
    #[inline]
    pub(super) fn start(&mut self, key: TaskKey) -> Option<(BoxFuture, Name)> {
        let entry = self.get_mut(key)?;
        let Some(future) = entry.future.take() else {
            entry.state |= MISSED;
            return None;
        };
        entry.state = key.state;
        Some((future, entry.name))
    }

    /// Puts the future of a pending task back into the table; returns whether the caller has to add the task
    /// to the ready queue.
    #[inline]
    pub(super) fn put_back(&mut self, key: TaskKey, future: BoxFuture) -> bool {
        let Some(entry) = self.get_mut(key) else {
            return false;
        };
        entry.future = Some(future);
        let missed = entry.state & MISSED != 0;
        entry.state &= !MISSED;
        missed
    }

    /// Removes a task, and starts the next generation of its entry.
    pub(super) fn remove(&mut self, key: TaskKey) {
        let vacant = self.vacant;
        if let Some(entry) = self.get_mut(key) {
            entry.state = (key.state & !ALIVE).wrapping_add(1 << GENERATION_SHIFT);
            entry.next = vacant;
            self.vacant = key.index;
            self.alive -= 1;
        }
    }

    /// Removes all tasks and returns their futures.
    pub(crate) fn clear(&mut self) -> Vec<BoxFuture> {
        let entries = std::mem::take(self).entries;
        entries
            .into_iter()
            .filter_map(|entry| entry.future)
            .collect()
    }
}
