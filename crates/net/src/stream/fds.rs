//! Passing descriptors over Unix connections.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use switchboard_runtime::{Direction, Transfer};

use super::Stream;

/// The most descriptors that can be sent at once, which is Linux's limit.
const MAX_FDS: usize = 253;

impl Stream {
    /// Sends `bytes` over a Unix connection, at least one, and duplicates of `fds` with the first of them, at
    /// most 253. Waits until the socket is writable, and returns the number of bytes; the descriptors were
    /// sent even if that is less than all. Dropped before it completes, it has sent nothing.
    ///
    /// # Errors
    /// `InvalidInput` without bytes and for too many descriptors; the system's, as for a TCP connection.
    ///
    /// ```
    /// use std::io::Read;
    /// use std::os::fd::AsFd;
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::Model;
    ///
    /// let (here, there) = Stream::pair()?;
    /// let (reader, writer) = std::io::pipe()?;
    /// let mut buffer = [0; 16];
    /// let (length, fds) = Model::Tasks.run(async {
    ///     there.send_fds(b"a pipe", &[reader.as_fd()]).await?;
    ///     here.recv_fds(&mut buffer).await
    /// })??;
    /// assert_eq!(&buffer[..length], b"a pipe");
    /// drop(writer);
    /// let mut received = std::fs::File::from(fds.into_iter().next().unwrap());
    /// assert_eq!(received.read(&mut [0])?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn send_fds(
        &self,
        bytes: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> impl Future<Output = io::Result<usize>> {
        let poll = move |context: &mut Context<'_>| self.poll_send_fds(context, bytes, fds);
        self.source().operation(Direction::Write, poll)
    }

    /// Polls until descriptors were sent, as [`send_fds`](Stream::send_fds) does.
    pub fn poll_send_fds(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() || fds.len() > MAX_FDS {
            let text = "descriptors are sent with at least one byte, and at most 253 of them";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, text)));
        }
        let source = self.source();
        source.poll_call(context, Direction::Write, |fd, may_block| {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !fds.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(fds));
            }
            let mut flags = SendFlags::NOSIGNAL;
            if !may_block {
                flags |= SendFlags::DONTWAIT;
            }
            let sent = sendmsg(fd, &[IoSlice::new(bytes)], &mut control, flags)?;
            let short = sent < bytes.len();
            Ok((sent, Transfer { bytes: sent, short }))
        })
    }

    /// Waits for bytes of a Unix connection, copies them to `buffer` and returns their number, and the
    /// descriptors that were sent with them. Zero bytes are the end of input. A receive stops where
    /// descriptors were sent, so that they come with the bytes that they were sent with. They are closed in
    /// programs that this process starts.
    ///
    /// Any other read loses descriptors that are sent with its bytes. Call
    /// [`expect_fds`](Stream::expect_fds) before the first of these, or read by this method only.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// `InvalidInput` for an empty buffer. `QuotaExceeded` if this process can have no more descriptors; bytes
    /// and descriptors of this receive are lost then. The system's.
    pub async fn recv_fds(&self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let mut fds = Vec::new();
        let poll = |context: &mut Context<'_>| self.poll_recv_fds(context, buffer, &mut fds);
        let length = self.source().operation(Direction::Read, poll).await?;
        Ok((length, fds))
    }

    /// Polls for bytes and descriptors, as [`recv_fds`](Stream::recv_fds) does; appends the descriptors to
    /// `fds`.
    pub fn poll_recv_fds(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
        fds: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        self.source().poll_recv_fds(context, buffer, fds)
    }

    /// Prepares all reads for a peer that sends descriptors. Under io_uring a read that waits would lose the
    /// descriptors that come next, and under `epoll` a read that stops at them could wait for an event that
    /// does not come. [`recv_fds`](Stream::recv_fds) does this for the reads after it.
    pub fn expect_fds(&self) {
        self.source().set_by_readiness();
    }
}
