//! Slots: what the loop knows of each descriptor that is waited for.
//!
//! A direction of a slot is a small state machine. *Ready* means that a call is worth trying; it is
//! believed until a call says otherwise:
//!
//! ```text
//!             event                       event, wakes who waits
//!        ┌──────────────►  READY  ◄────────────────────┐
//!        │                    │ would block,           │
//!        │                    ▼ or a short read        │
//!        └──────────────  NOT READY ── waiter ──►  WAITING
//! ```
//!
//! A slot starts ready: the first call is always worth trying.
//!
//! An edge driver is told of the descriptor once. A level driver is told of a direction only while
//! somebody waits for it, since it would report it in every turn otherwise.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::task::Waker;

use slab::Slab;
use switchboard_driver::{Event, Interest, Mode, Poller, Ready, Token};

use crate::hooks::Name;
use crate::waiters::{DIRECTIONS, Direction, Fired, IoCall, Waiters};

/// Names a slot of one loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub(crate) u32);

impl Slot {
    /// The number of the slot.
    pub fn index(self) -> u32 {
        self.0
    }

    /// The slot of a number that [`index`](Slot::index) gave.
    pub fn from_index(index: u32) -> Slot {
        Slot(index)
    }
}

pub(crate) struct State {
    fd: RawFd,
    generation: u32,
    /// What the driver was told; `None` if it does not know the descriptor.
    told: Option<(Interest, Mode)>,
    ready: Interest,
    /// Directions that a short read or write does not make unready: the peer is gone, or
    /// out-of-band data is there, which a read stops short of.
    sticky: Interest,
    /// The first who waits to read.
    reader: Option<Waker>,
    /// What a connection that waits for its client does without.
    others: Option<Box<Others>>,
}

#[derive(Default)]
struct Others {
    /// Beside the first.
    read: Waiters,
    write: Waiters,
    priority: Waiters,
    /// What its callback watches, if it has one.
    watch: Option<(RawFd, Direction)>,
    /// The duplicate that `fd` is, where another callback has the descriptor itself.
    copy: Option<OwnedFd>,
}

impl State {
    /// Who waits, but for the first who waits to read.
    fn waiters(&mut self, direction: Direction) -> Option<&mut Waiters> {
        let others = self.others.as_mut()?;
        Some(match direction {
            Direction::Read => &mut others.read,
            Direction::Write => &mut others.write,
            Direction::Priority => &mut others.priority,
        })
    }

    /// As [`waiters`](State::waiters), for somebody who will wait.
    fn waiters_mut(&mut self, direction: Direction) -> &mut Waiters {
        self.others.get_or_insert_default();
        match self.waiters(direction) {
            Some(waiters) => waiters,
            None => unreachable!("the others are there"),
        }
    }

    fn add(&mut self, direction: Direction, waker: &Waker) {
        match &self.reader {
            None if direction == Direction::Read => self.reader = Some(waker.clone()),
            Some(reader) if direction == Direction::Read && reader.will_wake(waker) => {}
            _ => self.waiters_mut(direction).add(waker),
        }
    }

    /// Takes back what [`add`](State::add) added.
    fn remove(&mut self, direction: Direction, waker: &Waker) {
        let is_it = |reader: &mut Waker| direction == Direction::Read && reader.will_wake(waker);
        if self.reader.take_if(is_it).is_none()
            && let Some(waiters) = self.waiters(direction)
        {
            waiters.remove(waker);
        }
    }

    fn is_waiting(&mut self, direction: Direction) -> bool {
        (direction == Direction::Read && self.reader.is_some())
            || self.waiters(direction).is_some_and(|w| w.is_waiting())
    }

    /// Takes out whom to tell of a direction.
    fn take(&mut self, direction: Direction, fired: &mut Fired) {
        if direction == Direction::Read {
            fired.add(self.reader.take());
        }
        if let Some(waiters) = self.waiters(direction) {
            fired.take(direction, waiters);
        }
    }

    fn watch(&self) -> Option<(RawFd, Direction)> {
        self.others.as_ref()?.watch
    }

    fn is_copy(&self) -> bool {
        self.others
            .as_ref()
            .is_some_and(|others| others.copy.is_some())
    }

    fn wanted(&mut self) -> Interest {
        let mut wanted = Interest::NONE;
        for direction in DIRECTIONS {
            if self.is_waiting(direction) {
                wanted |= direction.interest();
            }
        }
        wanted
    }

    fn has_call(&self) -> bool {
        self.watch().is_some()
    }
}

pub(crate) struct Slots {
    slab: Slab<State>,
    generation: u32,
    edge: bool,
    /// Whether a short read took all there was, the end of input included.
    short_is_all: bool,
    /// The slots of callbacks: one for each direction of a descriptor.
    watched: HashMap<(RawFd, Direction), usize>,
}

/// Index and generation in one word, so that an event for a slot that was given up and taken again
/// within one batch finds nothing.
#[cfg(target_pointer_width = "64")]
fn token(slot: Slot, generation: u32) -> Token {
    // Of 23 bits, since completing drivers have no room for more.
    Token((generation as usize) << 32 | slot.0 as usize)
}

