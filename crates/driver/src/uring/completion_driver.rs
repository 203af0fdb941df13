//! The operations of the ring, and ending all of them.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::Uring;
use crate::completion::{CompletionDriver, Completions, Later, Request, Unclaimed};
use crate::{Chunk, Token};

/// The longest wait for the end of cancelled operations. The kernel needs one system call for some
/// dozens of them.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

impl CompletionDriver for Uring {
    #[inline]
    fn request(&mut self, token: Token, fd: BorrowedFd<'_>, what: Request) -> io::Result<()> {
        self.sockets.request(token, fd, what, &mut self.ring)
    }

    fn completions(&mut self, token: Token, f: &mut dyn FnMut(&mut dyn Completions)) {
        self.sends.received();
        f(&mut self.sockets.completions(token));
    }

    #[inline]
    fn recv(&mut self, token: Token) -> io::Result<(Chunk, bool)> {
        self.sends.received();
        self.sockets.completions(token).recv()
    }

    #[inline]
    fn is_requested(&mut self, token: Token) -> bool {
        self.sockets.is_armed(token)
    }

    fn cancel_accept(&mut self, token: Token) -> bool {
        self.sockets.cancel_accept(token, &mut self.ring)
    }

    fn stop(&mut self, token: Token) -> bool {
        self.sockets.stop(token, &mut self.ring)
    }

    #[inline]
    fn post(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<u32> {
        if self.ring.is_forked() {
            return None;
        }
        let number = self.sends.post(token, bytes, waker)?;
        self.sockets.add(token, fd);
        Some(number)
    }

    #[inline]
    fn poll_posted(&mut self, number: u32, waker: &Waker) -> Poll<io::Result<usize>> {
        self.sends.poll(number, waker)
    }

    fn withdraw(&mut self, number: u32) {
        self.sends.withdraw(number);
    }

    #[inline]
    fn send_later(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<Later> {
        if self.ring.is_forked() {
            return None;
        }
        let later = self.sends.post_later(token, bytes, waker)?;
        self.sockets.add(token, fd);
        Some(later)
    }

    fn extend_later(&mut self, later: Later, bytes: &[u8]) -> Option<bool> {
        self.sends.extend(later, bytes)
    }

    #[inline]
    fn poll_later(&mut self, later: Later, waker: Option<&Waker>) -> Poll<io::Result<Box<[u8]>>> {
        self.sends.poll_later(later, waker)
    }

    fn withdraw_later(&mut self, later: Later) {
        self.sends.withdraw_later(later);
    }

    #[inline]
    fn take_unneeded(&mut self, wakers: &mut Vec<Waker>) {
        self.sends.take_unneeded(wakers);
    }

    fn flush(&mut self) {
        if self.sends.has_queued() && !self.ring.is_forked() {
            let _ = self.sends.submit(&mut self.ring, &mut self.sockets);
            let _ = self.turn_until(|_| true);
        }
    }

    #[inline]
    fn take_wakers(&mut self, wakers: &mut Vec<Waker>) {
        self.sends.take_wakers(wakers);
    }

    fn close(&mut self, token: Token, fd: OwnedFd) {
        if self.ring.is_forked() {
            return drop(fd);
        }
        // A listener that was dropped must refuse clients from now on.
        if self.sockets.close(token, fd, &mut self.ring) {
            let _ = self.turn_until(|uring| !uring.sockets.is_closing(token));
        }
    }

    fn release(&mut self, token: Token) -> Option<Unclaimed> {
        self.sockets.release(token, &mut self.ring)
    }

    fn restore(&mut self, token: Token, unclaimed: Unclaimed) {
        self.sockets.restore(token, unclaimed);
    }

    fn quiesce(&mut self) -> Vec<(Token, Unclaimed)> {
        // Sends that cannot be submitted now are submitted in the next run, if there is one.
        let _ = self.sends.submit(&mut self.ring, &mut self.sockets);
        self.sockets.cancel_all(&mut self.ring);
        // Completions of a failed ring are lost.
        if !matches!(self.turn_until(|uring| uring.sockets.are_idle()), Ok(true)) {
            self.ring.set_broken();
        }
        self.sockets.take_unclaimed()
    }
}

impl Uring {
    /// Takes turns until every request is submitted and `done` holds; returns whether that is so
    /// before [`CANCEL_TIMEOUT`]. Events and a notification are kept for the next wait.
    fn turn_until(&mut self, done: impl Fn(&Uring) -> bool) -> io::Result<bool> {
        let end = Instant::now() + CANCEL_TIMEOUT;
        let mut early_events = std::mem::take(&mut self.early_events);
        let mut notified = false;
        // The first turn only submits; most requests are complete when it returns.
        let mut timeout = Duration::ZERO;
        let result = loop {
            let mut events = Vec::new();
            let turned = self.turn(&mut events, Some(timeout));
            early_events.append(&mut events);
            notified |= std::mem::take(&mut self.notified);
            if let Err(error) = turned {
                break Err(error);
            }
            if self.ring.is_submitted() && done(self) {
                break Ok(true);
            }
            timeout = end.saturating_duration_since(Instant::now());
            if timeout.is_zero() {
                break Ok(false);
            }
        };
        (self.early_events, self.notified) = (early_events, notified);
        result
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if !self.ring.is_forked() {
            self.quiesce();
        }
        if self.ring.check().is_ok() {
            self.buffers.unregister(&self.ring);
        } else {
            self.buffers.abandon();
        }
    }
}
