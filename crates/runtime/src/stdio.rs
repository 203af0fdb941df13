//! The standard input and outputs of this process, and other descriptors that processes share.
//!
//! Their mode is left as it is, since other processes would find it changed. Where the descriptor is a
//! pipe, a terminal or a socket, a flow waits for its readiness. Where it is a file, a thread of
//! [`run_blocking`] reads and writes it.
//!
//! ```no_run
//! use futures_lite::{AsyncBufReadExt, StreamExt, io::BufReader};
//! use switchboard_runtime::{self as runtime, Model};
//!
//! Model::Tasks.run(async {
//!     let (mut lines, mut output) = (BufReader::new(runtime::stdin()?).lines(), runtime::stdout()?);
//!     while let Some(line) = lines.next().await {
//!         output.write_all(format!("{}\n", line?.to_uppercase()).as_bytes()).await?;
//!     }
//!     std::io::Result::Ok(())
//! })??;
//! # std::io::Result::Ok(())
//! ```

use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncRead, AsyncWrite};
use switchboard_reactor::Direction;

use crate::io::files::Mode;
use crate::io::source::Source;
use crate::spawn::join::JoinHandle;
use crate::threads::offload::run_blocking;

/// The most bytes that one job reads or writes.
const JOB: usize = 64 * 1024;

/// Returns the standard input. What `std::io::stdin` has buffered is not found here.
///
/// # Errors
/// The system's, if standard input is closed.
pub fn stdin() -> io::Result<Input> {
    Input::from_fd(io::stdin().as_fd().try_clone_to_owned()?)
}

/// Returns the standard output. What `print!` has buffered is not written before.
///
/// # Errors
/// The system's, if standard output is closed.
///
/// ```
/// use switchboard_runtime::{self as runtime, Model};
///
/// Model::Tasks.run(async { runtime::stdout()?.write_all(b"hello\n").await })??;
/// # std::io::Result::Ok(())
/// ```
pub fn stdout() -> io::Result<Output> {
    Output::from_fd(io::stdout().as_fd().try_clone_to_owned()?)
}

/// Returns the standard error.
///
/// # Errors
/// The system's, if standard error is closed.
pub fn stderr() -> io::Result<Output> {
    Output::from_fd(io::stderr().as_fd().try_clone_to_owned()?)
}

/// Returns the file of `fd` if threads have to read and write it, and the descriptor otherwise.
fn sort(fd: OwnedFd) -> io::Result<Result<Arc<File>, Source>> {
    let file = File::from(fd);
    let kind = file.metadata()?.file_type();
    Ok(match kind.is_file() || kind.is_dir() {
        true => Ok(Arc::new(file)),
        false => Err(Source::new(file.into())),
    })
}

/// A descriptor that is read, and that other processes may share.
///
/// Dropping a read loses no byte, as long as this is kept.
///
/// ```
/// use std::io::Write;
/// use switchboard_runtime::{Model, stdio::Input};
///
/// let (reader, mut writer) = std::io::pipe()?;
/// writer.write_all(b"hello")?;
/// let mut input = Input::from_fd(reader.into())?;
/// let mut buffer = [0; 16];
/// let length = Model::Green.run(input.read(&mut buffer))??;
/// assert_eq!(&buffer[..length], b"hello");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Input(Reads);

#[derive(Debug)]
enum Reads {
    Ready(Source),
    File {
        file: Arc<File>,
        job: Option<JoinHandle<io::Result<Vec<u8>>>>,
        /// The bytes that the last job read and no flow has taken.
        unread: Vec<u8>,
    },
}

