//! The two directions of a connection, for two owners.

mod methods;

use std::fmt;

use super::Stream;

impl Stream {
    /// Returns the two directions as references, for two flows of one [`scope`](switchboard_runtime::scope).
    /// Dropping them ends nothing.
    ///
    /// ```
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::{self as runtime, Model};
    ///
    /// let (mut here, there) = Stream::pair()?;
    /// let (reader, writer) = here.split();
    /// Model::Tasks.run(async {
    ///     there.write_all(b"hello").await?;
    ///     let (chunk, written) = runtime::join(reader.recv(), writer.write_all(b"hi")).await;
    ///     assert_eq!(&*chunk?, b"hello");
    ///     written
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Returns the two directions as owned halves, for two flows. Dropping the write half ends the direction
    /// to the peer; the connection closes when both halves are dropped.
    ///
    /// The halves may be on two loops: a reader on one and a writer on the other wait without disturbing each
    /// other, at the cost that [`Stream`] states for a shared connection.
    ///
    /// ```
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::Model;
    ///
    /// let (here, there) = Stream::pair()?;
    /// let (reader, writer) = here.into_split();
    /// Model::Tasks.run(async {
    ///     writer.write_all(b"hello").await?;
    ///     drop(writer);
    ///     assert_eq!(&*there.recv().await?, b"hello");
    ///     assert!(there.recv().await?.is_empty());
    ///     there.write_all(b"hi").await?;
    ///     assert_eq!(&*reader.recv().await?, b"hi");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let write = OwnedWriteHalf {
            stream: self.clone(),
            shut_down_on_drop: true,
        };
        (OwnedReadHalf(self), write)
    }
}

/// The direction from the peer of a borrowed [`Stream`]; see [`Stream::split`], which has an example.
///
/// ```
/// use switchboard_net::{ReadHalf, Stream};
///
/// async fn first(reader: ReadHalf<'_>) -> std::io::Result<u8> {
///     let mut byte = [0];
///     reader.read_exact(&mut byte).await?;
///     Ok(byte[0])
/// }
/// # let _ = first;
/// ```
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a Stream);

/// The direction to the peer of a borrowed [`Stream`]; see [`Stream::split`], which has an example.
///
/// ```
/// use switchboard_net::{Stream, WriteHalf};
///
/// async fn greet(writer: WriteHalf<'_>) -> std::io::Result<()> {
///     writer.write_all(b"hello").await
/// }
/// # let _ = greet;
/// ```
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a Stream);

/// The direction from the peer of a [`Stream`]; see [`Stream::into_split`].
///
/// ```
/// use switchboard_net::Stream;
///
/// let (here, _there) = Stream::pair()?;
/// let (reader, writer) = here.into_split();
/// let _whole: Stream = reader.reunite(writer).unwrap();
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct OwnedReadHalf(Stream);

/// The direction to the peer of a [`Stream`], which ends when this is dropped; see [`Stream::into_split`].
///
/// ```
/// use switchboard_net::Stream;
///
/// let (here, _there) = Stream::pair()?;
/// let (_reader, writer) = here.into_split();
/// // The peer is not told that nothing more comes.
/// writer.forget();
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Stream,
    shut_down_on_drop: bool,
}

/// Two halves that are not of one connection, returned by [`OwnedReadHalf::reunite`].
///
/// ```
/// use switchboard_net::Stream;
///
/// let (here, there) = Stream::pair()?;
/// let (reader, _writer) = here.into_split();
/// let (_reader, writer) = there.into_split();
/// let error = reader.reunite(writer).unwrap_err();
/// let (_reader, _writer) = (error.0, error.1);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these halves are not of one connection")
    }
}

impl std::error::Error for ReuniteError {}

impl OwnedReadHalf {
    /// Returns the connection that both halves are of.
    ///
    /// # Errors
    /// Both halves, if they are of different connections.
    pub fn reunite(self, write: OwnedWriteHalf) -> Result<Stream, ReuniteError> {
        match self.0.source().is_same(write.stream.source()) {
            true => {
                write.forget();
                Ok(self.0)
            }
            false => Err(ReuniteError(self, write)),
        }
    }
}

impl OwnedWriteHalf {
    /// Returns the connection that both halves are of.
    ///
    /// # Errors
    /// Both halves, if they are of different connections.
    pub fn reunite(self, read: OwnedReadHalf) -> Result<Stream, ReuniteError> {
        read.reunite(self)
    }

    /// Drops the half without ending the direction to the peer.
    pub fn forget(mut self) {
        self.shut_down_on_drop = false;
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shut_down_on_drop {
            // Fails if the connection is over.
            let _ = self.stream.shutdown_write();
        }
    }
}
