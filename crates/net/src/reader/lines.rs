//! Lines of a connection.

use std::io;

use super::{Unread, too_long};
use crate::stream::Stream;

/// A reader of lines, without a buffer of its own.
///
/// A line ends with `\n` or `\r\n`, or with the input. Lines are returned where they are, in the received
/// chunk; only one that lies in several chunks is put together. A connection that waits between lines holds
/// no buffer.
///
/// A line that is too long is an error of [`next`](Lines::next), of kind `InvalidData`. Its rest cannot be
/// skipped, so answer by [`stream`](Lines::stream) and close: match the error of `next`, write the answer, and
/// end with [`Stream::linger_close`], because a stream that is dropped with unread input resets the connection,
/// and the client may lose the answer.
///
/// ```
/// use switchboard_net::{Lines, Stream};
/// use switchboard_runtime::Model;
///
/// let (here, there) = Stream::pair()?;
/// let lines = Model::Tasks.run(async {
///     there.write_all(b"one\r\ntwo\nthree").await?;
///     drop(there);
///     let mut lines = Lines::new(here, 1024);
///     let mut all = Vec::new();
///     while let Some(line) = lines.next().await? {
///         all.push(String::from_utf8_lossy(line).into_owned());
///     }
///     std::io::Result::Ok(all)
/// })??;
/// assert_eq!(lines, ["one", "two", "three"]);
/// # std::io::Result::Ok(())
/// ```
///
/// A handler that refuses long lines:
///
/// ```
/// use std::io;
/// use std::time::Duration;
/// use switchboard_net::{Lines, Stream};
///
/// async fn count(stream: Stream) -> io::Result<()> {
///     let mut lines = Lines::new(stream.clone(), 1024);
///     loop {
///         let answer = match lines.next().await {
///             Ok(Some(line)) => format!("{}\n", line.len()),
///             Ok(None) => return Ok(()),
///             Err(error) if error.kind() == io::ErrorKind::InvalidData => break,
///             Err(error) => return Err(error),
///         };
///         stream.write_all(answer.as_bytes()).await?;
///     }
///     // The reader has a clone of the stream, which keeps the connection open.
///     drop(lines);
///     stream.write_all(b"too long\n").await?;
///     stream.linger_close(Duration::from_secs(1)).await
/// }
///
/// # use switchboard_runtime::{self as runtime, Model};
/// # let (here, there) = Stream::pair()?;
/// # Model::Tasks.run(async {
/// #     there.write_all(&[b'x'; 2000]).await?;
/// #     let client = async {
/// #         let answer = there.recv().await;
/// #         drop(there);
/// #         answer
/// #     };
/// #     let (served, answer) = runtime::join(count(here), client).await;
/// #     assert_eq!(&*answer?, b"too long\n");
/// #     served
/// # })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Lines {
    unread: Unread,
    max_length: usize,
    /// The length of the line that was returned last, with its end.
    returned: usize,
    /// How many bytes at the start are known to have no line's end.
    searched: usize,
}

impl Lines {
    /// Reads lines of at most `max_length` bytes, without their ends, from `stream`.
    pub fn new(stream: Stream, max_length: usize) -> Lines {
        Lines {
            unread: Unread::new(stream),
            max_length,
            returned: 0,
            searched: 0,
        }
    }

    /// Waits for a line, and returns it without its end; `None` at the end of input. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// `InvalidData` for a line that is longer than allowed, again in each further call; those of
    /// [`Stream::recv`].
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.unread.consume(std::mem::take(&mut self.returned));
        let end = loop {
            if let Some(end) = self.find_end() {
                break end;
            }
            // Its last byte may be the `\r` of its end.
            if self.searched > self.max_length.saturating_add(1) {
                return Err(too_long("line", self.max_length));
            }
            if !self.unread.more().await? {
                break self.unread.start().len();
            }
        };
        let start = self.unread.start();
        if start.is_empty() {
            return Ok(None);
        }
        let line = &start[..end];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.max_length {
            return Err(too_long("line", self.max_length));
        }
        (self.returned, self.searched) = (end, 0);
        Ok(Some(line))
    }

    /// Returns the length of the line at the start, with its end, if its end was received.
    fn find_end(&mut self) -> Option<usize> {
        if self.unread.joined.is_empty() {
            let start = self.unread.in_chunk();
            let new = start.get(self.searched..).unwrap_or_default();
            let found = new.iter().position(|byte| *byte == b'\n');
            let end = found.map(|at| self.searched + at + 1);
            self.searched = end.unwrap_or(start.len());
            return end;
        }
        if let Some(end) = self.unread.joined.last()
            && *end == b'\n'
        {
            return Some(self.unread.joined.len());
        }
        // The bytes that were joined before have no end of a line, so only the chunk is searched.
        let chunk = self.unread.in_chunk();
        let found = chunk.iter().position(|byte| *byte == b'\n');
        let count = found.map_or(chunk.len(), |at| at + 1);
        self.unread.join(count);
        self.searched = self.unread.joined.len();
        found.map(|_| self.searched)
    }

    /// Returns the connection, as to send answers.
    pub fn stream(&self) -> &Stream {
        &self.unread.stream
    }

    /// Returns the connection, and the bytes that were received behind the last line.
    pub fn into_parts(mut self) -> (Stream, Vec<u8>) {
        self.unread.consume(self.returned);
        self.unread.into_parts()
    }
}
