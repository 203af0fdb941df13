//! Sockets under a driver that answers "what is done?".
//!
//! What has come for a socket is with the driver of its loop. Elsewhere it is had in two ways: a loop
//! that runs is asked to [give the socket up](Loop::release); one that doesn't has put everything aside
//! where any thread [finds it](take_over).

use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use switchboard_driver::{CompletionDriver, Completions, Request, Token, Unclaimed};

use crate::event_loop::Loop;
use crate::remote::{Remote, completes};
use crate::slots::Slot;
use crate::waiters::Direction;

/// What a loop that does not run has put aside, by slot.
#[derive(Default)]
struct Aside {
    left: HashMap<u32, Unclaimed>,
    /// Slots whose sockets were taken over meanwhile.
    gone: Vec<u32>,
}

/// Loops that don't run.
static ASIDE: LazyLock<Mutex<HashMap<u32, Aside>>> = LazyLock::new(Mutex::default);

fn aside() -> MutexGuard<'static, HashMap<u32, Aside>> {
    // Nothing is left half-done under this lock.
    ASIDE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a socket over from its loop. If that is gone or does not run, `now` is called with what had come
/// for it, and the answer is true; the loop can't begin to run meanwhile. One that runs is asked: it calls
/// `ask`, or drops it when it ends its run before that, and then it is worth trying again.
pub fn take_over(
    id: u32,
    slot: Slot,
    now: impl FnOnce(Unclaimed),
    ask: impl FnOnce(&Loop) + Send + 'static,
) -> bool {
    let mut aside = aside();
    let remote = Remote::of(id);
    let left = match (aside.get_mut(&id), &remote) {
        (Some(of_loop), _) => {
            of_loop.gone.push(slot.index());
            of_loop.left.remove(&slot.index())
        }
        (None, Some(remote)) => {
            // Under the lock, so that the loop finds it when it ends its run.
            let refused = remote.ask(ask);
            // It wakes who waits, who may be anybody.
            drop(aside);
            drop(refused);
            return false;
        }
        (None, None) => None,
    };
    now(left.unwrap_or_default());
    if remote.is_none() {
        let_go(&mut aside, id);
    }
    true
}

/// A socket that is to be given up, and who wants it.
pub(crate) struct Leaving {
    slot: Slot,
    token: Token,
    then: Box<dyn FnOnce(Unclaimed)>,
}

impl Loop {
    /// Whether its driver answers "what is done?", so that sockets are used by the calls below.
    pub fn completes(&self) -> bool {
        completes(self.id())
    }

    fn complete<R>(
        &self,
        slot: Slot,
        f: impl FnOnce(&mut dyn CompletionDriver, Token) -> R,
    ) -> Option<R> {
        let token = self.0.slots.borrow().token(slot)?;
        let mut poller = self.0.poller.borrow_mut();
        Some(f(poller.completion_driver()?, token))
    }

    /// Calls `f` with what has come for a socket.
    pub fn inbox(&self, slot: Slot, f: &mut dyn FnMut(&mut dyn Completions)) {
        self.complete(slot, |driver, token| driver.completions(token, f));
    }

    /// Has bytes sent at the end of this turn; see [`CompletionDriver::post`].
    pub fn post(&self, slot: Slot, fd: BorrowedFd<'_>, bytes: &[u8], waker: &Waker) -> Option<u32> {
        self.complete(slot, |driver, token| driver.post(token, fd, bytes, waker))?
    }

    /// The answer to what was [posted](Loop::post).
    ///
    /// # Errors
    /// The system's.
    pub fn posted(&self, number: u32, waker: &Waker) -> Poll<io::Result<usize>> {
        match self.0.poller.borrow_mut().completion_driver() {
            Some(driver) => driver.poll_posted(number, waker),
            None => Poll::Pending,
        }
    }

    /// Gives up what was [posted](Loop::post).
    pub fn withdraw(&self, number: u32) {
        if let Some(driver) = self.0.poller.borrow_mut().completion_driver() {
            driver.withdraw(number);
        }
    }

    /// Sends what was posted, before something that holds this thread.
    pub fn send_posted(&self) {
        if let Some(driver) = self.0.poller.borrow_mut().completion_driver() {
            driver.flush();
        }
    }

