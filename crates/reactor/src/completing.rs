//! Sockets under a driver that answers "what is done?".
//!
//! What has come for a socket is with the driver of its loop. Elsewhere it is had in two ways: a loop
//! that runs is asked to [give the socket up](Loop::release); one that doesn't has put everything aside
//! where any thread [finds it](take_over).

use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use switchboard_driver::{Completer, Expect, Inbox, Left, Token};

use crate::event_loop::Loop;
use crate::remote::completes;
use crate::slots::Slot;
use crate::waiters::Direction;

/// How long the end of a run waits for bytes to go to clients that are slow to take them. What is left
/// then goes out in the next run.
const LINGER: Duration = Duration::from_secs(1);

/// What loops that don't run have put aside: by loop, by slot.
static ASIDE: LazyLock<Mutex<HashMap<u32, HashMap<u32, Left>>>> = LazyLock::new(Mutex::default);

fn aside() -> MutexGuard<'static, HashMap<u32, HashMap<u32, Left>>> {
    // Nothing is left half-done under this lock.
    ASIDE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a socket over from a loop that is gone or does not run at the moment, with what had come for
/// it; `None` from one that runs, which is to be asked. `leave` is called while the loop can't begin to
/// run.
pub fn take_over(id: u32, slot: Slot, leave: impl FnOnce()) -> Option<Left> {
    let mut aside = aside();
    let gone = crate::Remote::of(id).is_none();
    let left = match aside.get_mut(&id) {
        Some(of_loop) => of_loop.remove(&slot.index()),
        None if gone => None,
        None => return None,
    };
    leave();
    if gone && aside.get(&id).is_some_and(HashMap::is_empty) {
        aside.remove(&id);
    }
    Some(left.unwrap_or_default())
}

/// A socket that is to be given up, and who wants it.
pub(crate) struct Leaving {
    slot: Slot,
    token: Token,
    then: Box<dyn FnOnce(Left)>,
}

impl Loop {
    /// Whether its driver answers "what is done?", so that sockets are used by the calls below.
    pub fn completes(&self) -> bool {
        completes(self.id())
    }

    fn complete<R>(&self, slot: Slot, f: impl FnOnce(&mut dyn Completer, Token) -> R) -> Option<R> {
        let token = self.0.slots.borrow().token(slot)?;
        let mut poller = self.0.poller.borrow_mut();
        Some(f(poller.completer()?, token))
    }

    /// Calls `f` with what has come for a socket.
    pub fn inbox(&self, slot: Slot, f: &mut dyn FnMut(&mut dyn Inbox)) {
        self.complete(slot, |driver, token| driver.inbox(token, f));
    }

    /// Takes bytes to be sent; see [`Completer::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send(&self, slot: Slot, fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.complete(slot, |driver, token| driver.send(token, fd, bytes));
        sent.unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }

    /// Ends the output once all is sent; says whether it will, or the caller has to do it.
    pub fn shutdown_write(&self, slot: Slot) -> bool {
        let shut = self.complete(slot, |driver, token| driver.shutdown_write(token));
        shut.unwrap_or(false)
    }

    /// Whether bytes or connections have been asked for.
    pub fn expects(&self, slot: Slot) -> bool {
        let expects = self.complete(slot, |driver, token| driver.expects(token));
        expects.unwrap_or(false)
    }

    /// Wakes `waker` once, when what is asked for has come.
    ///
    /// # Errors
    /// As [`Completer::expect`].
    pub fn wait_done(
        &self,
        slot: Slot,
        fd: BorrowedFd<'_>,
        direction: Direction,
        what: Expect,
        waker: &Waker,
    ) -> io::Result<()> {
        self.0.slots.borrow_mut().add_waiter(slot, direction, waker);
        let asked = self.complete(slot, |driver, token| driver.expect(token, fd, what));
        asked.unwrap_or(Ok(()))
    }

    /// Stops accepting ahead of who asks.
    pub(crate) fn pause(&self, slot: Slot) {
        if self.completes() {
            self.complete(slot, |driver, token| driver.pause(token));
        }
    }

    /// Gives a slot up, wakes whoever waits in it, and closes its descriptor once all that was taken
    /// to be sent is sent.
    pub fn close(&self, slot: Slot, fd: OwnedFd) {
        let mut fd = Some(fd);
        if self.completes() {
            self.complete(slot, |driver, token| {
                if let Some(fd) = fd.take() {
                    driver.close(token, fd);
                }
            });
        }
        self.detach(slot);
        // Last: the driver must forget the descriptor before its number can be used again.
        drop(fd);
    }

    /// Gives a slot up. `then` is called with what had come for its socket, once the kernel is done
    /// with it.
    pub fn release(&self, slot: Slot, then: impl FnOnce(Left) + 'static) {
        let Some(token) = self.0.slots.borrow().token(slot) else {
            return then(Left::default());
        };
        let then = Box::new(then);
        self.0
            .leaving
            .borrow_mut()
            .push(Leaving { slot, token, then });
        self.see_off();
    }

    /// Looks for sockets that can be given up now.
    pub(crate) fn see_off(&self) {
        let leaving = self.0.leaving.take();
        for one in leaving {
            let left = self.complete(one.slot, |driver, token| match token == one.token {
                true => driver.release(token),
                false => Some(Left::default()),
            });
            match left {
                Some(None) => self.0.leaving.borrow_mut().push(one),
                left => {
                    (one.then)(left.flatten().unwrap_or_default());
                    if self.0.slots.borrow().token(one.slot) == Some(one.token) {
                        self.detach(one.slot);
                    }
                }
            }
        }
    }

    /// Calls `f` as if this loop, which runs, did not: with everything put aside.
    pub fn pause_all<R>(&self, f: impl FnOnce() -> R) -> R {
        self.pack();
        let result = f();
        self.unpack();
        result
    }

    /// Takes back what was put aside.
    pub(crate) fn unpack(&self) {
        for (slot, left) in aside().remove(&self.id()).into_iter().flatten() {
            self.complete(Slot::from_index(slot), |driver, token| {
                driver.restore(token, left);
            });
        }
    }

    /// Puts everything aside.
    pub(crate) fn pack(&self) {
        let packed = match self.0.poller.borrow_mut().completer() {
            Some(driver) => driver.quiesce(LINGER),
            None => return,
        };
        self.see_off();
        let slots = self.0.slots.borrow();
        let packed = packed
            .into_iter()
            .filter_map(|(token, left)| Some((slots.slot(token)?.index(), left)));
        aside().insert(self.id(), packed.collect());
    }
}

/// Forgets a loop that is gone, but for what may still be taken over.
pub(crate) fn forget(id: u32) {
    let mut aside = aside();
    if aside.get(&id).is_some_and(HashMap::is_empty) {
        aside.remove(&id);
    }
}

/// Says that a loop is there and does not run yet.
pub(crate) fn announce(id: u32) {
    aside().insert(id, HashMap::new());
}
