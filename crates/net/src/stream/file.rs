//! Sends of files, and of what comes before them.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use rustix::net::{SendFlags, send};
use switchboard_runtime::{Chunk, Direction, Transfer};

use super::Stream;

/// The largest rest of a range that is copied through a chunk, which costs less CPU than `sendfile` there. A
/// copy occupies memory of the kernel until the peer has it, which `sendfile` avoids.
const COPIED: u64 = 64 * 1024;

/// The most bytes that one `sendfile` moves.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MOST: u64 = 1024 * 1024;

/// The least bytes for which filled packets save more than the two calls cost.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CORKED: usize = 256 * 1024;

impl Stream {
    /// Sends the bytes `range` of `file`, and waits until the socket is writable as often as that takes.
    ///
    /// `range` is what is left to send: its start advances with each byte that was sent. When the future is
    /// dropped, or fails, a later call with the same range goes on at the right byte.
    ///
    /// On Linux, large ranges go from the system's cache to the socket without a copy (`sendfile`), whatever
    /// the driver; the socket is set to non-blocking mode for that, for good. Small ones, and all on other
    /// systems, go through a chunk of the thread's pool, which is held during the call only. The position of
    /// `file` stays. What has to come from a disk holds the thread meanwhile, as with any read of a file: on a
    /// loop, files that are not in the system's cache delay other flows.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file is shorter than the range, or becomes so meanwhile: what it has was sent,
    /// and nothing takes the place of the rest. The system's, such as `BrokenPipe`, and `NotSeekable` for a
    /// pipe.
    ///
    /// ```
    /// use std::fs::File;
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::Model;
    ///
    /// let (here, there) = Stream::pair()?;
    /// let file = File::open("Cargo.toml")?;
    /// let chunk = Model::Tasks.run(async {
    ///     let mut range = 1..8;
    ///     here.send_file(&file, &mut range).await?;
    ///     assert_eq!(range, 8..8);
    ///     there.recv().await
    /// })??;
    /// assert_eq!(&*chunk, b"package");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn send_file<'a>(
        &'a self,
        file: &'a impl AsFd,
        range: &'a mut Range<u64>,
    ) -> impl Future<Output = io::Result<()>> + 'a {
        let poll = |context: &mut Context<'_>| {
            while !range.is_empty() {
                ready!(self.poll_send_file(context, file, range))?;
            }
            Poll::Ready(Ok(()))
        };
        self.source().operation(Direction::Write, poll)
    }

    /// Polls until bytes of `range` were sent, as [`send_file`](Stream::send_file) does; returns their number,
    /// by which the start of `range` has advanced. At most 1 MiB is sent at once. Zero means that the range
    /// is empty.
    pub fn poll_send_file(
        &self,
        context: &mut Context<'_>,
        file: &impl AsFd,
        range: &mut Range<u64>,
    ) -> Poll<io::Result<usize>> {
        if range.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let source = self.source();
        let sent = ready!(
            source.poll_call(context, Direction::Write, |fd, may_block| {
                let transfer = send_some(fd, file.as_fd(), range, may_block)?;
                Ok((transfer.bytes, transfer))
            })
        )?;
        range.start += sent as u64;
        Poll::Ready(Ok(sent))
    }

    /// Sends all of `bytes` as [`write_all`](Stream::write_all) does, and announces that more follows at once:
    /// a TCP socket waits for it, 200 ms at most, to send both in one packet. For a head before
    /// [`send_file`](Stream::send_file). On systems other than Linux nothing is announced.
    ///
    /// # Errors
    /// The system's, such as `BrokenPipe`.
    ///
    /// ```
    /// use std::fs::File;
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::Model;
    ///
    /// let (here, there) = Stream::pair()?;
    /// let file = File::open("Cargo.toml")?;
    /// Model::Tasks.run(async {
    ///     here.write_all_more(b"[").await?;
    ///     here.send_file(&file, &mut (1..8)).await?;
    ///     let mut bytes = [0; 8];
    ///     there.read_exact(&mut bytes).await?;
    ///     assert_eq!(&bytes, b"[package");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn write_all_more<'a>(
        &'a self,
        mut bytes: &'a [u8],
    ) -> impl Future<Output = io::Result<()>> + 'a {
        let poll = move |context: &mut Context<'_>| {
            while !bytes.is_empty() {
                let sent = ready!(self.poll_send_more(context, bytes))?;
                bytes = &bytes[sent..];
            }
            Poll::Ready(Ok(()))
        };
        self.source().operation(Direction::Write, poll)
    }

    /// Polls until bytes were sent, as [`write_all_more`](Stream::write_all_more) does; returns their number.
    pub fn poll_send_more(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let source = self.source();
        source.poll_call(context, Direction::Write, |fd, may_block| {
            let sent = send(fd, bytes, flags(may_block) | more())?;
            let short = sent < bytes.len();
            Ok((sent, Transfer { bytes: sent, short }))
        })
    }
}

/// Sends some bytes of a range that is not empty.
fn send_some(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    range: &Range<u64>,
    may_block: bool,
) -> io::Result<Transfer> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if range.end - range.start > COPIED
        && let Some(sent) = send_by_kernel(socket, file, range)?
    {
        // Less than was asked for may be the end of the file, so it does not say that the socket is full.
        let (bytes, short) = (sent, false);
        return Ok(Transfer { bytes, short });
    }
    let mut chunk = Chunk::empty();
    let most = (range.end - range.start).min(COPIED) as usize;
    if chunk.read_at(file, range.start, most)? == 0 {
        return Err(ended(range));
    }
    let bytes = send(socket, &chunk, flags(may_block))?;
    let short = bytes < chunk.len();
    Ok(Transfer { bytes, short })
}

/// Sends without a copy; returns `None` if the system cannot do that for this file or in this process.
///
/// `sendfile` waits unless the socket itself is non-blocking.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn send_by_kernel(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    range: &Range<u64>,
) -> io::Result<Option<usize>> {
    use rustix::io::Errno;
    use rustix::net::sockopt::set_tcp_cork;

    if !crate::sigpipe::survives_sigpipe() {
        return Ok(None);
    }
    rustix::io::ioctl_fionbio(socket, true)?;
    let mut offset = range.start;
    let most = (range.end - range.start).min(MOST) as usize;
    // Packets are filled, where pages would be pushed as they are found. An error only leaves that to the system.
    let corks = most >= CORKED;
    if corks {
        let _ = set_tcp_cork(socket, true);
    }
    let sent = rustix::fs::sendfile(socket, file, Some(&mut offset), most);
    if corks {
        let _ = set_tcp_cork(socket, false);
    }
    match sent {
        Ok(0) => Err(ended(range)),
        Ok(sent) => Ok(Some(sent)),
        // Some file systems have no `splice`, and some sandboxes no `sendfile`.
        Err(Errno::INVAL | Errno::NOSYS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn ended(range: &Range<u64>) -> io::Error {
    let (at, missing) = (range.start, range.end - range.start);
    let text =
        format!("the file ends at byte {at}, {missing} bytes before the end of what is sent");
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

/// A closed connection is an error of the call, not a signal.
fn flags(may_block: bool) -> SendFlags {
    match may_block {
        true => SendFlags::NOSIGNAL,
        false => SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn more() -> SendFlags {
    SendFlags::MORE
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn more() -> SendFlags {
    SendFlags::empty()
}
