//! What sockets, sleeps and blocking flows are built on: the part of a loop that its users don't see.

use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use switchboard_driver::{CompletionDriver, Request, Token};

use crate::event_loop::registry::{Direction, Registration};
use crate::timers::TimerKey;

/// What a system call moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// How many bytes.
    pub bytes: usize,
    /// Whether that was less than there was room for, so that nothing is left.
    pub short: bool,
}

/// A system call on a descriptor.
pub trait SystemCall {
    /// What the call gives.
    type Output;

    /// Makes the call; blocks in it only if `may_block`. It runs while the loop's tables are borrowed and
    /// must not use the loop.
    ///
    /// # Errors
    /// The system's; `WouldBlock` if the call would block and may not.
    fn call(&mut self, fd: BorrowedFd<'_>, may_block: bool) -> io::Result<Self::Output>;

    /// Tells what a call moved that had this output.
    fn transfer(&self, _output: &Self::Output) -> Transfer {
        Transfer::default()
    }
}

/// The operations that sockets are made of. A socket is registered when it first has to wait, and
/// deregistered before its descriptor is closed.
pub trait Sockets {
    /// Adds a registration. The driver isn't told before somebody waits.
    fn register(&self, fd: BorrowedFd<'_>) -> Registration;

    /// Ends a registration and wakes whoever waits in it.
    fn deregister(&self, registration: Registration);

    /// Returns whether a call in this direction is worth trying.
    fn is_ready(&self, registration: Registration, direction: Direction) -> bool;

    /// Makes the system call if it is worth trying, and waits for the driver's event if it would block.
    /// Yields when the budget of the task is spent.
    ///
    /// # Errors
    /// Those of the call; `NotFound` if the registration ended; those of registering the descriptor.
    fn poll_operation<C: SystemCall>(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        direction: Direction,
        context: &mut Context<'_>,
        operation: &mut C,
    ) -> Poll<io::Result<C::Output>>;

    /// Wakes `waker` once, when the direction becomes ready.
    ///
    /// # Errors
    /// Those of [`Poller::register`](switchboard_driver::Poller::register).
    fn wait_for(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waker: &Waker,
    ) -> io::Result<()>;

    /// Ends a wait that was given up, so that its waker isn't kept.
    fn abandon(&self, registration: Registration, direction: Direction);

    /// Records that a call would block, or (`would_block` false) that it took all there seemed to be: the
    /// next call isn't worth trying before the next event.
    fn drained(&self, registration: Registration, direction: Direction, would_block: bool);

    /// Yields once, with `Pending`, if the budget of the running task is spent.
    fn poll_budget(&self, context: &mut Context<'_>) -> Poll<()>;

    /// Takes a call that moved `bytes` from the budget of the running task.
    fn charge(&self, bytes: usize);

    /// Returns whether the driver is a completion driver, for which the calls below are.
    fn completes(&self) -> bool;

    /// Calls `f` with the driver and the token of a socket; `None` if there is no such registration, or no
    /// completion driver.
    fn complete<R>(
        &self,
        registration: Registration,
        f: impl FnOnce(&mut dyn CompletionDriver, Token) -> R,
    ) -> Option<R>;

    /// Has bytes sent at the end of this turn; see [`CompletionDriver::post`].
    fn post(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<u32>;

    /// Returns the result of what was [posted](Sockets::post).
    ///
    /// # Errors
    /// The system's.
    fn poll_posted(&self, number: u32, waker: &Waker) -> Poll<io::Result<usize>>;

    /// Gives up the result of what was [posted](Sockets::post).
    fn withdraw(&self, number: u32);

    /// Sends what was posted, before something that holds this thread.
    fn flush_posted(&self);

    /// Returns whether a receive or an accept is in flight.
    fn is_requested(&self, registration: Registration) -> bool;

    /// Requests `what` of the driver, and wakes `waker` once there is a completion.
    ///
    /// # Errors
    /// Those of [`CompletionDriver::request`].
    fn wait_done(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        direction: Direction,
        what: Request,
        waker: &Waker,
    ) -> io::Result<()>;

    /// Wakes `waker` at `when`, by the loop's [time](crate::Loop::now).
    fn wake_at(&self, when: Instant, waker: Waker) -> TimerKey;

    /// Replaces the waker of a timer; returns whether the timer is still armed.
    fn replace_waker(&self, timer: TimerKey, waker: &Waker) -> bool;

    /// Disarms a timer of [`wake_at`](Sockets::wake_at).
    fn cancel_wake(&self, timer: TimerKey);
}

/// Repeats a call that a signal interrupted.
#[inline(always)]
pub fn uninterrupted<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
