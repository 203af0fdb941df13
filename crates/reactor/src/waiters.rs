//! Directions of a slot, and who waits for them.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;

use switchboard_driver::{Interest, Ready};

use crate::hooks::Name;

/// Which way bytes go.
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
    pub(crate) fn interest(self) -> Interest {
        match self {
            Direction::Read => Interest::READ,
            Direction::Write => Interest::WRITE,
            Direction::Priority => Interest::PRIORITY,
        }
    }

    pub(crate) fn is_in(self, ready: Ready) -> bool {
        match self {
            Direction::Read => ready.is_readable(),
            Direction::Write => ready.is_writable(),
            Direction::Priority => {
                ready.intersects(Ready::PRIORITY | Ready::HANG_UP | Ready::ERROR)
            }
        }
    }
}

pub(crate) type IoCall = Rc<RefCell<dyn FnMut(Ready)>>;

/// Who is told when a direction becomes ready.
#[derive(Default)]
pub(crate) struct Waiters {
    pub(crate) first: Option<Waker>,
    more: Vec<Waker>,
    pub(crate) call: Option<(IoCall, Name)>,
}

impl Waiters {
    pub(crate) fn add(&mut self, waker: &Waker) {
        match &self.first {
            None => self.first = Some(waker.clone()),
            Some(first) if first.will_wake(waker) => {}
            Some(_) if self.more.iter().any(|other| other.will_wake(waker)) => {}
            Some(_) => self.more.push(waker.clone()),
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.first.is_some() || self.call.is_some()
    }
}

/// Whom to wake once the slots are let go of.
#[derive(Default)]
pub(crate) struct Fired {
    wakers: [Option<Waker>; 3],
    more: Vec<Waker>,
    /// Directions whose callback is to run.
    pub(crate) calls: [bool; 3],
}

impl Fired {
    pub(crate) fn wake(&mut self) {
        self.wakers
            .iter_mut()
            .filter_map(Option::take)
            .for_each(Waker::wake);
        self.more.drain(..).for_each(Waker::wake);
    }

    pub(crate) fn take(&mut self, at: usize, waiters: &mut Waiters) {
        self.wakers[at] = waiters.first.take();
        self.more.append(&mut waiters.more);
        self.calls[at] = waiters.call.is_some();
    }
}

pub(crate) const DIRECTIONS: [Direction; 3] =
    [Direction::Read, Direction::Write, Direction::Priority];
