//! The registry: the table of a loop's registrations.
//!
//! With edge-triggered events, a descriptor is registered with the driver once. With level-triggered events,
//! a direction is registered only while a flow waits for it, because the driver would report a ready
//! direction in every turn otherwise.

mod entry;
mod waiters;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::Waker;

use slab::Slab;
use switchboard_driver::{Event, Poller, Token};

use crate::event_loop::task::id::TaskId;
use crate::hooks::Name;

pub(crate) use entry::{At, Entry};
pub use waiters::Direction;
pub(crate) use waiters::{FdCallback, Fired};

/// The key of a registration of one loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Registration(pub(crate) u32);

/// The key of a callback of a descriptor, which no other callback of its loop ever has.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use switchboard_reactor::{CallbackKey, Driver, Loop};
///
/// let (here, _there) = UnixStream::pair()?;
/// let lp = Loop::new(Driver::best())?;
/// let reader: CallbackKey = lp.add_reader(&here, |_ready| ())?;
/// lp.remove(reader)?;
/// assert!(lp.remove(reader).is_err());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallbackKey(pub(crate) Token);

impl fmt::Debug for CallbackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallbackKey({}.{})", index(self.0), self.0.0 >> 32)
    }
}

/// The table of a loop's registrations.
pub(crate) struct Registry {
    entries: Slab<Entry>,
    /// The generation of the entry that was created last.
    generation: u32,
    rules: Rules,
    /// The registrations of callbacks; each direction of a descriptor has its own.
    watched: HashMap<(RawFd, Direction), usize>,
}

/// The conclusions that the driver's events allow.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// Whether sockets are registered for edge-triggered events.
    pub(crate) edge: bool,
    /// Whether a short read has drained the socket, so that even the end of input is reported by an event.
    short_read_is_all: bool,
}

impl Rules {
    /// Returns whether a direction is not ready after a short transfer until the next event.
    #[inline]
    pub(crate) fn short_is_all(self, direction: Direction) -> bool {
        self.short_read_is_all || direction != Direction::Read
    }
}

/// The loop's reaction to an event.
pub(crate) enum Dispatch {
    /// The registration ended, or no flow waits.
    Nothing,
    /// The loop wakes this task.
    Task(TaskId),
    /// The loop calls [`Registry::fire`], because there are several waiters, or waiters of other kinds.
    Others,
}

/// The mask of a generation: 23 bits. A token of all ones is reserved for the driver, and a completion
/// driver's tokens have no more bits.
const GENERATION: u32 = u32::MAX >> 9;

/// Returns the token of a registration: its index and its generation, so that a late event of an ended
/// registration does not match a new one with the same index.
#[inline]
fn token(registration: Registration, generation: u32) -> Token {
    Token((generation as usize) << 32 | registration.0 as usize)
}

fn index(token: Token) -> usize {
    token.0 as u32 as usize
}

impl Registry {
    pub(crate) fn new(poller: &dyn Poller, completes: bool) -> Registry {
        // With a completion driver, sockets rarely wait for readiness, and then only once.
        let edge = poller.has_edge() && !completes;
        Registry {
            entries: Slab::new(),
            generation: 0,
            rules: Rules {
                edge,
                short_read_is_all: !edge || poller.has_read_closed(),
            },
            watched: HashMap::new(),
        }
    }

    /// Returns the number of callbacks of descriptors, for which `run_until_empty` waits.
    pub(crate) fn callbacks(&self) -> usize {
        self.watched.len()
    }

    fn new_entry(&mut self, fd: BorrowedFd<'_>) -> Entry {
        self.generation = self.generation.wrapping_add(1) & GENERATION;
        Entry::new(fd, self.generation)
    }

    /// Adds a registration that the driver does not know yet.
    pub(crate) fn insert(&mut self, fd: BorrowedFd<'_>) -> Registration {
        if !self.watched.is_empty() {
            self.forget_callbacks_of(fd.as_raw_fd());
        }
        let entry = self.new_entry(fd);
        Registration(self.entries.insert(entry) as u32)
    }

    /// Records that the driver has no callback registered by this number: a file whose number another
    /// descriptor has now was closed. The end of its callback must not deregister the other descriptor.
    #[cold]
    fn forget_callbacks_of(&mut self, number: RawFd) {
        for direction in Direction::ALL {
            if let Some(&at) = self.watched.get(&(number, direction))
                && self.entries[at].fd == number
            {
                self.entries[at].forget_registered();
            }
        }
    }

    /// Ends a registration. The caller wakes its waiters, which find that it ended, and drops its entry, both
    /// once the registry is no longer borrowed.
    pub(crate) fn remove(
        &mut self,
        registration: Registration,
        poller: &mut dyn Poller,
    ) -> (Fired, Option<Entry>) {
        let mut fired = Fired::default();
        let Some(mut entry) = self.entries.try_remove(registration.0 as usize) else {
            return (fired, None);
        };
        if let Some(watched) = entry.watched() {
            self.watched.remove(&watched);
        }
        if entry.is_registered() {
            // Fails if the descriptor was closed, which has deregistered it.
            let _ = poller.deregister(entry.fd);
        }
        for direction in Direction::ALL {
            entry.take_waiters(direction, &mut fired);
        }
        (fired, Some(entry))
    }

