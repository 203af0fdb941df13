//! The implementation of [`Sockets`]: operations of descriptors on a loop, and waits for them.

use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use switchboard_driver::{CompletionDriver, Request, Token, Uring};

use crate::event_loop::registry::{Direction, Registration, gone};
use crate::event_loop::sockets::{Sockets, SystemCall, uninterrupted};
use crate::event_loop::{Loop, TimerEvent};
use crate::timers::TimerKey;

impl Sockets for Loop {
    fn register(&self, fd: BorrowedFd<'_>) -> Registration {
        self.0.registry.borrow_mut().insert(fd)
    }

    fn deregister(&self, registration: Registration) {
        let (fired, entry) = {
            let mut poller = self.0.poller.borrow_mut();
            let mut registry = self.0.registry.borrow_mut();
            registry.remove(registration, &mut **poller)
        };
        drop(entry);
        fired.wake();
    }

    fn is_ready(&self, registration: Registration, direction: Direction) -> bool {
        let registry = self.0.registry.borrow();
        registry
            .get(registration)
            .is_some_and(|entry| entry.is_ready(direction))
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll_operation<C: SystemCall>(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        direction: Direction,
        context: &mut Context<'_>,
        operation: &mut C,
    ) -> Poll<io::Result<C::Output>> {
        if self.poll_budget(context).is_pending() {
            return Poll::Pending;
        }
        let mut registry = self.0.registry.borrow_mut();
        let rules = registry.rules();
        let Some(entry) = registry.get_mut(registration) else {
            return Poll::Ready(Err(gone()));
        };
        while entry.is_ready(direction) {
            match operation.call(fd, false) {
                Ok(value) => {
                    let transfer = operation.transfer(&value);
                    // A read of zero bytes is the end of input, which further reads must find again.
                    if transfer.short && transfer.bytes > 0 && rules.short_is_all(direction) {
                        entry.drained(direction);
                    }
                    self.charge(transfer.bytes);
                    return Poll::Ready(Ok(value));
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => entry.would_block(direction),
                    io::ErrorKind::Interrupted => {}
                    _ => return Poll::Ready(Err(error)),
                },
            }
        }
        let at = entry.at(registration, fd);
        match entry.wait(at, direction, context.waker(), rules.edge, &self.0.poller) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn wait_for(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waker: &Waker,
    ) -> io::Result<()> {
        let mut registry = self.0.registry.borrow_mut();
        registry.wait(registration, fd, direction, waker, &self.0.poller)
    }

    fn abandon(&self, registration: Registration, direction: Direction) {
        // The other flows that wait for connections are woken, and request them again.
        let cancelled = direction == Direction::Read && self.cancel_accept(registration);
        let fired = {
            let mut registry = self.0.registry.borrow_mut();
            registry.abandon(registration, direction, cancelled)
        };
        fired.wake();
    }

    fn drained(&self, registration: Registration, direction: Direction, would_block: bool) {
        let mut registry = self.0.registry.borrow_mut();
        let rules = registry.rules();
        if let Some(entry) = registry.get_mut(registration) {
            match would_block {
                true => entry.would_block(direction),
                false if rules.short_is_all(direction) => entry.drained(direction),
                false => {}
            }
        }
    }

    #[inline]
    fn poll_budget(&self, context: &mut Context<'_>) -> Poll<()> {
        match self.0.credit.get().is_spent() {
            false => Poll::Ready(()),
            true => self.yield_once(context),
        }
    }

    #[inline]
    fn charge(&self, bytes: usize) {
        self.0.credit.set(self.0.credit.get().after(bytes));
    }

    #[inline]
    fn completes(&self) -> bool {
        self.has_completion_driver()
    }

    #[inline]
    fn complete<R>(
        &self,
        registration: Registration,
        f: impl FnOnce(&mut Uring, Token) -> R,
    ) -> Option<R> {
        let token = self.0.registry.borrow().token(registration)?;
        let mut poller = self.0.poller.borrow_mut();
        Some(f(poller.completion_driver()?, token))
    }

    fn is_requested(&self, registration: Registration) -> bool {
        let requested = self.complete(registration, |driver, token| driver.is_requested(token));
        requested.unwrap_or(false)
    }

    fn stop_request(&self, registration: Registration, waker: &Waker) -> bool {
        let stopping = self.complete(registration, |driver, token| driver.stop(token));
        if stopping != Some(true) {
            return false;
        }
        if let Some(entry) = self.0.registry.borrow_mut().get_mut(registration) {
            entry.add_waiter(Direction::Read, waker);
        }
        true
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll_request<C: SystemCall>(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        what: Request,
        context: &mut Context<'_>,
        operation: &mut C,
        take: impl FnOnce(&mut C, &mut Uring, Token) -> Option<io::Result<(C::Output, bool)>>,
    ) -> Poll<io::Result<C::Output>> {
        if self.poll_budget(context).is_pending() {
            return Poll::Pending;
        }
        let mut registry = self.0.registry.borrow_mut();
        let Some(entry) = registry.get_mut(registration) else {
            return Poll::Ready(Err(gone()));
        };
        let token = entry.at(registration, fd).token;
        let direction = match what {
            Request::Bytes | Request::Connection => Direction::Read,
            Request::Writable => Direction::Write,
        };
        if entry.is_ready(direction) {
            match self.complete_or_call(fd, what, token, operation, take) {
                Ok((output, more)) => {
                    if !more {
                        entry.drained(direction);
                    }
                    self.charge(operation.transfer(&output).bytes);
                    return Poll::Ready(Ok(output));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    entry.would_block(direction);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        entry.add_waiter(direction, context.waker());
        let requested = match self.0.poller.borrow_mut().completion_driver() {
            Some(driver) => driver.request(token, fd, what),
            None => Ok(()),
        };
        match requested {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn wake_at(&self, when: Instant, waker: Waker) -> TimerKey {
        let event = TimerEvent::Wake(waker);
        self.0.timers.borrow_mut().arm(when, event)
    }

    fn replace_waker(&self, timer: TimerKey, waker: &Waker) -> bool {
        let mut timers = self.0.timers.borrow_mut();
        let Some(TimerEvent::Wake(armed)) = timers.get_mut(timer) else {
            return false;
        };
        if !armed.will_wake(waker) {
            let old = std::mem::replace(armed, waker.clone());
            // The drop of a waker may run code that uses the timers.
            drop(timers);
            drop(old);
        }
        true
    }

    fn cancel_wake(&self, timer: TimerKey) {
        let event = self.0.timers.borrow_mut().cancel(timer);
        drop(event);
    }
}

impl Loop {
    /// Takes a completion, or makes the system call if the driver does not carry the operation out.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn complete_or_call<C: SystemCall>(
        &self,
        fd: BorrowedFd<'_>,
        what: Request,
        token: Token,
        operation: &mut C,
        take: impl FnOnce(&mut C, &mut Uring, Token) -> Option<io::Result<(C::Output, bool)>>,
    ) -> io::Result<(C::Output, bool)> {
        if what != Request::Writable
            && let Some(driver) = self.0.poller.borrow_mut().completion_driver()
        {
            match take(operation, driver, token) {
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Some(taken) => return taken,
                None => {}
            }
            // While its request is in flight, the driver receives the next bytes.
            if what == Request::Bytes && driver.is_requested(token) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        let output = uninterrupted(|| operation.call(fd, false))?;
        let more = !operation.transfer(&output).short;
        Ok((output, more))
    }

    #[cold]
    fn yield_once(&self, context: &mut Context<'_>) -> Poll<()> {
        self.0.credit.set(self.0.credit.get().refused());
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Cancels the accept that is in flight for a listener; returns whether there was one.
    fn cancel_accept(&self, registration: Registration) -> bool {
        self.completes()
            && self
                .complete(registration, |driver, token| driver.cancel_accept(token))
                .unwrap_or(false)
    }
}