    /// Wakes those whose bytes were sent.
    pub(crate) fn tell_writers(&self) {
        let mut wakers = self.0.wakers.take();
        if let Some(driver) = self.0.poller.borrow_mut().completion_driver() {
            driver.take_wakers(&mut wakers);
        }
        wakers.drain(..).for_each(Waker::wake);
        self.0.wakers.replace(wakers);
    }

    /// Whether bytes or connections have been asked for.
    pub fn expects(&self, slot: Slot) -> bool {
        let expects = self.complete(slot, |driver, token| driver.is_requested(token));
        expects.unwrap_or(false)
    }

    /// Wakes `waker` once, when what is asked for has come.
    ///
    /// # Errors
    /// As [`CompletionDriver::request`].
    pub fn wait_done(
        &self,
        slot: Slot,
        fd: BorrowedFd<'_>,
        direction: Direction,
        what: Request,
        waker: &Waker,
    ) -> io::Result<()> {
        self.0.slots.borrow_mut().add_waiter(slot, direction, waker);
        let asked = self.complete(slot, |driver, token| driver.request(token, fd, what));
        asked.unwrap_or(Ok(()))
    }

    /// Takes back that a connection was asked for; says whether one was.
    pub(crate) fn pause(&self, slot: Slot) -> bool {
        let pause = || self.complete(slot, |driver, token| driver.cancel_accept(token));
        self.completes() && pause().unwrap_or(false)
    }

    /// Gives a slot up, wakes whoever waits in it, and closes its descriptor.
    pub fn close(&self, slot: Slot, fd: OwnedFd) {
        let token = self.0.slots.borrow().token(slot);
        // The driver must forget the descriptor before its number can be used again.
        self.detach(slot);
        match self.0.poller.borrow_mut().completion_driver().zip(token) {
            Some((driver, token)) => driver.close(token, fd),
            None => drop(fd),
        }
    }

    /// Gives a slot up. `then` is called with what had come for its socket, once the kernel is done
    /// with it.
    pub fn release(&self, slot: Slot, then: impl FnOnce(Unclaimed) + 'static) {
        let Some(token) = self.0.slots.borrow().token(slot) else {
            return then(Unclaimed::default());
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
                false => Some(Unclaimed::default()),
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

    /// Takes back what was put aside, and forgets what was taken over.
    pub(crate) fn unpack(&self) {
        let Some(mine) = aside().remove(&self.id()) else {
            return;
        };
        for slot in mine.gone.into_iter().map(Slot::from_index) {
            // Nothing of it is under way.
            self.complete(slot, |driver, token| drop(driver.release(token)));
            self.detach(slot);
        }
        for (slot, left) in mine.left {
            self.complete(Slot::from_index(slot), |driver, token| {
                driver.restore(token, left);
            });
        }
    }

    /// Puts everything aside.
    pub(crate) fn pack(&self) {
        let packed = match self.0.poller.borrow_mut().completion_driver() {
            Some(driver) => driver.quiesce(),
            None => return,
        };
        let mut mine = Aside::default();
        for (token, left) in packed {
            let leaves = |leaving: &Leaving| leaving.token == token;
            let slot = self.0.slots.borrow().slot(token);
            match slot {
                Some(_) if self.0.leaving.borrow().iter().any(leaves) => {
                    if let Some(driver) = self.0.poller.borrow_mut().completion_driver() {
                        driver.restore(token, left);
                    }
                }
                Some(slot) => drop(mine.left.insert(slot.index(), left)),
                None => {}
            }
        }
        // Nothing of them is under way.
        self.see_off();
        aside().insert(self.id(), mine);
        // Who asked and was not heard finds it there.
        self.receive(|ask| drop(ask));
    }
}

/// Forgets what a loop that does not run has put aside for a socket that is closed.
pub fn forget(id: u32, slot: Slot) {
    let left = aside()
        .get_mut(&id)
        .and_then(|of_loop| of_loop.left.remove(&slot.index()));
    drop(left);
    forget_loop(id);
}

/// Forgets a loop that is gone, but for what may still be taken over.
pub(crate) fn forget_loop(id: u32) {
    let mut aside = aside();
    if Remote::of(id).is_none() {
        let_go(&mut aside, id);
    }
}

fn let_go(aside: &mut HashMap<u32, Aside>, id: u32) {
    if aside.get(&id).is_some_and(|one| one.left.is_empty()) {
        aside.remove(&id);
    }
}

/// Says that a loop is there and does not run yet.
pub(crate) fn announce(id: u32) {
    aside().insert(id, Aside::default());
}
