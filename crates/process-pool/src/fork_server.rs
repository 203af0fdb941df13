//! The fork server: a process of one thread that forks the workers of a pool, kills them and reaps
//! them.
//!
//! Each request to it names a worker to replace, if any, and carries a socket for the new worker.
//! Its reply, a [`Started`], comes through the other end of that socket before anything that the
//! worker sends. Workers are numbered, and a number is never given again: a worker that ends is reaped
//! at once, so that its process identifier may soon be another process's.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::io::{Errno, FdFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use switchboard_process::frame::Frame;
use switchboard_process::{
    Child, ExitStatus, default_signals, fork, fork_with_setup, ignore_signals, kill_with_parent,
};

use crate::forked::Forked;
use crate::jobs::Jobs;
use crate::messages::STARTED;

/// A running fork server. Dropping the handle does not end the process.
pub(crate) struct ForkServer {
    process: Child,
    control: UnixStream,
}

/// The reply of the fork server, which comes through the socket of the new worker.
#[derive(Serialize, Deserialize)]
pub(crate) struct Started {
    /// The number of the worker, or the error number of the fork.
    worker: Result<u64, i32>,
    /// The exit status of the worker that was replaced.
    pub(crate) replaced: Option<ExitStatus>,
}

impl ForkServer {
    /// Forks the fork server, which ends when [`end`](ForkServer::end) is called, or with this
    /// process.
    ///
    /// # Errors
    /// Those of [`fork`].
    pub(crate) fn start(jobs: &Jobs) -> io::Result<ForkServer> {
        let (control, there) = UnixStream::pair()?;
        let pool = std::process::id();
        let mut control = Some(control);
        let process = fork_with_setup(set_signals, || {
            drop(control.take());
            kill_with_parent(pool);
            serve(there, jobs);
            0
        })?;
        match control {
            Some(control) => Ok(ForkServer { process, control }),
            None => unreachable!("the socket is taken in the child only"),
        }
    }

    /// Requests a worker in place of the one with the number `replaced`, and returns the pool's end of the new
    /// worker's socket, through which a [`Started`] comes. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock` while there are more requests than fit the socket; `BrokenPipe` if the fork
    /// server has ended.
    pub(crate) fn request(&self, replaced: Option<u64>) -> io::Result<UnixStream> {
        let (here, there) = UnixStream::pair()?;
        let fds = [there.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        rights.push(SendAncillaryMessage::ScmRights(&fds));
        let bytes = replaced.unwrap_or(0).to_ne_bytes();
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::net::sendmsg(&self.control, &[IoSlice::new(&bytes)], &mut rights, flags) {
            Ok(_) => Ok(here),
            Err(Errno::PIPE | Errno::CONNRESET) => {
                let text = "the pool's fork server has ended: start another pool";
                Err(io::Error::new(io::ErrorKind::BrokenPipe, text))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the fork server and all workers. Blocks until they have ended.
    pub(crate) fn end(&self) {
        let _ = self.control.shutdown(Shutdown::Both);
        let _ = self.process.wait();
    }
}

impl Started {
    /// Reads what came through the socket of a new worker.
    ///
    /// # Errors
    /// `UnexpectedEof` if the fork server has closed the socket; `InvalidData` for anything else
    /// that is no reply.
    pub(crate) fn from_frame(frame: io::Result<Frame>) -> io::Result<Started> {
        match frame {
            Ok(frame) => Ok(serde_json::from_slice(&frame.body)?),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let text = "no worker could be started: the fork server has no descriptor left, or \
                            has ended; raise `ulimit -n`, or start another pool";
                Err(io::Error::new(error.kind(), text))
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the number of the worker.
    ///
    /// # Errors
    /// That of the fork.
    pub(crate) fn worker(&self) -> io::Result<u64> {
        self.worker.map_err(|number| {
            let error = io::Error::from_raw_os_error(number);
            let text = format!("no worker could be started: {error}; run fewer processes");
            io::Error::new(error.kind(), text)
        })
    }
}

/// Sets the signals of the fork server, which its workers inherit.
fn set_signals() {
    // A terminal or a service manager sends these to every process of the group, though the pool's
    // process may have jobs to finish. The pool ends these processes.
    let group = [Signal::INT, Signal::TERM, Signal::HUP];
    ignore_signals(&group.map(Signal::as_raw));
    // The pool's process may handle or ignore these.
    let inherited = [Signal::CHILD, Signal::USR1, Signal::USR2];
    default_signals(&inherited.map(Signal::as_raw));
}

/// Serves the requests that come through `control`, until its other end is closed; then kills the
/// workers.
fn serve(control: UnixStream, jobs: &Jobs) {
    let fork_server = std::process::id();
    let mut control = Some(control);
    let mut workers = Forked::default();
    while let Some(Ok(Some(request))) = control.as_ref().map(|control| {
        workers.reap_until_readable(control);
        receive(control)
    }) {
        let replaced = workers.end(request.replaced);
        let Some(socket) = request.socket else {
            continue;
        };
        let mut socket = Some(socket);
        let forked = fork(|| {
            drop(control.take());
            workers.forget();
            kill_with_parent(fork_server);
            if let Some(socket) = socket.take() {
                jobs.serve(socket);
            }
            0
        });
        let worker = match forked {
            Ok(worker) => Ok(workers.add(worker)),
            Err(error) => Err(error.raw_os_error().unwrap_or(0)),
        };
        let started = STARTED.encode_json(0, &Started { worker, replaced });
        if let (Some(mut socket), Ok(started)) = (socket, started) {
            // Fails if the flow that waits for the worker is gone.
            let _ = socket.write_all(&started);
        }
    }
    workers.kill();
}

/// A request to the fork server.
struct Request {
    /// The number of the worker to replace, or zero.
    replaced: u64,
    /// The new worker's socket; missing if this process had no descriptor left for it.
    socket: Option<UnixStream>,
}

/// Blocks until a request comes; returns `None` once the other end is closed.
fn receive(control: &UnixStream) -> io::Result<Option<Request>> {
    let mut bytes = [0; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    loop {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        match rustix::net::recvmsg(control, &mut slices, &mut rights, RecvFlags::empty()) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(message) if message.bytes == 0 => return Ok(None),
            Ok(_) => break,
        }
    }
    let mut sockets = rights.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    let socket = sockets.next().and_then(|mut fds| fds.next());
    if let Some(socket) = &socket {
        // A program that a job executes must not inherit the socket.
        rustix::io::fcntl_setfd(socket, FdFlags::CLOEXEC)?;
    }
    Ok(Some(Request {
        replaced: u64::from_ne_bytes(bytes),
        socket: socket.map(UnixStream::from),
    }))
}
