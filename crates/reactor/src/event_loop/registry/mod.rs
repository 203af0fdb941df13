//! The registry: what the loop knows of each descriptor that is waited for.
//!
//! An edge driver is told of a descriptor once. A level driver is told of a direction only while somebody
//! waits for it, since it would report it in every turn otherwise.

mod entry;
mod waiters;

use std::cell::RefCell;
use std::collections::HashMap;
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

/// Names a registration of one loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Registration(pub(crate) u32);

pub(crate) struct Registry {
    entries: Slab<Entry>,
    generation: u32,
    rules: Rules,
    /// The registrations of callbacks: one for each direction of a descriptor.
    watched: HashMap<(RawFd, Direction), usize>,
}

/// What the driver can tell.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// Whether sockets are registered for edges.
    pub(crate) edge: bool,
    /// Whether a short read took all there was, the end of input included.
    short_read_is_all: bool,
}

impl Rules {
    /// Whether a short transfer in `direction` leaves nothing before the next event.
    #[inline]
    pub(crate) fn short_is_all(self, direction: Direction) -> bool {
        self.short_read_is_all || direction != Direction::Read
    }
}

/// What an event means for the loop.
pub(crate) enum Dispatch {
    /// The registration is gone, or nobody waits.
    Nothing,
    /// This task is to be woken.
    Task(TaskId),
    /// Others wait: [`Registry::fire`] tells who.
    Others,
}

/// Bits of a generation. All ones would be the driver's own token, and a completion driver has no room for
/// more.
const GENERATION: u32 = u32::MAX >> 9;

/// Index and generation in one word, so that an event for a registration that was given up and taken again
/// within one batch finds nothing.
#[inline]
fn token(registration: Registration, generation: u32) -> Token {
    Token((generation as usize) << 32 | registration.0 as usize)
}

fn index(token: Token) -> usize {
    token.0 as u32 as usize
}

impl Registry {
    pub(crate) fn new(poller: &dyn Poller, completes: bool) -> Registry {
        // Where sockets wait for completions, readiness is seldom asked for, and then once.
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

    /// How many callbacks of descriptors there are; they keep `run_until_empty` running.
    pub(crate) fn callbacks(&self) -> usize {
        self.watched.len()
    }

    fn new_entry(&mut self, fd: BorrowedFd<'_>) -> Entry {
        self.generation = self.generation.wrapping_add(1) & GENERATION;
        Entry::new(fd, self.generation)
    }

    pub(crate) fn insert(&mut self, fd: BorrowedFd<'_>) -> Registration {
        let entry = self.new_entry(fd);
        Registration(self.entries.insert(entry) as u32)
    }

    /// Ends a registration. Whoever waits is to be woken, so that it finds out; what the registration
    /// owned is to be dropped once the registry is no longer borrowed.
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
            // The descriptor may have been closed already; then there is nothing left to forget.
            let _ = poller.deregister(entry.fd);
        }
        for direction in Direction::ALL {
            entry.take_waiters(direction, &mut fired);
        }
        (fired, Some(entry))
    }

    /// Forgets that the driver knows a registration, and wakes who waits, who registers again.
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

    /// The token by which the driver knows a registration.
    #[inline]
    pub(crate) fn token(&self, registration: Registration) -> Option<Token> {
        let entry = self.get(registration)?;
        Some(token(registration, entry.generation))
    }

    /// The registration that has this token.
    pub(crate) fn registration(&self, token: Token) -> Option<Registration> {
        let registration = Registration(index(token) as u32);
        (self.token(registration) == Some(token)).then_some(registration)
    }

    /// Adds a waker; the next event in this direction wakes it.
    #[inline(always)]
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

    /// Ends a wait that was given up. Which of several waiters gave up is not known: all are woken, and
    /// those that still wait come again. `all` has a single waiter woken too.
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

    /// Sets the callback of a direction of `fd`. What is returned beside the registration, a callback that
    /// was replaced or refused, is to be dropped once the registry is no longer borrowed.
    pub(crate) fn set_callback(
        &mut self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        callback: (FdCallback, Name),
        poller: &mut dyn Poller,
    ) -> (io::Result<Registration>, Option<Entry>) {
        let number = fd.as_raw_fd();
        let known = self.watched.get(&(number, direction)).copied();
        // The driver knows a descriptor once, so a second direction is registered by a duplicate.
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
            return (Ok(registration), None);
        };
        let old = std::mem::replace(old, entry);
        if old.is_duplicate() {
            let _ = poller.deregister(old.fd);
        }
        (Ok(registration), Some(old))
    }

    /// The callback of a direction, if the registration that the event was for still has one.
    pub(crate) fn callback(
        &mut self,
        event: Token,
        direction: Direction,
    ) -> Option<(FdCallback, Name)> {
        self.find(event)?.callback(direction)
    }

    #[inline]
    fn find(&mut self, event: Token) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(index(event))?;
        (token(Registration(index(event) as u32), entry.generation) == event).then_some(entry)
    }

    /// Takes an event in, and says what is to be done for it.
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

    /// Takes an event in, whoever waits for it.
    pub(crate) fn fire(&mut self, event: Event, poller: &mut dyn Poller) -> Option<Fired> {
        let edge = self.rules.edge;
        Some(self.find(event.token)?.fire(event.ready, edge, poller))
    }
}

#[cold]
pub(crate) fn gone() -> io::Error {
    let text = "the registration ended, as when another loop took the descriptor over";
    io::Error::new(io::ErrorKind::NotFound, text)
}
