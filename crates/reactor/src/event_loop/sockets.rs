//! The operations that sockets, sleeps and blocking flows are built on. Users of a loop do not see them.

use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use switchboard_driver::{Request, Token, Uring};

use crate::event_loop::registry::{Direction, Registration};
use crate::timers::TimerKey;

/// The number of bytes that a system call moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// The number of bytes.
    pub bytes: usize,
    /// Whether the call moved less than it could have: the socket is drained, or its buffer is full.
    pub short: bool,
}

/// A system call on a descriptor.
pub trait SystemCall {
    /// The result of a successful call.
    type Output;

    /// Makes the call, which blocks only if `may_block`. Must not use the loop, whose tables are borrowed
    /// meanwhile.
    ///
    /// # Errors
    /// The system's error; `WouldBlock` if the call would block and `may_block` is false.
    fn call(&mut self, fd: BorrowedFd<'_>, may_block: bool) -> io::Result<Self::Output>;

    /// Returns how many bytes a call with this output moved.
    fn transfer(&self, _output: &Self::Output) -> Transfer {
        Transfer::default()
    }
}

/// The operations of sockets on a loop. A socket is registered when it is first used on the loop, and
/// deregistered before its descriptor is closed.
pub trait Sockets {
    /// Adds a registration. The descriptor is registered with the driver at the first wait.
    fn register(&self, fd: BorrowedFd<'_>) -> Registration;

    /// Ends a registration and wakes the flows that wait for it.
    fn deregister(&self, registration: Registration);

    /// Returns whether a call in this direction may succeed at once.
    fn is_ready(&self, registration: Registration, direction: Direction) -> bool;

    /// Makes the system call if the direction is ready, and waits for the driver's event if the call would
    /// block. Yields once the budget of the task is spent.
    ///
    /// # Errors
    /// The call's error; `NotFound` if the registration ended; the driver's error if it cannot register the
    /// descriptor.
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
    /// `NotFound` if the registration ended; those of
    /// [`Poller::register`](switchboard_driver::Poller::register).
    fn wait_for(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waker: &Waker,
    ) -> io::Result<()>;

    /// Ends a wait that its flow has given up, so that its waker is not kept.
    fn abandon(&self, registration: Registration, direction: Direction);

    /// Records that a call would block, or, if `would_block` is false, that it was short. The direction is
    /// not ready until the next event.
    fn drained(&self, registration: Registration, direction: Direction, would_block: bool);

    /// Returns `Pending` and wakes the task again if its budget is spent.
    fn poll_budget(&self, context: &mut Context<'_>) -> Poll<()>;

    /// Subtracts a call that moved `bytes` from the budget of the running task.
    fn charge(&self, bytes: usize);

    /// Returns whether the driver is a completion driver. The methods below are for completion drivers.
    fn completes(&self) -> bool;

    /// Calls `f` with the driver and the token of a socket; `None` if there is no such registration, or no
    /// completion driver.
    fn complete<R>(
        &self,
        registration: Registration,
        f: impl FnOnce(&mut Uring, Token) -> R,
    ) -> Option<R>;

    /// Returns whether a receive or an accept is in flight.
    fn is_requested(&self, registration: Registration) -> bool;

    /// Cancels the receive or the accept that is in flight, and wakes `waker` when it has ended. Returns
    /// whether there is one.
    fn stop_request(&self, registration: Registration, waker: &Waker) -> bool;

    /// If the direction of `what` is ready, takes a completion by `take`, or makes the system call of an
    /// operation that the driver does not carry out. Otherwise requests `what` from the driver and waits for
    /// it. Yields once the budget of the task is spent.
    ///
    /// `take` returns an output and whether there are more completions; `None` if the system call returns
    /// the output once the request is done. It must not use the loop.
    ///
    /// # Errors
    /// The operation's error; `NotFound` if the registration ended; those of
    /// [`request`](switchboard_driver::CompletionDriver::request).
    fn poll_request<C: SystemCall>(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        what: Request,
        context: &mut Context<'_>,
        operation: &mut C,
        take: impl FnOnce(&mut C, &mut Uring, Token) -> Option<io::Result<(C::Output, bool)>>,
    ) -> Poll<io::Result<C::Output>>;

    /// Wakes `waker` at `when` by the loop's [time](crate::Loop::now).
    fn wake_at(&self, when: Instant, waker: Waker) -> TimerKey;

    /// Replaces the waker of a timer; returns whether the timer is still armed.
    fn replace_waker(&self, timer: TimerKey, waker: &Waker) -> bool;

    /// Disarms a timer of [`wake_at`](Sockets::wake_at).
    fn cancel_wake(&self, timer: TimerKey);
}

/// Repeats a call for as long as signals interrupt it.
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn uninterrupted<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
