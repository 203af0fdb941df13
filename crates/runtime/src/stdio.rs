//! The standard input and outputs of this process, and other descriptors that processes share.
//!
//! Their mode is left as it is, since other processes would find it changed. Where the descriptor is a
//! pipe, a terminal or a socket, a flow waits for its readiness. Where it is a file, a thread of
//! [`run_blocking`] reads and writes it.
//!
//! On Linux a terminal is opened once more, with a mode of its own. Elsewhere, and where it cannot be opened,
//! a write to a terminal blocks the loop while the terminal takes a part of the next 4096 bytes only: the
//! system reports room for one byte and for more alike.
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

/// Returns the file of `fd` if threads have to read and write it, and the descriptor and its mode otherwise.
fn sort(fd: OwnedFd) -> io::Result<Result<Arc<File>, (Source, Mode)>> {
    let file = File::from(fd);
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(Ok(Arc::new(file)));
    }
    Ok(Err(match open_terminal_again(&file) {
        Some(own) => (Source::new(own), Mode::NonBlocking),
        None => (Source::new(file.into()), Mode::Shared),
    }))
}

/// Opens a terminal once more, in non-blocking mode. Returns `None` if the file is not a terminal or cannot
/// be opened.
#[cfg(target_os = "linux")]
fn open_terminal_again(file: &File) -> Option<OwnedFd> {
    use std::io::IsTerminal;
    use std::os::fd::AsRawFd;
    use std::os::linux::fs::MetadataExt;

    use rustix::fs::{Mode as Permissions, OFlags, fcntl_getfl, major, minor, open};

    let device = file.metadata().ok()?.st_rdev();
    // Opening `/dev/ptmx` makes a new pair instead.
    if !file.is_terminal() || (major(device), minor(device)) == (5, 2) {
        return None;
    }
    let access = fcntl_getfl(file).ok()? & OFlags::RWMODE;
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    open(path, flags, Permissions::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_terminal_again(_file: &File) -> Option<OwnedFd> {
    None
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
    Ready(Source, Mode),
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
            Err((source, mode)) => Reads::Ready(source, mode),
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
            Reads::Ready(source, mode) => {
                let poll =
                    |context: &mut Context<'_>| source.poll_read_file(context, buffer, *mode);
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
            Reads::Ready(source, mode) => return source.poll_read_file(context, buffer, *mode),
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
    Ready(Source, Mode),
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
            Err((source, mode)) => Writes::Ready(source, mode),
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
                Writes::Ready(source, mode) => {
                    let poll =
                        |context: &mut Context<'_>| source.poll_write_file(context, bytes, *mode);
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
        if let Writes::Ready(source, mode) = &self.0 {
            return source.poll_write_file(context, bytes, *mode);
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