impl Input {
    /// Makes an input of a descriptor, in whichever mode it is.
    ///
    /// # Errors
    /// The system's, if the descriptor is not open.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Input> {
        Ok(Input(match sort(fd)? {
            Err(source) => Reads::Ready(source),
            Ok(file) => Reads::File {
                file,
                job: None,
                unread: Vec::new(),
            },
        }))
    }

    /// Waits for bytes, copies them to `buffer` and returns their number; zero is the end of input.
    ///
    /// # Errors
    /// The system's; `Unsupported` [outside of any flow](crate#outside-of-any-flow), unless it is a file.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Reads::Ready(source) => {
                let poll = |context: &mut Context<'_>| {
                    source.poll_read_file(context, buffer, Mode::Shared)
                };
                source.operation(Direction::Read, poll).await
            }
            Reads::File { .. } => {
                poll_fn(|context| Pin::new(&mut *self).poll_read(context, buffer)).await
            }
        }
    }
}

impl AsyncRead for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let (file, job, unread) = match &mut self.0 {
            Reads::Ready(source) => return source.poll_read_file(context, buffer, Mode::Shared),
            Reads::File { file, job, unread } => (file, job, unread),
        };
        if unread.is_empty() && !buffer.is_empty() {
            let length = buffer.len().min(JOB);
            let running = job.get_or_insert_with(|| {
                let file = file.clone();
                run_blocking(move || {
                    let mut bytes = vec![0; length];
                    let read = (&*file).read(&mut bytes)?;
                    bytes.truncate(read);
                    Ok(bytes)
                })
            });
            let read = ready!(Pin::new(running).poll(context));
            *job = None;
            *unread = read.map_err(io::Error::from)??;
        }
        let length = unread.len().min(buffer.len());
        buffer[..length].copy_from_slice(&unread[..length]);
        unread.drain(..length);
        Poll::Ready(Ok(length))
    }
}

/// A descriptor that is written, and that other processes may share.
///
/// By its methods, bytes are with the system when the future completes. By [`AsyncWrite`], those for a file
/// are when `flush` completes, and an error comes with the next call.
///
/// ```
/// use std::io::Read;
/// use switchboard_runtime::{Model, stdio::Output};
///
/// let (mut reader, writer) = std::io::pipe()?;
/// let mut output = Output::from_fd(writer.into())?;
/// Model::Tasks.run(output.write_all(b"hello"))??;
/// drop(output);
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Output(Writes);

#[derive(Debug)]
enum Writes {
    Ready(Source),
    File {
        file: Arc<File>,
        job: Option<JoinHandle<io::Result<()>>>,
    },
}

impl Output {
    /// Makes an output of a descriptor, in whichever mode it is.
    ///
    /// # Errors
    /// The system's, if the descriptor is not open.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Output> {
        Ok(Output(match sort(fd)? {
            Err(source) => Writes::Ready(source),
            Ok(file) => Writes::File { file, job: None },
        }))
    }

    /// Writes all of `bytes`. Dropped before it completes, the future may have written a part.
    ///
    /// # Errors
    /// The system's, such as `BrokenPipe`; `Unsupported` [outside of any flow](crate#outside-of-any-flow),
    /// unless it is a file.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match &self.0 {
                Writes::Ready(source) => {
                    let poll = |context: &mut Context<'_>| {
                        source.poll_write_file(context, bytes, Mode::Shared)
                    };
                    source.operation(Direction::Write, poll).await?
                }
                Writes::File { .. } => {
                    poll_fn(|context| Pin::new(&mut *self).poll_write(context, bytes)).await?
                }
            };
            bytes = &bytes[written..];
        }
        poll_fn(|context| self.poll_written(context)).await
    }

    /// Waits until the job that writes has ended.
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Writes::File { job, .. } = &mut self.0
            && let Some(running) = job
        {
            let written = ready!(Pin::new(running).poll(context));
            *job = None;
            written.map_err(io::Error::from)??;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Writes::Ready(source) = &self.0 {
            return source.poll_write_file(context, bytes, Mode::Shared);
        }
        ready!(self.poll_written(context))?;
        let bytes = &bytes[..bytes.len().min(JOB)];
        if let Writes::File { file, job } = &mut self.0 {
            let (file, copy) = (file.clone(), bytes.to_vec());
            *job = Some(run_blocking(move || (&*file).write_all(&copy)));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_written(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
