//! Posted bytes, which a completion driver sends as a turn ends: the trait and its implementation.

use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Poll, Waker};

use switchboard_driver::{CompletionDriver, Later};

use crate::event_loop::Loop;
use crate::event_loop::registry::Registration;
use crate::event_loop::sockets::Sockets;
use crate::event_loop::task::id::TaskId;

/// Sends of a turn of a [`Loop`], with a completion driver. Other drivers send nothing that is posted.
pub trait Posts {
    /// Sends bytes at the end of this turn; see [`post`](switchboard_driver::CompletionDriver::post).
    fn post(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<u32>;

    /// Waits for the result of a send that was [posted](Posts::post).
    ///
    /// # Errors
    /// The system's error.
    fn poll_posted(&self, number: u32, waker: &Waker) -> Poll<io::Result<usize>>;

    /// Gives up the result of a send that was [posted](Posts::post). Bytes that are not submitted yet are
    /// not sent.
    fn withdraw(&self, number: u32);

    /// Sends bytes at the end of this turn, for a writer that goes on; see
    /// [`send_later`](switchboard_driver::CompletionDriver::send_later).
    fn send_later(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<Later>;

    /// Adds bytes to those that are sent later; returns whether it did, and `None` if all are sent.
    fn extend_later(&self, later: Later, bytes: &[u8]) -> Option<bool>;

    /// Returns what the kernel did not take of bytes that are sent later, once it was given them; see
    /// [`poll_later`](switchboard_driver::CompletionDriver::poll_later).
    ///
    /// # Errors
    /// The system's error.
    fn poll_later(&self, later: Later, waker: Option<&Waker>) -> Poll<io::Result<Box<[u8]>>>;

    /// Gives up bytes that are sent later. Those that are not submitted yet are not sent.
    fn withdraw_later(&self, later: Later);

    /// Sends all posted bytes at once, before this thread blocks.
    fn flush_posted(&self);
}

impl Posts for Loop {
    fn post(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<u32> {
        self.complete(registration, |driver, token| {
            driver.post(token, fd, bytes, waker)
        })?
    }

    fn poll_posted(&self, number: u32, waker: &Waker) -> Poll<io::Result<usize>> {
        match self.0.poller.borrow_mut().completion_driver() {
            Some(driver) => driver.poll_posted(number, waker),
            None => Poll::Pending,
        }
    }

    fn withdraw(&self, number: u32) {
        if let Some(driver) = self.0.poller.borrow_mut().completion_driver() {
            driver.withdraw(number);
        }
    }

    fn send_later(
        &self,
        registration: Registration,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<Later> {
        self.complete(registration, |driver, token| {
            driver.send_later(token, fd, bytes, waker)
        })?
    }

    fn extend_later(&self, later: Later, bytes: &[u8]) -> Option<bool> {
        let mut poller = self.0.poller.borrow_mut();
        poller.completion_driver()?.extend_later(later, bytes)
    }

    fn poll_later(&self, later: Later, waker: Option<&Waker>) -> Poll<io::Result<Box<[u8]>>> {
        match self.0.poller.borrow_mut().completion_driver() {
            Some(driver) => driver.poll_later(later, waker),
            None => Poll::Pending,
        }
    }

    fn withdraw_later(&self, later: Later) {
        if let Some(driver) = self.0.poller.borrow_mut().completion_driver() {
            driver.withdraw_later(later);
        }
    }

    fn flush_posted(&self) {
        if let Some(driver) = self.0.poller.borrow_mut().completion_driver() {
            driver.flush();
        }
    }
}

impl Loop {
    /// Wakes the tasks whose posted bytes were sent.
    pub(crate) fn wake_writers(&self) {
        let (mut wakers, mut unneeded) = (self.0.wakers.take(), self.0.unneeded.take());
        if let Some(driver) = self.0.poller.borrow_mut().completion_driver() {
            driver.take_wakers(&mut wakers);
            driver.take_unneeded(&mut unneeded);
        }
        unneeded.clear();
        for waker in wakers.drain(..) {
            match TaskId::of(&waker) {
                Some(task) if task.is_of(self.id()) => self.wake_task(task),
                _ => waker.wake(),
            }
        }
        self.0.wakers.replace(wakers);
        self.0.unneeded.replace(unneeded);
    }
}
