//! The write buffer: bytes that the socket did not take yet, and how many of them may wait.

use std::collections::VecDeque;
use std::io;
use std::task::Poll;

/// The high-water mark of a transport where none is set, in bytes.
pub(super) const HIGH: usize = 64 * 1024;
/// The low-water mark of a transport where none is set, in bytes.
pub(super) const LOW: usize = 16 * 1024;

/// Bytes that wait to be sent, and the water marks.
pub(super) struct WriteBuffer {
    /// The error of a send, which the protocol was not told yet.
    failed: Option<io::Error>,
    bytes: VecDeque<u8>,
    high: usize,
    low: usize,
}

impl Default for WriteBuffer {
    fn default() -> WriteBuffer {
        WriteBuffer {
            failed: None,
            bytes: VecDeque::new(),
            high: HIGH,
            low: LOW,
        }
    }
}

impl WriteBuffer {
    /// Adds the bytes that a send left, or its error.
    pub(super) fn add(&mut self, sent: io::Result<usize>, bytes: &[u8]) {
        match sent {
            Ok(sent) => self.bytes.extend(&bytes[sent..]),
            Err(error) => self.failed = Some(error),
        }
    }

    /// Adds bytes before all others.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().rev() {
            self.bytes.push_front(byte);
        }
    }

    /// Hands the bytes to `send` until it would block; frees their memory once all are sent.
    pub(super) fn flush(
        &mut self,
        mut send: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        while !self.bytes.is_empty() {
            match send(self.bytes.as_slices().0) {
                Poll::Ready(sent) => drop(self.bytes.drain(..sent?)),
                Poll::Pending => return Ok(()),
            }
        }
        self.bytes.shrink_to_fit();
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_above_high(&self) -> bool {
        self.bytes.len() > self.high
    }

    pub(super) fn is_at_most_low(&self) -> bool {
        self.bytes.len() <= self.low
    }

    pub(super) fn set_marks(&mut self, high: usize, low: usize) {
        (self.high, self.low) = (high, low);
    }

    /// Returns the water marks, the high one first.
    pub(super) fn marks(&self) -> (usize, usize) {
        (self.high, self.low)
    }

    /// Returns whether a new buffer would be equal to this one.
    pub(super) fn is_like_new(&self) -> bool {
        self.bytes.is_empty() && self.failed.is_none() && (self.high, self.low) == (HIGH, LOW)
    }
}
