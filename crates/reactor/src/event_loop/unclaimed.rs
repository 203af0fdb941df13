//! Unclaimed completions outside of a driver, and how loops store, restore and release them.
//!
//! A loop with a completion driver stores its unclaimed completions in a table of the process at the end of
//! each run, and restores them at the beginning of the next. Between runs, any thread can claim a descriptor
//! and take its completions.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use switchboard_driver::{CompletionDriver, Token, Unclaimed};

use crate::event_loop::Loop;
use crate::event_loop::registry::Registration;
use crate::event_loop::remote::Remote;
use crate::event_loop::sockets::Sockets;

/// The table of completions that no driver holds.
#[derive(Default)]
pub(super) struct Table {
    /// The completions of loops that exist and do not run.
    pub(super) loops: HashMap<u32, StoppedLoop>,
    /// The completions of descriptors without an owner, by the descriptor's address.
    pub(super) descriptors: HashMap<usize, Unclaimed>,
    /// The registrations of shared descriptors, each with its loop, by the descriptor's address.
    pub(super) shared: HashMap<usize, Vec<(u32, Registration)>>,
}

/// The completions of a loop that does not run.
#[derive(Default)]
pub(super) struct StoppedLoop {
    pub(super) unclaimed: HashMap<Registration, Unclaimed>,
    /// Registrations whose descriptors were claimed since the loop stopped.
    pub(super) claimed: Vec<Registration>,
}

static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

/// Locks the table.
pub(super) fn table() -> MutexGuard<'static, Table> {
    // Every critical section leaves the table in a valid state, even if it panics.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    /// Removes a loop that was dropped, unless some of its completions are unclaimed.
    pub(super) fn forget_loop(&mut self, id: u32) {
        let empty = |lp: &StoppedLoop| lp.unclaimed.is_empty();
        if self.loops.get(&id).is_some_and(empty) {
            self.loops.remove(&id);
        }
    }
}

/// Removes a loop from the table if the loop was dropped and none of its completions is unclaimed.
pub(super) fn forget_loop(id: u32) {
    let mut table = table();
    if Remote::of(id).is_none() {
        table.forget_loop(id);
    }
}

/// Adds a loop with a completion driver that does not run yet.
pub(super) fn announce(id: u32) {
    table().loops.insert(id, StoppedLoop::default());
}

/// A socket that its loop is about to release.
pub(super) struct Releasing {
    registration: Registration,
    token: Token,
    /// Receives the socket's completions.
    then: Box<dyn FnOnce(Unclaimed)>,
}

impl Loop {
    /// Wakes the flows that wait for a registration that the driver has forgotten, so that they register
    /// the descriptor with the driver again.
    pub(super) fn renew(&self, registration: Registration) {
        let fired = self.0.registry.borrow_mut().renew(registration);
        fired.wake();
    }

    /// Returns whether flows wait for a registration. One that has given up its wait may count.
    pub(super) fn has_waiters(&self, registration: Registration) -> bool {
        let mut registry = self.0.registry.borrow_mut();
        registry
            .get_mut(registration)
            .is_some_and(|entry| entry.has_waiters())
    }

    /// Ends a registration, wakes the flows that wait for it, and closes its descriptor.
    pub(super) fn close(&self, registration: Registration, fd: OwnedFd) {
        let token = self.0.registry.borrow().token(registration);
        // The descriptor must be deregistered before its number can be reused.
        self.deregister(registration);
        match self.0.poller.borrow_mut().completion_driver().zip(token) {
            Some((driver, token)) => driver.close(token, fd),
            None => drop(fd),
        }
    }

    /// Ends a registration as soon as none of its operations is in flight in the kernel, and then calls
    /// `then` with the unclaimed completions of its socket.
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

    /// Releases the sockets that have no operation in flight any more.
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

    /// Calls `f` as if this loop did not run: with its unclaimed completions in the table.
    pub(super) fn as_if_stopped<R>(&self, f: impl FnOnce() -> R) -> R {
        self.store_unclaimed();
        let result = f();
        self.restore_unclaimed();
        result
    }

    /// Moves the completions from the table back to the driver, and ends the registrations of descriptors
    /// that were claimed meanwhile.
    pub(super) fn restore_unclaimed(&self) {
        let Some(mine) = table().loops.remove(&self.id()) else {
            return;
        };
        for registration in mine.claimed {
            // None of its operations is in flight, so the release succeeds at once.
            self.complete(registration, |driver, token| drop(driver.release(token)));
            self.deregister(registration);
        }
        for (registration, unclaimed) in mine.unclaimed {
            self.complete(registration, |driver, token| {
                driver.restore(token, unclaimed);
            });
        }
    }

    /// Moves all unclaimed completions from the driver to the table, and drops pending requests.
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
        // None of their operations is in flight any more, so all releases finish.
        self.finish_releases();
        table().loops.insert(self.id(), mine);
        // Dropping an unanswered request wakes its flow, which then finds the completions in the table.
        self.receive(|request| drop(request));
    }
}
