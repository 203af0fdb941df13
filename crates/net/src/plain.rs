//! Connections for plain code.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use switchboard_runtime::green;

use crate::{Addr, Stream, ToTarget};

/// A [`Stream`] for plain code, with `std::io::{Read, Write}` instead of async methods. A wait blocks the
/// thread or suspends the green thread.
///
/// A clone, like a conversion from and to `Stream`, is the same connection.
///
/// ```
/// use std::io::{BufRead, BufReader, Write};
/// use switchboard_runtime::Model;
/// use switchboard_net::{PlainStream, Stream};
///
/// fn shout(mut stream: PlainStream) -> std::io::Result<()> {
///     for line in BufReader::new(stream.clone()).lines() {
///         writeln!(stream, "{}", line?.to_uppercase())?;
///     }
///     Ok(())
/// }
///
/// for model in [Model::Green, Model::Blocking] {
///     let (here, there) = Stream::pair()?;
///     let heard = model.run(async {
///         here.write_all(b"hello\n").await?;
///         here.shutdown_write()?;
///         shout(there.into())?;
///         here.recv().await
///     })??;
///     assert_eq!(&*heard, b"HELLO\n");
/// }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct PlainStream(Stream);

impl PlainStream {
    /// Connects as [`Stream::connect`] does, and waits as [`Read`] does.
    ///
    /// # Errors
    /// Those of [`Stream::connect`]; `Unsupported` in a task, because the wait would hold the loop.
    pub fn connect(peer: impl ToTarget) -> io::Result<PlainStream> {
        green::block_on(Stream::connect(peer))?.map(PlainStream)
    }

    /// Ends one direction of the connection, or both. Flows that wait to read, on any thread, find the end.
    ///
    /// # Errors
    /// `NotConnected` if the connection is over.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        socket2::SockRef::from(&self.0).shutdown(how)
    }

    /// Sends a part of a file as [`Stream::send_file`] does, and waits as [`Write`] does.
    ///
    /// # Errors
    /// Those of [`Stream::send_file`]; `Unsupported` in a task, because the wait would hold the loop.
    ///
    /// ```
    /// use std::fs::File;
    /// use std::io::Read;
    /// use switchboard_net::{PlainStream, Stream};
    /// use switchboard_runtime::Model;
    ///
    /// let (here, there) = Stream::pair()?;
    /// let (here, mut there) = (PlainStream::from(here), PlainStream::from(there));
    /// Model::Threads.run(async {
    ///     here.send_file(&File::open("Cargo.toml")?, &mut (1..8))?;
    ///     let mut bytes = [0; 7];
    ///     there.read_exact(&mut bytes)?;
    ///     assert_eq!(&bytes, b"package");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn send_file(&self, file: &impl AsFd, range: &mut Range<u64>) -> io::Result<()> {
        green::block_on(self.0.send_file(file, range))?
    }

    /// Returns this end's address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<Addr> {
        self.0.local_addr()
    }

    /// Returns the peer's address.
    ///
    /// # Errors
    /// `NotConnected` if the connection is over.
    pub fn peer_addr(&self) -> io::Result<Addr> {
        self.0.peer_addr()
    }
}

impl From<Stream> for PlainStream {
    fn from(stream: Stream) -> PlainStream {
        PlainStream(stream)
    }
}

impl From<PlainStream> for Stream {
    fn from(stream: PlainStream) -> Stream {
        stream.0
    }
}

impl AsFd for PlainStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Reads block the thread or suspend the green thread. In a task they fail with `Unsupported`, because they
/// would hold the loop.
impl Read for PlainStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.source().block_read(buffer)
    }
}

/// Writes block the thread or suspend the green thread. In a task they fail with `Unsupported`, because
/// they would hold the loop.
impl Write for PlainStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.source().block_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
