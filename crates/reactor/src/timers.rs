//! Timers: a four-ary heap, with a slab that has the position of each timer in the heap.
//!
//! ```text
//!   heap   [ (deadline, seq, entry) … ]     the earliest deadline first
//!               entry │    ▲
//!                     ▼    │ position
//!   slab   [ (position, generation, value) … ]
//! ```
//!
//! The generation of an entry changes whenever its timer is removed, so that a stale key matches no timer.
//! Adding a timer with the latest deadline and cancelling it are O(1); other changes are O(log n). A
//! cancelled timer is removed at once, with its value.

use std::time::Instant;

const ARITY: usize = 4;

/// The key of a timer. A key whose timer has expired or was cancelled is stale and matches no timer; see
/// [`Timers`] for how timers are added.
///
/// ```
/// use std::time::Instant;
/// use switchboard_reactor::{TimerKey, Timers};
///
/// let mut timers = Timers::new();
/// let key: TimerKey = timers.arm(Instant::now(), "value");
/// assert_eq!(timers.cancel(key), Some("value"));
/// assert_eq!(timers.cancel(key), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    entry: u32,
    generation: u32,
}

/// A timer in the heap.
#[derive(Debug)]
struct Timer {
    deadline: Instant,
    seq: u64,
    entry: u32,
}

impl Timer {
    fn before(&self, other: &Timer) -> bool {
        (self.deadline, self.seq) < (other.deadline, other.seq)
    }
}

/// An entry of the slab.
#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    Occupied { position: u32, value: T },
    Vacant { next: u32 },
}

/// The end of the list of vacant entries.
const END: u32 = u32::MAX;

/// The number of timers whose memory is kept when no timer is left.
const KEPT: usize = 1024;

/// A queue of values ordered by deadline; values of equal deadlines are in the order in which they were
/// added.
///
/// ```
/// use std::time::{Duration, Instant};
/// use switchboard_reactor::Timers;
///
/// let now = Instant::now();
/// let mut timers = Timers::new();
/// let late = timers.arm(now + Duration::from_secs(2), "late");
/// timers.arm(now + Duration::from_secs(1), "early");
/// assert_eq!(timers.cancel(late), Some("late"));
/// assert_eq!(timers.pop(now, u64::MAX), None);
/// assert_eq!(timers.pop(now + Duration::from_secs(1), u64::MAX), Some("early"));
/// ```
#[derive(Debug)]
pub struct Timers<T> {
    heap: Vec<Timer>,
    entries: Vec<Entry<T>>,
    vacant: u32,
    /// The generation of new entries, above that of every stale key of an entry that was removed.
    floor: u32,
    seq: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Timers<T> {
    /// Creates an empty queue.
    pub const fn new() -> Self {
        Timers {
            heap: Vec::new(),
            entries: Vec::new(),
            vacant: END,
            floor: 0,
            seq: 0,
        }
    }

    /// Returns the number of timers.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Returns whether there is no timer.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Returns the number of the next timer, as a limit for [`pop`](Timers::pop).
    pub fn next_seq(&self) -> u64 {
        self.seq
    }

    /// Returns the earliest deadline.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.heap.first().map(|timer| timer.deadline)
    }

    /// Adds a timer.
    pub fn arm(&mut self, deadline: Instant, value: T) -> TimerKey {
        let position = self.heap.len();
        let key = self.occupy(position as u32, value);
        self.heap.push(Timer {
            deadline,
            seq: self.seq,
            entry: key.entry,
        });
        self.seq += 1;
        self.sift_up(position);
        key
    }

    /// Removes a timer and returns its value; `None` if the key is stale.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        match self.entries.get(key.entry as usize) {
            Some(Entry {
                generation,
                state: State::Occupied { position, .. },
            }) if *generation == key.generation => Some(self.remove(*position as usize)),
            _ => None,
        }
    }

    /// Returns the value of a timer; `None` if the key is stale.
    pub fn get_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        match self.entries.get_mut(key.entry as usize) {
            Some(Entry {
                generation,
                state: State::Occupied { value, .. },
            }) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// Removes the timer with the earliest deadline, if that is not after `now` and the timer's number is
    /// below `seq`; returns its value.
    pub fn pop(&mut self, now: Instant, seq: u64) -> Option<T> {
        let first = self.heap.first()?;
        // A timer that a callback of this turn added stays until the next turn, and the timers behind it
        // too. The loop does not wait meanwhile, because their deadlines have passed.
        (first.deadline <= now && first.seq < seq).then(|| self.remove(0))
    }

    fn occupy(&mut self, position: u32, value: T) -> TimerKey {
        let state = State::Occupied { position, value };
        if self.vacant == END {
            self.entries.push(Entry {
                generation: self.floor,
                state,
            });
            return TimerKey {
                entry: self.entries.len() as u32 - 1,
                generation: self.floor,
            };
        }
        let entry = self.vacant;
        let slot = &mut self.entries[entry as usize];
        if let State::Vacant { next } = slot.state {
            self.vacant = next;
        }
        slot.state = state;
        TimerKey {
            entry,
            generation: slot.generation,
        }
    }

    fn remove(&mut self, position: usize) -> T {
        let timer = self.heap.swap_remove(position);
        if position < self.heap.len() {
            self.place(position);
            self.sift_down(position);
            self.sift_up(position);
        }
        let slot = &mut self.entries[timer.entry as usize];
        slot.generation = slot.generation.wrapping_add(1);
        self.floor = self.floor.max(slot.generation);
        let state = std::mem::replace(&mut slot.state, State::Vacant { next: self.vacant });
        self.vacant = timer.entry;
        self.shrink();
        match state {
            State::Occupied { value, .. } => value,
            State::Vacant { .. } => unreachable!("the heap refers to occupied entries only"),
        }
    }

    /// Frees memory after a burst of timers.
    fn shrink(&mut self) {
        if self.heap.is_empty() && self.entries.capacity() > KEPT {
            self.entries.clear();
            self.entries.shrink_to(KEPT);
            self.vacant = END;
        }
        if self.heap.capacity() > KEPT && self.heap.len() < self.heap.capacity() / 4 {
            self.heap.shrink_to(self.heap.capacity() / 2);
        }
    }

    fn place(&mut self, position: usize) {
        let entry = self.heap[position].entry as usize;
        if let State::Occupied { position: at, .. } = &mut self.entries[entry].state {
            *at = position as u32;
        }
    }

    fn sift_up(&mut self, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if !self.heap[position].before(&self.heap[parent]) {
                break;
            }
            self.heap.swap(position, parent);
            self.place(position);
            position = parent;
        }
        self.place(position);
    }

    fn sift_down(&mut self, mut position: usize) {
        loop {
            let first = position * ARITY + 1;
            let last = (first + ARITY).min(self.heap.len());
            let Some(least) = (first..last).reduce(|a, b| {
                if self.heap[b].before(&self.heap[a]) {
                    b
                } else {
                    a
                }
            }) else {
                break;
            };
            if !self.heap[least].before(&self.heap[position]) {
                break;
            }
            self.heap.swap(position, least);
            self.place(position);
            position = least;
        }
        self.place(position);
    }
}
