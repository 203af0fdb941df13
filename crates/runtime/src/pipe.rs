//! Pipes, for flows of every model.
//!
//! ```
//! use switchboard_runtime::{Model, pipe};
//!
//! for model in [Model::Threads, Model::Tasks, Model::Green] {
//!     let (reader, writer) = pipe::pipe()?;
//!     let bytes = model.run(async {
//!         writer.write_all(b"hello").await?;
//!         drop(writer);
//!         reader.read_to_end().await
//!     })??;
//!     assert_eq!(bytes, b"hello");
//! }
//! # std::io::Result::Ok(())
//! ```

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};
use switchboard_reactor::Direction;

use crate::io::files::Mode;
use crate::io::source::Source;

/// Returns the two ends of a new pipe.
///
/// # Errors
/// The system's, if no descriptor is left.
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    let reader = PipeReader::from_fd(reader.into())?;
    Ok((reader, PipeWriter::from_fd(writer.into())?))
}

/// The end of a pipe that is read. A clone is the same end, which is closed with the last clone.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Model, pipe::{self, PipeReader}};
///
/// let (reader, _writer): (PipeReader, _) = pipe::pipe()?;
/// let late = Model::Tasks.run(async {
///     runtime::timeout(Duration::from_millis(1), reader.read(&mut [0; 16])).await
/// })?;
/// assert!(late.is_err());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct PipeReader(Source);

impl PipeReader {
    /// Makes a reader of a pipe, and sets the open pipe end to non-blocking mode.
    ///
    /// # Errors
    /// The system's.
    pub fn from_fd(fd: OwnedFd) -> io::Result<PipeReader> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(PipeReader(Source::new(fd)))
    }

    /// Waits for bytes, copies them to `buffer` and returns their number; zero is the end of input.
    /// Dropping the future loses no byte.
    ///
    /// # Errors
    /// The system's; `Unsupported` [outside of any flow](crate#outside-of-any-flow).
    pub fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let poll = |context: &mut Context<'_>| self.poll_read(context, buffer);
        self.0.operation(Direction::Read, poll)
    }

    /// Polls for bytes, as [`read`](PipeReader::read) does.
    pub fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read_file(context, buffer, Mode::NonBlocking)
    }

    /// Waits for the end of input and returns all bytes before it. Dropping the future loses what was read.
    ///
    /// # Errors
    /// Those of [`read`](PipeReader::read).
    pub async fn read_to_end(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut filled = 0;
        loop {
            if filled == bytes.len() {
                bytes.resize((filled * 2).max(4096), 0);
            }
            match self.read(&mut bytes[filled..]).await? {
                0 => break,
                length => filled += length,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

/// The end of a pipe that is written. The last one to be dropped or [closed](PipeWriter::close) ends the
/// input of the reader. A clone is the same end.
///
/// ```
/// use std::io;
/// use switchboard_runtime::{Model, pipe::{self, PipeWriter}};
///
/// let (reader, writer): (_, PipeWriter) = pipe::pipe()?;
/// drop(reader);
/// let error = Model::Threads.run(async { writer.write(b"x").await })?.unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct PipeWriter(Option<Source>);

impl PipeWriter {
    /// Makes a writer of a pipe, and sets the open pipe end to non-blocking mode.
    ///
    /// # Errors
    /// The system's.
    pub fn from_fd(fd: OwnedFd) -> io::Result<PipeWriter> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(PipeWriter(Some(Source::new(fd))))
    }

    /// Waits until the pipe has room, writes what fits, and returns the number of bytes. A dropped future has
    /// written nothing.
    ///
    /// # Errors
    /// `BrokenPipe` if the reader is gone, or this end was closed; the system's; `Unsupported` [outside of
    /// any flow](crate#outside-of-any-flow).
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let poll = |context: &mut Context<'_>| self.poll_write(context, bytes);
        match &self.0 {
            Some(source) => source.operation(Direction::Write, poll).await,
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Polls until bytes were written, as [`write`](PipeWriter::write) does.
    pub fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &self.0 {
            Some(source) => source.poll_write_file(context, bytes, Mode::NonBlocking),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Writes all of `bytes`. Dropped before it completes, the future may have written a part.
    ///
    /// # Errors
    /// Those of [`write`](PipeWriter::write).
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write(bytes).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Closes this end, as dropping it does.
    pub fn close(&mut self) {
        self.0 = None;
    }
}

impl AsFd for PipeReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        PipeReader::poll_read(&self, context, buffer)
    }
}

/// `close` closes this end, so that the reader finds the end of input once no clone is left.
impl AsyncWrite for PipeWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        PipeWriter::poll_write(&self, context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}
