//! Sends whose writers go on at once, and ask for no result.
//!
//! Such a send is removed when the kernel has taken all of it. Otherwise it keeps the rest, and wakes its
//! writer.

use std::io;
use std::num::NonZeroU64;
use std::task::{Poll, Waker};

use super::{MAX_LENGTH, MAX_SENDS, PostedSend, Sends, State};
use crate::completion::Later;
use crate::{Chunk, Token};

impl Sends {
    /// Queues bytes whose writer goes on: it is woken only if some of them are left.
    pub(in crate::uring) fn post_later(
        &mut self,
        token: Token,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<Later> {
        let number = self.post(token, bytes, waker)?;
        self.later += 1;
        let later = Later(NonZeroU64::new(
            self.later * MAX_SENDS as u64 + u64::from(number),
        )?);
        let send = &mut self.sends[number as usize];
        (send.later, send.awaited) = (Some(later), false);
        Some(later)
    }

    /// Returns the number of bytes that are sent later, unless they are sent.
    fn find(&self, later: Later) -> Option<u32> {
        let number = later.0.get() % MAX_SENDS as u64;
        let send = self.sends.get(number as usize)?;
        (send.later == Some(later)).then_some(number as u32)
    }

    /// Adds bytes to queued ones if they are the last of their page; returns whether they are. `None` if all
    /// are sent.
    pub(in crate::uring) fn extend(&mut self, later: Later, bytes: &[u8]) -> Option<bool> {
        let number = self.find(later)?;
        let send = &mut self.sends[number as usize];
        let (length, last) = (send.length as usize, self.pages.len() as u32 - 1);
        // The page of bytes that were sent may be gone.
        if send.state != State::Queued || send.page != last {
            return Some(false);
        }
        let page = &mut self.pages[send.page as usize];
        let extends = send.start as usize + length == page.len()
            && length + bytes.len() <= MAX_LENGTH
            && page.append(bytes);
        if extends {
            send.length += bytes.len() as u32;
        }
        Some(extends)
    }

    /// Returns what the kernel did not take of bytes that are sent later, once it was given them.
    pub(in crate::uring) fn poll_later(
        &mut self,
        later: Later,
        waker: Option<&Waker>,
    ) -> Poll<io::Result<Box<[u8]>>> {
        let Some(number) = self.find(later) else {
            return Poll::Ready(Ok(Box::default()));
        };
        let send = &mut self.sends[number as usize];
        let State::Done(result) = send.state else {
            if let Some(waker) = waker {
                let was_awaited = std::mem::replace(&mut send.awaited, true);
                self.awaited += usize::from(!was_awaited && send.state != State::Queued);
                self.wake_later(number, waker);
            }
            return Poll::Pending;
        };
        let send = self.sends.remove(number as usize);
        Poll::Ready(match result {
            ..0 if result != -libc::EAGAIN => Err(io::Error::from_raw_os_error(-result)),
            _ => Ok(send.rest),
        })
    }

    pub(in crate::uring) fn withdraw_later(&mut self, later: Later) {
        if let Some(number) = self.find(later) {
            self.withdraw(number);
        }
    }

    /// Moves the wakers that need not be woken to `wakers`.
    pub(in crate::uring) fn take_unneeded(&mut self, wakers: &mut Vec<Waker>) {
        std::mem::swap(wakers, &mut self.unneeded);
    }
}

impl PostedSend {
    /// Keeps the bytes that a writer which has gone on does not have any more, if the kernel did not take
    /// them. `result` is that of the send.
    pub(super) fn keep_rest(&mut self, pages: &[Chunk], result: i32) {
        if self.later.is_some() {
            let (start, sent) = (self.start as usize, result.max(0) as usize);
            let bytes = &pages[self.page as usize][start..start + self.length as usize];
            self.rest = bytes[sent..].into();
        }
    }
}
