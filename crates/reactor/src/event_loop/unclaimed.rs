//! Completions that no flow has taken yet, and that no running loop has.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use switchboard_driver::{Token, Unclaimed};

use crate::event_loop::Loop;
use crate::event_loop::registry::Registration;
use crate::event_loop::remote::Remote;
use crate::event_loop::sockets::Sockets;

/// Completions that are with no driver.
#[derive(Default)]
pub(super) struct Table {
    /// Those of loops that exist and do not run.
    pub(super) loops: HashMap<u32, StoppedLoop>,
    /// Those of descriptors that have left their loop, by the descriptor's address.
    pub(super) descriptors: HashMap<usize, Unclaimed>,
}

#[derive(Default)]
pub(super) struct StoppedLoop {
    pub(super) unclaimed: HashMap<Registration, Unclaimed>,
    /// Registrations whose descriptors were claimed meanwhile.
    pub(super) claimed: Vec<Registration>,
}

static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

pub(super) fn table() -> MutexGuard<'static, Table> {
    // Nothing is left half-done under this lock.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    /// Forgets a loop that is gone, unless it has something that may still be claimed.
    pub(super) fn forget_loop(&mut self, id: u32) {
        let empty = |lp: &StoppedLoop| lp.unclaimed.is_empty();
        if self.loops.get(&id).is_some_and(empty) {
            self.loops.remove(&id);
        }
    }
}

/// Forgets a loop if it is gone, but for what may still be claimed.
pub(super) fn forget_loop(id: u32) {
    let mut table = table();
    if Remote::of(id).is_none() {
        table.forget_loop(id);
    }
}

/// Records that a loop with a completion driver exists and does not run yet.
pub(super) fn announce(id: u32) {
    table().loops.insert(id, StoppedLoop::default());
}

/// A socket that its loop is about to release, and who wants it.
pub(super) struct Releasing {
    registration: Registration,
    token: Token,
    then: Box<dyn FnOnce(Unclaimed)>,
}

impl Loop {
    /// Has the flows that wait in a registration come again, and the driver told of the descriptor again.
    pub(super) fn renew(&self, registration: Registration) {
        let fired = self.0.registry.borrow_mut().renew(registration);
        fired.wake();
    }

    /// Ends a registration, wakes whoever waits in it, and closes its descriptor.
    pub(super) fn close(&self, registration: Registration, fd: OwnedFd) {
        let token = self.0.registry.borrow().token(registration);
        // The driver must forget the descriptor before its number can be used again.
        self.deregister(registration);
        match self.0.poller.borrow_mut().completion_driver().zip(token) {
            Some((driver, token)) => driver.close(token, fd),
            None => drop(fd),
        }
    }

    /// Gives a registration up. `then` is called with the completions of its socket, once the kernel is
    /// done with it.
    pub(super) fn release(
        &self,
        registration: Registration,
        then: impl FnOnce(Unclaimed) + 'static,
    ) {
        let Some(token) = self.0.registry.borrow().token(registration) else {
            return then(Unclaimed::default());
        };
        self.0.releasing.borrow_mut().push(Releasing {
            registration,
            token,
            then: Box::new(then),
        });
        self.finish_releases();
    }

    /// Releases the sockets that the kernel is done with by now.
    pub(super) fn finish_releases(&self) {
        let releasing = self.0.releasing.take();
        for one in releasing {
            let released =
                self.complete(one.registration, |driver, token| match token == one.token {
                    true => driver.release(token),
                    false => Some(Unclaimed::default()),
                });
            match released {
                Some(None) => self.0.releasing.borrow_mut().push(one),
                released => {
                    (one.then)(released.flatten().unwrap_or_default());
                    if self.0.registry.borrow().token(one.registration) == Some(one.token) {
                        self.deregister(one.registration);
                    }
                }
            }
        }
    }

    /// Calls `f` as if this loop did not run: with every completion in the table.
    pub(super) fn as_if_stopped<R>(&self, f: impl FnOnce() -> R) -> R {
        self.store_unclaimed();
        let result = f();
        self.restore_unclaimed();
        result
    }

    /// Takes back what was stored, and forgets what was claimed.
    pub(super) fn restore_unclaimed(&self) {
        let Some(mine) = table().loops.remove(&self.id()) else {
            return;
        };
        for registration in mine.claimed {
            // Nothing of it is in flight.
            self.complete(registration, |driver, token| drop(driver.release(token)));
            self.deregister(registration);
        }
        for (registration, unclaimed) in mine.unclaimed {
            self.complete(registration, |driver, token| {
                driver.restore(token, unclaimed);
            });
        }
    }

    /// Stores every unclaimed completion in the table.
    pub(super) fn store_unclaimed(&self) {
        let unclaimed = match self.0.poller.borrow_mut().completion_driver() {
            Some(driver) => driver.quiesce(),
            None => return,
        };
        let mut mine = StoppedLoop::default();
        for (token, unclaimed) in unclaimed {
            let releasing = |one: &Releasing| one.token == token;
            let registration = self.0.registry.borrow().registration(token);
            match registration {
                Some(_) if self.0.releasing.borrow().iter().any(releasing) => {
                    if let Some(driver) = self.0.poller.borrow_mut().completion_driver() {
                        driver.restore(token, unclaimed);
                    }
                }
                Some(registration) => drop(mine.unclaimed.insert(registration, unclaimed)),
                None => {}
            }
        }
        // Nothing of them is in flight.
        self.finish_releases();
        table().loops.insert(self.id(), mine);
        // A request that was not answered in time is dropped, which wakes the flow to look here.
        self.receive(|request| drop(request));
    }
}
