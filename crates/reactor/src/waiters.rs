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
    first: Option<Waker>,
    /// What few directions have.
    rest: Option<Box<Rest>>,
}

#[derive(Default)]
struct Rest {
    more: Vec<Waker>,
    call: Option<(IoCall, Name)>,
}

impl Waiters {
    pub(crate) fn add(&mut self, waker: &Waker) {
        match &self.first {
            None => self.first = Some(waker.clone()),
            Some(first) if first.will_wake(waker) => {}
            Some(_) => {
                let more = &mut self.rest.get_or_insert_default().more;
                if !more.iter().any(|other| other.will_wake(waker)) {
                    more.push(waker.clone());
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, waker: &Waker) {
        let is_it = |other: &mut Waker| other.will_wake(waker);
        if self.first.take_if(is_it).is_none()
            && let Some(rest) = &mut self.rest
        {
            rest.more.retain(|other| !other.will_wake(waker));
        }
    }

    /// How many wakers there are.
    pub(crate) fn count(&self) -> usize {
        let more = self.rest.as_ref().map_or(0, |rest| rest.more.len());
        usize::from(self.first.is_some()) + more
    }

    pub(crate) fn set_call(&mut self, call: (IoCall, Name)) {
        self.rest.get_or_insert_default().call = Some(call);
    }

    pub(crate) fn call(&self) -> Option<&(IoCall, Name)> {
        self.rest.as_ref()?.call.as_ref()
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.first.is_some() || self.call().is_some()
    }
}

/// Whom to wake once the slots are let go of.
#[derive(Default)]
pub(crate) struct Fired {
    first: Option<Waker>,
    more: Vec<Waker>,
    /// Directions whose callback is to run.
    pub(crate) calls: Interest,
}

impl Fired {
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.first.take() {
            waker.wake();
        }
        self.more.drain(..).for_each(Waker::wake);
    }

    pub(crate) fn add(&mut self, waker: Option<Waker>) {
        match &self.first {
            None => self.first = waker,
            Some(_) => self.more.extend(waker),
        }
    }

    pub(crate) fn take(&mut self, direction: Direction, waiters: &mut Waiters) {
        self.add(waiters.first.take());
        if let Some(rest) = &mut waiters.rest {
            self.more.append(&mut rest.more);
            if rest.call.is_some() {
                self.calls |= direction.interest();
            }
        }
    }
}

pub(crate) const DIRECTIONS: [Direction; 3] =
    [Direction::Read, Direction::Write, Direction::Priority];