    /// Records that the driver has forgotten a descriptor. The caller wakes the waiters, which register the
    /// descriptor with the driver again.
    pub(crate) fn renew(&mut self, registration: Registration) -> Fired {
        let mut fired = Fired::default();
        if let Some(entry) = self.get_mut(registration) {
            entry.forget_registered();
            for direction in Direction::ALL {
                entry.take_waiters(direction, &mut fired);
            }
        }
        fired
    }

    #[inline]
    pub(crate) fn get(&self, registration: Registration) -> Option<&Entry> {
        self.entries.get(registration.0 as usize)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, registration: Registration) -> Option<&mut Entry> {
        self.entries.get_mut(registration.0 as usize)
    }

    /// Returns the token of a registration's events.
    #[inline]
    pub(crate) fn token(&self, registration: Registration) -> Option<Token> {
        let entry = self.get(registration)?;
        Some(token(registration, entry.generation))
    }

    /// Returns the registration with this token.
    pub(crate) fn registration(&self, token: Token) -> Option<Registration> {
        let registration = Registration(index(token) as u32);
        (self.token(registration) == Some(token)).then_some(registration)
    }

    /// Adds a waker that the next event in this direction wakes.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn wait(
        &mut self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waker: &Waker,
        poller: &RefCell<Box<dyn Poller>>,
    ) -> io::Result<()> {
        let edge = self.rules.edge;
        let Some(entry) = self.get_mut(registration) else {
            return Err(gone());
        };
        let at = entry.at(registration, fd);
        entry.wait(at, direction, waker, edge, poller)
    }

    #[inline]
    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    /// Ends a wait that its flow has given up. With several waiters it is unknown which of them gave up, so
    /// all of them are woken, and those that still wait add their wakers again. If `all`, a single waiter is
    /// woken too.
    pub(crate) fn abandon(
        &mut self,
        registration: Registration,
        direction: Direction,
        all: bool,
    ) -> Fired {
        let mut fired = Fired::default();
        if let Some(entry) = self.get_mut(registration)
            && (all || entry.waiting(direction) > 1)
        {
            entry.take_waiters(direction, &mut fired);
        }
        fired
    }

    /// Sets the callback of a direction of `fd`. Also returns the entry of a callback that was replaced or
    /// rejected; the caller drops it once the registry is no longer borrowed.
    pub(crate) fn set_callback(
        &mut self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        callback: (FdCallback, Name),
        poller: &mut dyn Poller,
    ) -> (io::Result<CallbackKey>, Option<Entry>) {
        let number = fd.as_raw_fd();
        let known = self.watched.get(&(number, direction)).copied();
        // A driver accepts a descriptor only once, so another direction is registered by a duplicate.
        let taken = Direction::ALL
            .into_iter()
            .filter(|other| *other != direction)
            .filter_map(|other| self.watched.get(&(number, other)))
            .any(|&at| self.entries[at].fd == number);
        let mut entry = self.new_entry(fd);
        entry.set_callback((number, direction), callback);
        let duplicate = match taken.then(|| fd.try_clone_to_owned()).transpose() {
            Ok(duplicate) => duplicate,
            Err(error) => return (Err(error), Some(entry)),
        };
        let fd = duplicate.as_ref().map_or(fd, |duplicate| duplicate.as_fd());
        entry.fd = fd.as_raw_fd();
        let at = known.unwrap_or(self.entries.vacant_key());
        let registration = Registration(at as u32);
        let token = token(registration, entry.generation);
        if let Err(error) = entry.register(At { fd, token }, self.rules.edge, poller) {
            return (Err(error), Some(entry));
        }
        entry.set_duplicate(duplicate);
        self.watched.insert((number, direction), at);
        let Some(old) = self.entries.get_mut(at) else {
            self.entries.insert(entry);
            return (Ok(CallbackKey(token)), None);
        };
        let old = std::mem::replace(old, entry);
        if old.is_duplicate() {
            let _ = poller.deregister(old.fd);
        }
        (Ok(CallbackKey(token)), Some(old))
    }

    /// Returns the callback of a direction, if the registration of the event still has one.
    pub(crate) fn callback(
        &mut self,
        event: Token,
        direction: Direction,
    ) -> Option<(FdCallback, Name)> {
        self.find(event)?.callback(direction)
    }

    /// Returns the entry of the registration that an event is for, if it has not ended.
    #[inline]
    fn find(&mut self, event: Token) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(index(event))?;
        (token(Registration(index(event) as u32), entry.generation) == event).then_some(entry)
    }

    /// Records an event, and returns the loop's reaction.
    #[inline]
    pub(crate) fn dispatch(&mut self, event: Event, poller: &RefCell<Box<dyn Poller>>) -> Dispatch {
        let edge = self.rules.edge;
        let Some(entry) = self.find(event.token) else {
            return Dispatch::Nothing;
        };
        match entry.fire_reader(event.ready, edge, poller) {
            Some(Some(task)) => Dispatch::Task(task),
            Some(None) => Dispatch::Nothing,
            None => Dispatch::Others,
        }
    }

    /// Records an event, and returns all its waiters and callbacks.
    pub(crate) fn fire(&mut self, event: Event, poller: &mut dyn Poller) -> Option<Fired> {
        let edge = self.rules.edge;
        Some(self.find(event.token)?.fire(event.ready, edge, poller))
    }
}

/// Returns the error of an operation whose registration has ended.
#[cold]
pub(crate) fn gone() -> io::Error {
    let text = "the registration has ended, perhaps because the descriptor moved to another loop";
    io::Error::new(io::ErrorKind::NotFound, text)
}
