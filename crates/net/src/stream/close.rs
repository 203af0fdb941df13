//! Closing without a reset.

use std::io;
use std::time::Duration;

use switchboard_runtime as runtime;

use super::Stream;

/// The time for which [`Stream::close`] waits.
const LIMIT: Duration = Duration::from_secs(5);

impl Stream {
    /// Closes the connection as [`linger_close`](Stream::linger_close) does, with a limit of five seconds.
    ///
    /// # Errors
    /// Those of [`linger_close`](Stream::linger_close).
    pub async fn close(self) -> io::Result<()> {
        self.linger_close(LIMIT).await
    }

    /// Ends the direction to the peer, and then reads and discards what the peer sends until it closes, for
    /// `limit` at most.
    ///
    /// A socket that is dropped while there is unread input resets the connection, and the reset may overtake
    /// the last answer. Call this instead where an answer is sent before all input was read, as to a request
    /// that is refused. Dropping the future closes the connection as dropping the stream does; clones keep it
    /// open.
    ///
    /// A peer that keeps its side open past the limit is no error: the connection is closed, and all that was
    /// written before is in the hands of the system. Read until the end of input, with a
    /// [`timeout`](runtime::timeout), where the peer's end has a meaning.
    ///
    /// # Errors
    /// The system's, such as `ConnectionReset`. The connection is closed all the same.
    ///
    /// ```
    /// use std::time::Duration;
    /// use switchboard_net::Stream;
    /// use switchboard_runtime::{self as runtime, Model};
    ///
    /// let (here, there) = Stream::pair()?;
    /// Model::Tasks.run(async {
    ///     there.write_all(b"a long request").await?;
    ///     here.write_all(b"no").await?;
    ///     let client = async {
    ///         let answer = there.recv().await;
    ///         drop(there);
    ///         answer
    ///     };
    ///     let close = here.linger_close(Duration::from_secs(1));
    ///     let (closed, answer) = runtime::join(close, client).await;
    ///     assert_eq!(&*answer?, b"no");
    ///     closed
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn linger_close(self, limit: Duration) -> io::Result<()> {
        match self.shutdown_write() {
            // The peer has closed both directions.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
            shut => shut?,
        }
        let discard = async {
            while !self.recv().await?.is_empty() {}
            Ok(())
        };
        // Only the peer's end is missing at the limit.
        runtime::timeout(limit, discard).await.unwrap_or(Ok(()))
    }
}
