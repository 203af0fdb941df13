//! Copying through a pipe, without copies to this process.
//!
//! `splice` waits unless the socket itself is non-blocking, whatever its flags say, so both sockets are set
//! to that mode. All operations of a [`Source`](switchboard_runtime::Source) work in it too.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::task::Context;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use socket2::SockRef;
use switchboard_runtime::{Direction, Transfer};

use crate::sigpipe::survives_sigpipe;
use crate::stream::Stream;

/// The most bytes that a pipe takes. The system's own size, 64 KiB, saves nothing against chunks.
const PIPE_SIZE: usize = 256 * 1024;
/// The number of empty pipes that a thread keeps. A copy that waits for input holds none.
const POOL_CAPACITY: usize = 8;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool::new()) };
}

/// The empty pipes of a thread.
#[derive(Debug)]
struct Pool {
    /// The process that made the pipes. After a fork they belong to the parent, whose bytes a copy in the
    /// child would read.
    process: u32,
    pipes: Vec<Pipe>,
}

impl Pool {
    const fn new() -> Pool {
        let pipes = Vec::new();
        Pool { process: 0, pipes }
    }

    /// Returns the pipes of this process, without those from before a fork.
    fn own(&mut self) -> &mut Vec<Pipe> {
        let process = std::process::id();
        if self.process != process {
            self.process = process;
            self.pipes.clear();
        }
        &mut self.pipes
    }
}

/// An empty pipe.
#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipe {
    fn take() -> rustix::io::Result<Pipe> {
        if let Some(pipe) = POOL.with_borrow_mut(|pool| pool.own().pop()) {
            return Ok(pipe);
        }
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Refused to a user with many pipes; a small one does as well.
        let _ = fcntl_setpipe_size(&writer, PIPE_SIZE);
        Ok(Pipe { reader, writer })
    }

    fn keep(self) {
        POOL.with_borrow_mut(|pool| {
            let pipes = pool.own();
            if pipes.len() < POOL_CAPACITY {
                pipes.push(self);
            }
        });
    }
}

/// A pipe with bytes; with none once they are written, and at the end of input.
#[derive(Debug)]
pub(super) struct FilledPipe {
    pipe: Pipe,
    length: usize,
}

impl FilledPipe {
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Keeps the pipe for the next copy of this thread. It must be empty.
    pub(super) fn keep(self) {
        if self.is_empty() {
            self.pipe.keep();
        }
    }

    /// Waits until the socket is writable, and writes what fits; returns the number of bytes.
    pub(super) async fn write_to(&mut self, writer: &Stream) -> io::Result<usize> {
        let (pipe, length) = (&self.pipe, self.length);
        let poll = |context: &mut Context<'_>| {
            let source = writer.source();
            source.poll_call(context, Direction::Write, |fd, _may_block| {
                let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
                let bytes = splice(&pipe.reader, None, fd, None, length, flags)?;
                let short = bytes < length;
                Ok((bytes, Transfer { bytes, short }))
            })
        };
        let written = writer.source().operation(Direction::Write, poll).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.length -= written;
        Ok(written)
    }
}

/// Whether a copy goes through pipes.
#[derive(Debug, Default)]
pub(super) enum Splicing {
    /// The sockets were not prepared yet.
    #[default]
    New,
    Prepared,
    /// One of the sockets has no `splice`.
    Impossible,
}

impl Splicing {
    /// Waits for input and moves it to a pipe, which is empty at the end of input. Returns `None` if the bytes
    /// must be read in chunks now: by a completion driver, or because there is no pipe or no `splice`.
    pub(super) async fn read(
        &mut self,
        reader: &Stream,
        writer: &Stream,
    ) -> io::Result<Option<FilledPipe>> {
        if matches!(self, Splicing::Impossible) || !reader.source().reads_directly() {
            return Ok(None);
        }
        if matches!(self, Splicing::New) {
            if !survives_sigpipe() {
                *self = Splicing::Impossible;
                return Ok(None);
            }
            SockRef::from(reader).set_nonblocking(true)?;
            SockRef::from(writer).set_nonblocking(true)?;
            *self = Splicing::Prepared;
        }
        let source = reader.source();
        let poll = |context: &mut Context<'_>| {
            source.poll_call(context, Direction::Read, |fd, _may_block| {
                let Ok(pipe) = Pipe::take() else {
                    return Ok((Read::NoPipe, Transfer::default()));
                };
                let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
                match splice(fd, None, &pipe.writer, None, PIPE_SIZE, flags) {
                    Ok(length) => {
                        // The pipe may have been full before the socket was empty.
                        let (bytes, short) = (length, false);
                        let filled = FilledPipe { pipe, length };
                        Ok((Read::Filled(filled), Transfer { bytes, short }))
                    }
                    Err(Errno::INVAL) => Ok((Read::NoSplice, Transfer::default())),
                    Err(error) => {
                        pipe.keep();
                        Err(error.into())
                    }
                }
            })
        };
        match source.operation(Direction::Read, poll).await? {
            Read::Filled(pipe) => Ok(Some(pipe)),
            Read::NoPipe => Ok(None),
            Read::NoSplice => {
                *self = Splicing::Impossible;
                Ok(None)
            }
        }
    }
}

/// The result of one `splice` from a socket.
enum Read {
    Filled(FilledPipe),
    /// No descriptor is left.
    NoPipe,
    NoSplice,
}
