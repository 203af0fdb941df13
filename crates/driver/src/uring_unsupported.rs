//! The stub for platforms without io_uring.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Poll, Waker};

use crate::completion::{CompletionDriver, Completions, Later, Request, Unclaimed};
use crate::{Driver, Poller, Token};

/// Returns the error of a platform without io_uring.
pub(crate) fn open() -> io::Result<Box<dyn Poller>> {
    let best = Driver::best();
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("this platform has no io_uring; use the `{best}` driver"),
    ))
}

/// The driver `uring`, of which this platform has none.
pub enum Uring {}

impl CompletionDriver for Uring {
    fn request(&mut self, _: Token, _: BorrowedFd<'_>, _: Request) -> io::Result<()> {
        match *self {}
    }

    fn completions(&mut self, _: Token, _: &mut dyn FnMut(&mut dyn Completions)) {
        match *self {}
    }

    fn is_requested(&mut self, _: Token) -> bool {
        match *self {}
    }

    fn cancel_accept(&mut self, _: Token) -> bool {
        match *self {}
    }

    fn stop(&mut self, _: Token) -> bool {
        match *self {}
    }

    fn post(&mut self, _: Token, _: BorrowedFd<'_>, _: &[u8], _: &Waker) -> Option<u32> {
        match *self {}
    }

    fn poll_posted(&mut self, _: u32, _: &Waker) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn withdraw(&mut self, _: u32) {
        match *self {}
    }

    fn send_later(&mut self, _: Token, _: BorrowedFd<'_>, _: &[u8], _: &Waker) -> Option<Later> {
        match *self {}
    }

    fn extend_later(&mut self, _: Later, _: &[u8]) -> Option<bool> {
        match *self {}
    }

    fn poll_later(&mut self, _: Later, _: Option<&Waker>) -> Poll<io::Result<Box<[u8]>>> {
        match *self {}
    }

    fn withdraw_later(&mut self, _: Later) {
        match *self {}
    }

    fn take_unneeded(&mut self, _: &mut Vec<Waker>) {
        match *self {}
    }

    fn flush(&mut self) {
        match *self {}
    }

    fn take_wakers(&mut self, _: &mut Vec<Waker>) {
        match *self {}
    }

    fn close(&mut self, _: Token, _: OwnedFd) {
        match *self {}
    }

    fn release(&mut self, _: Token) -> Option<Unclaimed> {
        match *self {}
    }

    fn restore(&mut self, _: Token, _: Unclaimed) {
        match *self {}
    }

    fn quiesce(&mut self) -> Vec<(Token, Unclaimed)> {
        match *self {}
    }
}