#[cfg(not(target_pointer_width = "64"))]
fn token(slot: Slot, generation: u32) -> Token {
    Token((generation as usize & 0xff) << 24 | slot.0 as usize)
}

#[cfg(target_pointer_width = "64")]
const INDEX: usize = u32::MAX as usize;
#[cfg(not(target_pointer_width = "64"))]
const INDEX: usize = (1 << 24) - 1;

impl Slots {
    pub(crate) fn new(poller: &dyn Poller, completes: bool) -> Slots {
        // Where sockets wait for completions, readiness is seldom asked for, and then for once.
        let edge = poller.has_edge() && !completes;
        Slots {
            slab: Slab::new(),
            generation: 0,
            edge,
            short_is_all: !edge || poller.has_read_closed(),
            watched: HashMap::new(),
        }
    }

    /// How many callbacks of descriptors there are; they keep `run_until_empty` running.
    pub(crate) fn callbacks(&self) -> usize {
        self.watched.len()
    }

    pub(crate) fn attach(&mut self, fd: BorrowedFd<'_>) -> Slot {
        let state = self.state(fd);
        Slot(self.slab.insert(state) as u32)
    }

    fn state(&mut self, fd: BorrowedFd<'_>) -> State {
        // Fewer bits than the token has room for: all ones is the driver's own token.
        self.generation = self.generation.wrapping_add(1) & (u32::MAX >> 9);
        State {
            fd: fd.as_raw_fd(),
            generation: self.generation,
            told: None,
            ready: Interest::READ | Interest::WRITE,
            sticky: Interest::NONE,
            reader: None,
            others: None,
        }
    }

    /// Gives the slot up. Whoever waits is to be woken, so that it finds out; what the slot owned
    /// is to be dropped once the slots are let go of.
    pub(crate) fn detach(&mut self, slot: Slot, poller: &mut dyn Poller) -> (Fired, Option<State>) {
        let mut fired = Fired::default();
        let Some(mut state) = self.slab.try_remove(slot.0 as usize) else {
            return (fired, None);
        };
        if let Some(watch) = state.watch() {
            self.watched.remove(&watch);
        }
        if state.told.is_some() {
            // It may have been closed already; then there is nothing left to forget.
            let _ = poller.deregister(state.fd);
        }
        for direction in DIRECTIONS {
            state.take(direction, &mut fired);
        }
        (fired, Some(state))
    }

    /// Forgets that the driver was told of a slot, and who waits in it.
    pub(crate) fn renew(&mut self, slot: Slot) -> Fired {
        let mut fired = Fired::default();
        if let Some(state) = self.slab.get_mut(slot.0 as usize) {
            state.told = None;
            for direction in DIRECTIONS {
                state.take(direction, &mut fired);
            }
        }
        fired
    }

    /// What a driver knows the slot by.
    pub(crate) fn token(&self, slot: Slot) -> Option<Token> {
        let state = self.slab.get(slot.0 as usize)?;
        Some(token(slot, state.generation))
    }

    /// The slot that has this token.
    pub(crate) fn slot(&self, token: Token) -> Option<Slot> {
        let slot = Slot((token.0 & INDEX) as u32);
        (self.token(slot) == Some(token)).then_some(slot)
    }

    /// Adds who waits for what a driver does by itself.
    pub(crate) fn add_waiter(&mut self, slot: Slot, direction: Direction, waker: &Waker) {
        if let Some(state) = self.slab.get_mut(slot.0 as usize) {
            state.add(direction, waker);
        }
    }

    pub(crate) fn is_ready(&self, slot: Slot, direction: Direction) -> bool {
        self.slab
            .get(slot.0 as usize)
            .is_some_and(|state| state.ready.contains(direction.interest()))
    }

    /// Adds a waker; the next event in this direction wakes it.
    pub(crate) fn wait(
        &mut self,
        slot: Slot,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waker: &Waker,
        poller: &mut dyn Poller,
    ) -> io::Result<()> {
        let Some(state) = self.slab.get_mut(slot.0 as usize) else {
            let text = "the slot was given up, as by another loop that took the descriptor";
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        };
        state.add(direction, waker);
        // On an edge the driver knows already, all but the first time.
        if let Some((told, Mode::Edge)) = state.told
            && told.contains(direction.interest())
        {
            return Ok(());
        }
        let result = state.tell(token(slot, state.generation), fd, self.edge, poller);
        if result.is_err() {
            state.remove(direction, waker);
        }
        result
    }

    /// Somebody gave up waiting. Where several do, who it was is not known: all are to be woken, and
    /// whoever is left comes again.
    /// `all`: even where it is known who it was.
    pub(crate) fn abandon(&mut self, slot: Slot, direction: Direction, all: bool) -> Fired {
        let mut fired = Fired::default();
        if let Some(state) = self.slab.get_mut(slot.0 as usize) {
            let first = usize::from(direction == Direction::Read && state.reader.is_some());
            let more = state
                .waiters(direction)
                .map_or(0, |waiters| waiters.count());
            if all || first + more > 1 {
                state.take(direction, &mut fired);
            }
        }
        fired
    }

