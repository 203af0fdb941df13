//! Copying from one connection to another.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod splice;

use std::io;

use futures_lite::future::try_zip;
use switchboard_runtime::Chunk;

use crate::stream::Stream;

/// The number of bytes from which on a read is followed by one through a pipe. A short message is cheaper in a
/// chunk: two system calls, where a pipe needs a third to find the socket empty.
#[cfg(any(target_os = "linux", target_os = "android"))]
const LARGE: usize = 16 * 1024;

/// Copies from `reader` until its input ends, and returns the number of bytes. Does not end the direction of
/// `writer`. Reads only what is written before it reads again, so a slow writer slows the reader's peer down.
///
/// Dropping the future loses the bytes that were read and not written yet; a [`Copier`] keeps them.
///
/// # Errors
/// Those of [`Stream::recv`] and [`Stream::write`].
///
/// ```
/// use switchboard_net::{Stream, copy};
/// use switchboard_runtime::Model;
///
/// let (source, from) = Stream::pair()?;
/// let (to, sink) = Stream::pair()?;
/// let copied = Model::Tasks.run(async {
///     source.write_all(b"hello").await?;
///     source.shutdown_write()?;
///     copy(&from, &to).await
/// })??;
/// assert_eq!(copied, 5);
/// # drop(sink);
/// # std::io::Result::Ok(())
/// ```
pub async fn copy(reader: &Stream, writer: &Stream) -> io::Result<u64> {
    Copier::new(reader, writer).run().await
}

/// Copies in both directions until both inputs have ended, and returns the bytes from `a` to `b` and from `b`
/// to `a`. The end of one input ends the direction to the other peer at once, while the other direction goes
/// on.
///
/// Dropping the future loses the bytes that were read and not written yet; two [`Copier`]s keep them.
///
/// # Errors
/// The first error of either direction, which ends both; those of [`copy()`].
///
/// ```
/// use switchboard_net::{Listener, Stream, copy_bidirectional};
/// use switchboard_runtime::Model;
///
/// /// Connects each client to `backend`.
/// async fn proxy(listener: &Listener, backend: &str) -> std::io::Result<()> {
///     let (client, _peer) = listener.accept().await?;
///     let server = Stream::connect(backend).await?;
///     let (sent, received) = copy_bidirectional(&client, &server).await?;
///     println!("{sent} bytes to the server, {received} to the client");
///     Ok(())
/// }
/// # let _ = proxy;
/// ```
pub async fn copy_bidirectional(a: &Stream, b: &Stream) -> io::Result<(u64, u64)> {
    try_zip(copy_and_end(a, b), copy_and_end(b, a)).await
}

async fn copy_and_end(reader: &Stream, writer: &Stream) -> io::Result<u64> {
    let copied = copy(reader, writer).await?;
    match writer.shutdown_write() {
        // The peer has closed both directions already.
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        _ => Ok(copied),
    }
}

/// A copy from one connection to another that can be interrupted.
///
/// The bytes that were read and not written yet are kept, so that a later [`run`](Copier::run) goes on where
/// a dropped one stopped. On Linux they stay in the kernel, in a pipe (`splice`), unless a completion driver
/// reads; both sockets are set to non-blocking mode for that, for good.
///
/// ```
/// use std::time::Duration;
/// use switchboard_net::{Copier, Stream};
/// use switchboard_runtime::{self as runtime, Model};
///
/// let (source, from) = Stream::pair()?;
/// let (to, sink) = Stream::pair()?;
/// Model::Tasks.run(async {
///     let mut copier = Copier::new(&from, &to);
///     source.write_all(b"hello").await?;
///     let late = runtime::timeout(Duration::from_millis(50), copier.run()).await;
///     assert!(late.is_err(), "the input has not ended");
///     assert_eq!(copier.copied(), 5);
///     drop(source);
///     assert_eq!(copier.run().await?, 5);
///     assert_eq!(&*sink.recv().await?, b"hello");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Copier {
    reader: Stream,
    writer: Stream,
    held: Held,
    copied: u64,
    /// The number of bytes that the last read returned.
    last_read: usize,
    ended: bool,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    splicing: splice::Splicing,
}

/// The bytes that were read and not written yet.
#[derive(Debug)]
enum Held {
    Nothing,
    /// A chunk, and how many of its bytes were written.
    Chunk(Chunk, usize),
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Pipe(splice::FilledPipe),
}

impl Copier {
    /// Returns a copy that has not begun.
    pub fn new(reader: &Stream, writer: &Stream) -> Copier {
        Copier {
            reader: reader.clone(),
            writer: writer.clone(),
            held: Held::Nothing,
            copied: 0,
            last_read: 0,
            ended: false,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            splicing: splice::Splicing::default(),
        }
    }

    /// Copies until the reader's input ends, and returns the number of bytes that all runs have copied.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// Those of [`Stream::recv`] and [`Stream::write`].
    pub async fn run(&mut self) -> io::Result<u64> {
        loop {
            self.write_held().await?;
            if self.ended {
                return Ok(self.copied);
            }
            self.read().await?;
        }
    }

    /// Returns how many bytes were written so far.
    pub fn copied(&self) -> u64 {
        self.copied
    }

    async fn write_held(&mut self) -> io::Result<()> {
        match &mut self.held {
            Held::Nothing => {}
            Held::Chunk(chunk, at) => {
                while *at < chunk.len() {
                    let written = self.writer.write(&chunk[*at..]).await?;
                    *at += written;
                    self.copied += written as u64;
                }
            }
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Held::Pipe(pipe) => {
                while !pipe.is_empty() {
                    self.copied += pipe.write_to(&self.writer).await? as u64;
                }
            }
        }
        match std::mem::replace(&mut self.held, Held::Nothing) {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Held::Pipe(pipe) => pipe.keep(),
            _ => {}
        }
        Ok(())
    }

    async fn read(&mut self) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.last_read >= LARGE
            && let Some(pipe) = self.splicing.read(&self.reader, &self.writer).await?
        {
            self.last_read = pipe.length();
            self.ended = pipe.is_empty();
            self.held = Held::Pipe(pipe);
            return Ok(());
        }
        let chunk = self.reader.recv().await?;
        self.last_read = chunk.len();
        self.ended = chunk.is_empty();
        self.held = Held::Chunk(chunk, 0);
        Ok(())
    }
}
