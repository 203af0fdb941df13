//! Sends of several buffers, and peeks.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use switchboard_runtime::{Direction, Transfer};

use super::Stream;

/// The most buffers that the system takes at once (`IOV_MAX` of Linux and the BSDs).
const MAX_BUFFERS: usize = 1024;

impl Stream {
    /// Waits until the socket is writable, sends what fits of the buffers, in order and with one system call,
    /// and returns the number of bytes. Dropped before it completes, it has sent nothing.
    ///
    /// # Errors
    /// The system's, such as `BrokenPipe`.
    ///
    /// ```
    /// use std::io::IoSlice;
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::Model;
    ///
    /// let (here, there) = Stream::pair()?;
    /// let chunk = Model::Tasks.run(async {
    ///     let buffers = [IoSlice::new(b"head "), IoSlice::new(b"body")];
    ///     assert_eq!(here.write_vectored(&buffers).await?, 9);
    ///     there.recv().await
    /// })??;
    /// assert_eq!(&*chunk, b"head body");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn write_vectored(
        &self,
        buffers: &[IoSlice<'_>],
    ) -> impl Future<Output = io::Result<usize>> {
        let poll = |context: &mut Context<'_>| self.poll_send_vectored(context, buffers);
        self.source().operation(Direction::Write, poll)
    }

    /// Sends all bytes of the buffers, and waits until the socket is writable as often as that takes. Dropped
    /// before it completes, it may have sent a part.
    ///
    /// # Errors
    /// The system's, such as `BrokenPipe`.
    pub async fn write_all_vectored(&self, mut buffers: &mut [IoSlice<'_>]) -> io::Result<()> {
        // Skips buffers that are empty.
        IoSlice::advance_slices(&mut buffers, 0);
        while !buffers.is_empty() {
            let sent = self.write_vectored(buffers).await?;
            IoSlice::advance_slices(&mut buffers, sent);
        }
        Ok(())
    }

    /// Polls until bytes were sent, as [`write_vectored`](Stream::write_vectored) does.
    pub fn poll_send_vectored(
        &self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let buffers = &buffers[..buffers.len().min(MAX_BUFFERS)];
        let length: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let source = self.source();
        source.poll_call(context, Direction::Write, |fd, may_block| {
            let mut flags = SendFlags::NOSIGNAL;
            if !may_block {
                flags |= SendFlags::DONTWAIT;
            }
            let bytes = sendmsg(fd, buffers, &mut SendAncillaryBuffer::default(), flags)?;
            let short = bytes < length;
            Ok((bytes, Transfer { bytes, short }))
        })
    }

    /// Waits for bytes, copies them to `buffer` and returns their number; the next read finds them again.
    /// Zero is the end of input.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::Model;
    ///
    /// let (here, there) = Stream::pair()?;
    /// let chunk = Model::Tasks.run(async {
    ///     there.write_all(b"hello").await?;
    ///     let mut first = [0];
    ///     assert_eq!(here.peek(&mut first).await?, 1);
    ///     assert_eq!(&first, b"h");
    ///     here.recv().await
    /// })??;
    /// assert_eq!(&*chunk, b"hello");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peek(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let poll = |context: &mut Context<'_>| self.poll_peek(context, buffer);
        self.source().operation(Direction::Read, poll)
    }

    /// Polls for bytes, as [`peek`](Stream::peek) does.
    pub fn poll_peek(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.source().poll_peek(context, buffer)
    }
}