    /// A call in this direction found nothing (`would_block`), or took all there seemed to be.
    pub(crate) fn clear(&mut self, slot: Slot, direction: Direction, would_block: bool) {
        let Some(state) = self.slab.get_mut(slot.0 as usize) else {
            return;
        };
        let bit = direction.interest();
        if would_block {
            state.sticky = state.sticky.without(bit);
        } else if direction == Direction::Read && !self.short_is_all {
            return;
        }
        if !state.sticky.contains(bit) {
            state.ready = state.ready.without(bit);
        }
    }

    /// Sets the callback of a direction of `fd`. What comes back beside the slot, a callback that was
    /// replaced or refused, is to be dropped once the slots are let go of.
    pub(crate) fn watch(
        &mut self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        call: (IoCall, Name),
        poller: &mut dyn Poller,
    ) -> (io::Result<Slot>, Option<State>) {
        let number = fd.as_raw_fd();
        let known = self.watched.get(&(number, direction)).copied();
        // The driver knows a descriptor once, so the second direction is watched by a duplicate.
        let taken = DIRECTIONS
            .into_iter()
            .filter(|other| *other != direction)
            .filter_map(|other| self.watched.get(&(number, other)))
            .any(|&at| self.slab[at].fd == number);
        let mut state = self.state(fd);
        state.waiters_mut(direction).set_call(call);
        state.others.get_or_insert_default().watch = Some((number, direction));
        let copy = match taken.then(|| fd.try_clone_to_owned()).transpose() {
            Ok(copy) => copy,
            Err(error) => return (Err(error), Some(state)),
        };
        let fd = copy.as_ref().map_or(fd, |copy| copy.as_fd());
        state.fd = fd.as_raw_fd();
        let at = known.unwrap_or(self.slab.vacant_key());
        let slot = Slot(at as u32);
        if let Err(error) = state.tell(token(slot, state.generation), fd, self.edge, poller) {
            return (Err(error), Some(state));
        }
        state.others.get_or_insert_default().copy = copy;
        self.watched.insert((number, direction), at);
        let Some(old) = self.slab.get_mut(at) else {
            self.slab.insert(state);
            return (Ok(slot), None);
        };
        let old = std::mem::replace(old, state);
        if old.is_copy() {
            let _ = poller.deregister(old.fd);
        }
        (Ok(slot), Some(old))
    }

    /// The callback of a direction, if the slot that the event was for still has one.
    pub(crate) fn call(&mut self, event: Token, direction: Direction) -> Option<(IoCall, Name)> {
        let (_, state) = self.find(event)?;
        state.waiters(direction)?.call().cloned()
    }

    fn find(&mut self, event: Token) -> Option<(Slot, &mut State)> {
        let slot = Slot((event.0 & INDEX) as u32);
        let state = self.slab.get_mut(event.0 & INDEX)?;
        (token(slot, state.generation) == event).then_some((slot, state))
    }

    /// Takes an event in: what became ready, and whom to tell.
    pub(crate) fn fire(&mut self, event: Event, poller: &mut dyn Poller) -> Option<Fired> {
        let edge = self.edge;
        let (_, state) = self.find(event.token)?;
        let mut fired = Fired::default();
        let gone = event.ready.intersects(Ready::HANG_UP | Ready::ERROR);
        for direction in DIRECTIONS {
            if direction.is_in(event.ready) {
                state.ready |= direction.interest();
                if gone {
                    state.sticky |= direction.interest();
                }
                state.take(direction, &mut fired);
            }
        }
        if event.ready.intersects(Ready::READ_CLOSED | Ready::PRIORITY) {
            state.sticky |= Interest::READ;
        }
        if !edge && !state.has_call() && state.told.take().is_some() {
            // Reported in every turn otherwise; a hang-up even with no interest left. Whoever still
            // waits in another direction is woken to register again.
            let _ = poller.deregister(state.fd);
            for direction in DIRECTIONS {
                if state.is_waiting(direction) {
                    state.take(direction, &mut fired);
                }
            }
        }
        Some(fired)
    }
}

impl State {
    /// Brings the driver's idea of the descriptor up to what is wanted of it.
    fn tell(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        edge: bool,
        poller: &mut dyn Poller,
    ) -> io::Result<()> {
        let wanted = self.wanted();
        // Callbacks see level-triggered readiness, as asyncio's do: they run again until the
        // descriptor is drained.
        let target = if edge && !self.has_call() {
            // Edges cost nothing while nobody waits, so interest only grows. Out-of-band data is
            // always asked for: a read stops short of it, which must not look like the end.
            let told = self.told.map_or(Interest::NONE, |(told, _)| told);
            (
                wanted | told | Interest::READ | Interest::PRIORITY,
                Mode::Edge,
            )
        } else {
            (wanted, Mode::Level)
        };
        if self.told == Some(target) {
            return Ok(());
        }
        if target.0.is_empty() {
            return match self.told.take() {
                Some(_) => poller.deregister(self.fd),
                None => Ok(()),
            };
        }
        poller.register(fd, token, target.0, target.1)?;
        self.told = Some(target);
        Ok(())
    }
}
