//! What a connection has still to be sent.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::update::{Kind, Parcel, Update};
use crate::{Bye, Name};

/// What happens to a client whose outbox is full.
///
/// ```
/// use switchboard_chat::Overflow;
///
/// assert_eq!("drop-oldest".parse(), Ok(Overflow::DropOldest));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The connection ends with [`Bye::Slow`]; the client comes back and is sent what it has missed.
    #[default]
    Cut,
    /// Of each room, only the newest entry stays, behind a mark of the gap.
    Conflate,
    /// The oldest entries go, and a mark of the gap takes their place.
    DropOldest,
}

impl std::str::FromStr for Overflow {
    type Err = String;

    fn from_str(text: &str) -> Result<Overflow, String> {
        match text {
            "cut" => Ok(Overflow::Cut),
            "conflate" => Ok(Overflow::Conflate),
            "drop-oldest" => Ok(Overflow::DropOldest),
            _ => Err(format!(
                "`{text}` is unknown: use cut, conflate or drop-oldest"
            )),
        }
    }
}

/// A queue that is bounded in bytes. Senders never wait; the connection's flow waits for parcels.
pub(crate) struct Outbox {
    limit: usize,
    overflow: Overflow,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Item>,
    bytes: usize,
    end: Option<Bye>,
    /// The flow is to look, though nothing is queued.
    nudged: bool,
    waker: Option<Waker>,
    /// The flow waits for the end alone, since its socket takes nothing.
    for_the_end: bool,
}

enum Item {
    Parcel(Parcel),
    /// Entries of a room that were dropped from here. No entry of the room is queued before it.
    Gap(Box<Gap>),
}

struct Gap {
    room: Name,
    from: u64,
    to: u64,
}

/// A queue that was longer than this gives its memory back once it is empty.
const KEPT_PLACES: usize = 16;

impl Outbox {
    pub(crate) fn new(limit: usize, overflow: Overflow) -> Outbox {
        Outbox {
            limit,
            overflow,
            state: Mutex::default(),
        }
    }

