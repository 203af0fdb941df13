//! The directions of a registration, and their waiters.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;

use switchboard_driver::{Interest, Ready};

use crate::hooks::Name;

/// A direction of a descriptor, in which flows wait independently.
///
/// ```
/// use switchboard_reactor::Direction;
///
/// let waits = |direction| match direction {
///     Direction::Read => "for bytes or a connection",
///     Direction::Write => "until a send would not block",
///     Direction::Priority => "for out-of-band data",
/// };
/// assert_eq!(waits(Direction::Read), "for bytes or a connection");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer: read, accept.
    Read,
    /// To the peer: write, connect.
    Write,
    /// From the peer, out of band.
    Priority,
}

impl Direction {
    #[inline]
    pub(crate) fn interest(self) -> Interest {
        match self {
            Direction::Read => Interest::READ,
            Direction::Write => Interest::WRITE,
            Direction::Priority => Interest::PRIORITY,
        }
    }

    pub(crate) const ALL: [Direction; 3] = [Direction::Read, Direction::Write, Direction::Priority];
}

/// Returns the directions in which a call may succeed after an event.
#[inline]
pub(crate) fn directions(ready: Ready) -> Interest {
    let mut directions = Interest::NONE;
    if ready.is_readable() {
        directions |= Interest::READ;
    }
    if ready.is_writable() {
        directions |= Interest::WRITE;
    }
    if ready.intersects(Ready::PRIORITY | Ready::HANG_UP | Ready::ERROR) {
        directions |= Interest::PRIORITY;
    }
    directions
}

/// A callback of a descriptor.
pub(crate) type FdCallback = Rc<RefCell<dyn FnMut(Ready)>>;

/// The wakers and the callback of a direction.
#[derive(Default)]
pub(super) struct Waiters {
    wakers: Vec<Waker>,
    callback: Option<(FdCallback, Name)>,
}

impl Waiters {
    pub(super) fn add(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|other| other.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }

    pub(super) fn remove(&mut self, waker: &Waker) {
        self.wakers.retain(|other| !other.will_wake(waker));
    }

    pub(super) fn len(&self) -> usize {
        self.wakers.len()
    }

    pub(super) fn set_callback(&mut self, callback: (FdCallback, Name)) {
        self.callback = Some(callback);
    }

    pub(super) fn callback(&self) -> Option<&(FdCallback, Name)> {
        self.callback.as_ref()
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.wakers.is_empty() || self.callback.is_some()
    }

    /// Moves the wakers to `wakers`; returns whether there is a callback.
    pub(super) fn take(&mut self, wakers: &mut Vec<Waker>) -> bool {
        wakers.append(&mut self.wakers);
        self.callback.is_some()
    }
}

/// The wakers and callbacks of an event. The loop calls them once the registry is no longer borrowed,
/// because they are code of users, which may use the loop.
#[derive(Default)]
pub(crate) struct Fired {
    pub(super) wakers: Vec<Waker>,
    /// The directions whose callbacks run.
    pub(crate) callbacks: Interest,
}

impl Fired {
    pub(crate) fn wake(self) {
        self.wakers.into_iter().for_each(Waker::wake);
    }
}
