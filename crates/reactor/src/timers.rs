//! Timers: a four-ary heap that knows where each of its entries stands.
//!
//! ```text
//!   heap   [ (deadline, seq, entry) … ]     the earliest first
//!              │    ▲
//!        entry │    │ position              entries: a slab with generations,
//!              ▼    │                       so that a stale key finds nothing
//!   slab   [ (position, generation, value) … ]
//! ```
//!
//! Arming later and later deadlines, and cancelling what was armed last, is O(1); anything else is
//! O(log n). A cancelled timer leaves at once, with its value.

use std::time::Instant;

const ARITY: usize = 4;

/// Names one armed timer. A key whose timer fired or was cancelled names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    entry: u32,
    generation: u32,
}

#[derive(Debug)]
struct Due {
    deadline: Instant,
    seq: u64,
    entry: u32,
}

impl Due {
    fn before(&self, other: &Due) -> bool {
        (self.deadline, self.seq) < (other.deadline, other.seq)
    }
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    Armed { position: u32, value: T },
    Free { next: u32 },
}

const END: u32 = u32::MAX;

/// Room for this many timers is kept for the next burst.
const KEPT: usize = 1024;

/// Values ordered by deadline; those of one deadline in the order they came.
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
    heap: Vec<Due>,
    entries: Vec<Entry<T>>,
    free: u32,
    /// Above every generation that a key of a finished timer may hold.
    floor: u32,
    seq: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Timers<T> {
    /// None armed.
    pub const fn new() -> Self {
        Timers {
            heap: Vec::new(),
            entries: Vec::new(),
            free: END,
            floor: 0,
            seq: 0,
        }
    }

    /// How many are armed.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none is armed.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// The number the next timer gets; [`pop`](Timers::pop) can leave later ones alone.
    pub fn next_seq(&self) -> u64 {
        self.seq
    }

    /// When the earliest is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.heap.first().map(|due| due.deadline)
    }

    /// Arms a timer.
    pub fn arm(&mut self, deadline: Instant, value: T) -> TimerKey {
        let position = self.heap.len();
        let key = self.occupy(position as u32, value);
        self.heap.push(Due {
            deadline,
            seq: self.seq,
            entry: key.entry,
        });
        self.seq += 1;
        self.sift_up(position);
        key
    }

    /// Disarms a timer and gives its value back; `None` if it fired or was cancelled before.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        match self.entries.get(key.entry as usize) {
            Some(Entry {
                generation,
                state: State::Armed { position, .. },
            }) if *generation == key.generation => Some(self.remove(*position as usize)),
            _ => None,
        }
    }

    /// The value of an armed timer.
    pub fn get_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        match self.entries.get_mut(key.entry as usize) {
            Some(Entry {
                generation,
                state: State::Armed { value, .. },
            }) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// Takes the earliest timer that is due at `now` and was armed before the number `seq`.
    pub fn pop(&mut self, now: Instant, seq: u64) -> Option<T> {
        let first = self.heap.first()?;
        // One armed by a callback of this turn waits, and with it, until the next turn, those
        // behind it: the loop will not sleep while any is due.
        (first.deadline <= now && first.seq < seq).then(|| self.remove(0))
    }

    fn occupy(&mut self, position: u32, value: T) -> TimerKey {
        let state = State::Armed { position, value };
        if self.free == END {
            self.entries.push(Entry {
                generation: self.floor,
                state,
            });
            return TimerKey {
                entry: self.entries.len() as u32 - 1,
                generation: self.floor,
            };
        }
        let entry = self.free;
        let slot = &mut self.entries[entry as usize];
        if let State::Free { next } = slot.state {
            self.free = next;
        }
        slot.state = state;
        TimerKey {
            entry,
            generation: slot.generation,
        }
    }

    fn remove(&mut self, position: usize) -> T {
        let due = self.heap.swap_remove(position);
        if position < self.heap.len() {
            self.place(position);
            self.sift_down(position);
            self.sift_up(position);
        }
        let slot = &mut self.entries[due.entry as usize];
        slot.generation = slot.generation.wrapping_add(1);
        self.floor = self.floor.max(slot.generation);
        let state = std::mem::replace(&mut slot.state, State::Free { next: self.free });
        self.free = due.entry;
        self.give_back();
        match state {
            State::Armed { value, .. } => value,
            State::Free { .. } => unreachable!("the heap names armed entries only"),
        }
    }

    /// A burst of timers must not hold its memory for ever.
    fn give_back(&mut self) {
        if self.heap.is_empty() && self.entries.capacity() > KEPT {
            self.entries.clear();
            self.entries.shrink_to(KEPT);
            self.free = END;
        }
        if self.heap.capacity() > KEPT && self.heap.len() < self.heap.capacity() / 4 {
            self.heap.shrink_to(self.heap.capacity() / 2);
        }
    }

    fn place(&mut self, position: usize) {
        let entry = self.heap[position].entry as usize;
        if let State::Armed { position: at, .. } = &mut self.entries[entry].state {
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