    /// Queues a parcel. If there is no room for it, what [`Overflow`] says happens.
    pub(crate) fn push(&self, parcel: &Parcel) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        let weight = parcel.weight();
        if state.bytes + weight > self.limit && !state.make_room(weight, self) {
            match parcel.kind() {
                // News of this kind is worth no cut.
                Kind::Passing => {}
                _ => state.end = Some(Bye::Slow),
            }
        } else {
            state.bytes += weight;
            state.queue.push_back(Item::Parcel(parcel.clone()));
        }
        wake_if_waiting(state);
    }

    /// Queues news that is worth sending to those only who have read all else.
    pub(crate) fn push_passing(&self, parcel: &Parcel) {
        if self.state().queue.is_empty() {
            self.push(parcel);
        }
    }

    /// Ends the connection, after what is queued. The first reason stays.
    pub(crate) fn end(&self, bye: Bye) {
        let mut state = self.state();
        state.end.get_or_insert(bye);
        wake(state);
    }

    /// Has the flow call `take`, though nothing may be queued.
    pub(crate) fn nudge(&self) {
        let mut state = self.state();
        state.nudged = true;
        wake_if_waiting(state);
    }

    /// Waits for something to send or the end.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        let state = self.state();
        if state.is_ready() {
            return Poll::Ready(());
        }
        wait(state, context, false);
        Poll::Pending
    }

    /// Waits for the end, while what is queued cannot be sent, and discards that then.
    pub(crate) fn poll_end(&self, context: &mut Context<'_>) -> Poll<Bye> {
        let mut state = self.state();
        if let Some(bye) = state.end {
            state.clear();
            return Poll::Ready(bye);
        }
        wait(state, context, true);
        Poll::Pending
    }

    /// Returns whether the connection is to end, or has.
    pub(crate) fn has_ended(&self) -> bool {
        self.state().end.is_some()
    }

    /// Moves parcels to `into`, until they have `bytes` bytes or none are left. Returns why the connection ends, once
    /// all before the end is taken.
    pub(crate) fn take(&self, bytes: usize, into: &mut Vec<Parcel>) -> Option<Bye> {
        let mut state = self.state();
        state.nudged = false;
        if state.end == Some(Bye::Slow) {
            state.clear();
            return state.end;
        }
        let mut taken = 0;
        while taken < bytes
            && let Some(parcel) = state.pop()
        {
            taken += parcel.weight();
            into.push(parcel);
        }
        if !state.queue.is_empty() {
            return None;
        }
        if state.queue.capacity() > KEPT_PLACES {
            state.queue = VecDeque::new();
        }
        state.end
    }

    /// Returns how many bytes of older entries may be queued for a client that enters a room, or asks for them: half of the
    /// queue for the first one, and no more than three quarters for all before it reads. The rest is for answers, and
    /// for what is said meanwhile.
    pub(crate) fn room_for_entries(&self) -> usize {
        (self.limit / 4 * 3).saturating_sub(self.bytes()) / 3 * 2
    }

    /// Returns whether half of the queue, or more, is waiting to be sent.
    pub(crate) fn is_half_full(&self) -> bool {
        self.bytes() >= self.limit / 2
    }

    /// Returns how many bytes are queued.
    pub(crate) fn bytes(&self) -> usize {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the flow woken once there is something for it.
fn wait(mut state: MutexGuard<'_, State>, context: &Context<'_>, for_the_end: bool) {
    state.for_the_end = for_the_end;
    let replaced = state.waker.replace(context.waker().clone());
    // The drop of a waker may run code that uses the queue.
    drop(state);
    drop(replaced);
}

/// Wakes the flow if it waits for what is queued, or if the connection ends.
fn wake_if_waiting(state: MutexGuard<'_, State>) {
    if !state.for_the_end || state.end.is_some() {
        wake(state);
    }
}

/// Wakes the flow that waits, without the lock.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl State {
    fn is_ready(&self) -> bool {
        !self.queue.is_empty() || self.end.is_some() || self.nudged
    }

    fn pop(&mut self) -> Option<Parcel> {
        Some(match self.queue.pop_front()? {
            Item::Parcel(parcel) => {
                self.bytes -= parcel.weight();
                parcel
            }
            Item::Gap(gap) => Parcel::new(&Update::Gap {
                room: &gap.room,
                from: gap.from,
                to: gap.to,
            }),
        })
    }

    /// Discards what is queued. A client that comes back is sent what it has missed.
    fn clear(&mut self) {
        self.queue = VecDeque::new();
        self.bytes = 0;
    }

    /// Makes room for `weight` bytes, as the policy says. Returns whether there is room.
    fn make_room(&mut self, weight: usize, outbox: &Outbox) -> bool {
        let room = outbox.limit.saturating_sub(weight);
        // A quarter is freed at once, so that a client that never reads costs little for each parcel.
        let enough = room.min(outbox.limit / 4 * 3);
        match outbox.overflow {
            Overflow::Cut => return false,
            Overflow::DropOldest => self.drop_where(enough, |_, _| true),
            Overflow::Conflate => {
                let newest = self.newest_of_rooms();
                self.drop_where(0, |room, offset| {
                    newest
                        .iter()
                        .any(|(name, last)| name == room && offset < *last)
                });
                self.drop_where(enough, |_, _| true);
            }
        }
        self.bytes <= room
    }

    /// Returns the newest entry that is queued of each room.
    fn newest_of_rooms(&self) -> Vec<(Name, u64)> {
        let mut newest: Vec<(Name, u64)> = Vec::new();
        for (room, offset) in self.queue.iter().filter_map(Item::position) {
            match newest.iter_mut().find(|(name, _)| name == room) {
                Some((_, last)) => *last = offset,
                None => newest.push((room.clone(), offset)),
            }
        }
        newest
    }

    /// Drops news, and the entries that `may_go`, oldest first, until no more than `enough` bytes are queued. A gap
    /// takes the place of a room's first dropped entry.
    fn drop_where(&mut self, enough: usize, may_go: impl Fn(&Name, u64) -> bool) {
        let mut kept = VecDeque::with_capacity(self.queue.len());
        for item in self.queue.drain(..) {
            let goes = self.bytes > enough
                && match &item {
                    Item::Parcel(parcel) => match parcel.kind() {
                        Kind::Entry { room, offset } => may_go(room, *offset),
                        Kind::Passing => true,
                        Kind::Needed | Kind::Answer => false,
                    },
                    Item::Gap(_) => false,
                };
            match item {
                Item::Parcel(parcel) if goes => {
                    self.bytes -= parcel.weight();
                    if let Some((room, offset)) = parcel.position() {
                        note_gap(&mut kept, room, offset);
                    }
                }
                item => kept.push_back(item),
            }
        }
        self.queue = kept;
    }
}

impl Item {
    fn position(&self) -> Option<(&Name, u64)> {
        match self {
            Item::Parcel(parcel) => parcel.position(),
            Item::Gap(_) => None,
        }
    }
}

/// Notes that an entry was dropped. Entries of a room are dropped in their order.
fn note_gap(queue: &mut VecDeque<Item>, room: &Name, offset: u64) {
    let gap = queue.iter_mut().rev().find_map(|item| match item {
        Item::Gap(gap) if gap.room == *room => Some(gap),
        _ => None,
    });
    // Entries of this room that are kept would be behind the gap, so a gap that is there is the place.
    match gap {
        Some(gap) => gap.to = offset,
        None => queue.push_back(Item::Gap(Box::new(Gap {
            room: room.clone(),
            from: offset,
            to: offset,
        }))),
    }
}
