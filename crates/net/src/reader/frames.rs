//! Frames of a connection: messages behind their lengths.

use std::io::{self, IoSlice};

use super::{Unread, too_long};
use crate::stream::Stream;

/// A reader and writer of frames: the length of a message as a big-endian number of four bytes, and the
/// message.
///
/// Messages are returned where they are, in the received chunk; only one that lies in several chunks is put
/// together. Memory is taken as bytes come, whatever length is announced. A connection that waits between
/// frames holds no buffer.
///
/// ```
/// use switchboard_net::{Frames, Stream};
/// use switchboard_runtime::Model;
///
/// let (here, there) = Stream::pair()?;
/// let (mut here, there) = (Frames::new(here, 1024), Frames::new(there, 1024));
/// Model::Tasks.run(async {
///     there.send(b"hello").await?;
///     assert_eq!(here.next().await?, Some(&b"hello"[..]));
///     drop(there);
///     assert_eq!(here.next().await?, None);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Frames {
    unread: Unread,
    max_length: usize,
    prefix: usize,
    /// The length of the frame that was returned last, with its prefix.
    returned: usize,
}

impl Frames {
    /// Reads messages of at most `max_length` bytes from `stream`.
    pub fn new(stream: Stream, max_length: usize) -> Frames {
        Frames {
            unread: Unread::new(stream),
            max_length,
            prefix: 4,
            returned: 0,
        }
    }

    /// Sets of how many bytes the length in front of each message is.
    ///
    /// # Panics
    /// If `bytes` is zero or more than eight.
    pub fn prefix_bytes(mut self, bytes: usize) -> Frames {
        assert!((1..=8).contains(&bytes), "a prefix has 1 to 8 bytes");
        self.prefix = bytes;
        self
    }

    /// Waits for a frame, and returns its message; `None` if the input ends between two frames. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// `InvalidData` for a message that is longer than allowed, again in each further call; `UnexpectedEof`
    /// if the input ends within a frame; those of [`Stream::recv`].
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.unread.consume(std::mem::take(&mut self.returned));
        if !self.unread.wait_for(self.prefix).await? {
            return match self.unread.start().is_empty() {
                true => Ok(None),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            };
        }
        let prefix = &self.unread.start()[..self.prefix];
        let length = prefix
            .iter()
            .fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
        let end = usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.max_length)
            .and_then(|length| length.checked_add(self.prefix))
            .ok_or_else(|| too_long("frame", self.max_length))?;
        if !self.unread.wait_for(end).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.returned = end;
        Ok(Some(&self.unread.start()[self.prefix..end]))
    }

    /// Sends a frame with `message`. Dropped before it completes, it may have sent a part.
    ///
    /// # Errors
    /// `InvalidInput` for a message that is longer than allowed, or than its prefix can say; those of
    /// [`Stream::write`].
    pub async fn send(&self, message: &[u8]) -> io::Result<()> {
        let length = (message.len() as u64).to_be_bytes();
        let (zeros, prefix) = length.split_at(length.len() - self.prefix);
        if message.len() > self.max_length || zeros.iter().any(|byte| *byte != 0) {
            let error = too_long("frame", self.max_length);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        let mut buffers = [IoSlice::new(prefix), IoSlice::new(message)];
        self.stream().write_all_vectored(&mut buffers).await
    }

    /// Returns the connection.
    pub fn stream(&self) -> &Stream {
        &self.unread.stream
    }

    /// Returns the connection, and the bytes that were received behind the last frame.
    pub fn into_parts(mut self) -> (Stream, Vec<u8>) {
        self.unread.consume(self.returned);
        self.unread.into_parts()
    }
}
