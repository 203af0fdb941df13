//! The nursery: the process that forks workers, ends them and hears how they ended.
//!
//! Each message to it is a process to replace, or zero, and the socket of a new worker. What it says
//! goes through that socket, before anything else: a [`Hello`]. A worker is ended by its parent, which
//! alone waits for it, so that the number cannot have become another process's.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::io::{Errno, FdFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use rustix::process::Signal;
use switchboard_runtime::process::{self, Child, Ended};

use crate::jobs::Jobs;

/// What the nursery says through a new worker's socket, in one piece.
pub(crate) struct Hello {
    /// The worker's process, or why there is none.
    pub(crate) worker: io::Result<i32>,
    /// How the one that it replaces ended.
    pub(crate) ended: Option<Ended>,
}

impl Hello {
    pub(crate) const LENGTH: usize = 12;

    fn to_bytes(&self) -> [u8; Hello::LENGTH] {
        let worker = match &self.worker {
            Ok(pid) => *pid,
            Err(error) => error.raw_os_error().map_or(0, |error| -error),
        };
        let (how, value) = match self.ended {
            None => (0, 0),
            Some(Ended::Exited(status)) => (1, status),
            Some(Ended::Killed(signal)) => (2, signal),
        };
        let mut bytes = [0; Hello::LENGTH];
        for (at, number) in [worker, how, value].into_iter().enumerate() {
            bytes[at * 4..][..4].copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }

    /// # Errors
    /// `UnexpectedEof` if nobody said it.
    pub(crate) fn parse(bytes: &[u8]) -> io::Result<Hello> {
        let Ok(bytes) = <[u8; Hello::LENGTH]>::try_from(bytes) else {
            let text = "it could not be started: who starts workers has no descriptor left, or is \
                        gone; raise `ulimit -n`, or start another pool";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        };
        let [worker, how, value] = [0, 4, 8]
            .map(|at| i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
        Ok(Hello {
            worker: match worker {
                1.. => Ok(worker),
                _ => {
                    let error = io::Error::from_raw_os_error(-worker);
                    let text = format!("it could not be started: {error}; run fewer processes");
                    Err(io::Error::new(error.kind(), text))
                }
            },
            ended: match how {
                1 => Some(Ended::Exited(value)),
                2 => Some(Ended::Killed(value)),
                _ => None,
            },
        })
    }
}

/// Asks for a worker at `socket`, in the place of the process `replaced` unless that is zero. Never
/// blocks.
///
/// # Errors
/// `WouldBlock` while too many others ask; `BrokenPipe` if the nursery is gone.
pub(crate) fn ask(control: &UnixStream, replaced: i32, socket: &UnixStream) -> io::Result<()> {
    let fds = [socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    rights.push(SendAncillaryMessage::ScmRights(&fds));
    let bytes = replaced.to_ne_bytes();
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    rustix::net::sendmsg(control, &[IoSlice::new(&bytes)], &mut rights, flags)?;
    Ok(())
}

/// Waits for a message; `None` once nobody can send one. The socket is missing where this process has
/// no descriptor left.
fn hear(control: &UnixStream) -> io::Result<Option<(i32, Option<UnixStream>)>> {
    let mut bytes = [0; 4];
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
        // What a job starts with `exec` has no part in it.
        rustix::io::fcntl_setfd(socket, FdFlags::CLOEXEC)?;
    }
    Ok(Some((
        i32::from_ne_bytes(bytes),
        socket.map(UnixStream::from),
    )))
}

/// Forks the nursery, which ends with `there`'s other end, and at the latest with this process. `here`
/// is that end, which it closes.
///
/// # Errors
/// As [`process::fork`].
pub(crate) fn start(
    here: UnixStream,
    there: UnixStream,
    jobs: &Jobs,
) -> io::Result<(Child, UnixStream)> {
    let owner = std::process::id();
    let mut here = Some(here);
    let signals = || {
        // A terminal, or who manages services, sends them to everybody, and the pool's process may have jobs
        // to finish. What ends these processes is their pool.
        let others = [Signal::INT, Signal::TERM, Signal::HUP];
        process::ignore_signals(&others.map(Signal::as_raw));
        // The pool's process may handle or ignore these; here they mean what they always do.
        let those = [Signal::CHILD, Signal::USR1, Signal::USR2];
        process::default_signals(&those.map(Signal::as_raw));
    };
    let child = process::fork_after(signals, || {
        drop(here.take());
        process::end_with_parent(owner, true);
        tend(there, jobs);
        0
    })?;
    match here {
        Some(here) => Ok((child, here)),
        None => unreachable!("taken in the child only"),
    }
}

/// The nursery's life.
fn tend(control: UnixStream, jobs: &Jobs) {
    let nursery = std::process::id();
    let mut control = Some(control);
    let mut workers: Vec<Child> = Vec::new();
    while let Some(Ok(Some((replaced, socket)))) = control.as_ref().map(hear) {
        let at = workers.iter().position(|worker| worker.pid() == replaced);
        // One that has ended keeps its own end: the signal comes too late.
        let ended = at.and_then(|at| end(&workers.swap_remove(at)).ok());
        let Some(socket) = socket else { continue };
        let mut socket = Some(socket);
        let forked = process::fork(|| {
            drop(control.take());
            process::end_with_parent(nursery, true);
            if let Some(socket) = socket.take() {
                jobs.serve(socket);
            }
            0
        });
        let hello = Hello {
            worker: forked.map(|worker| {
                let pid = worker.pid();
                workers.push(worker);
                pid
            }),
            ended,
        };
        if let Some(mut socket) = socket {
            // Whoever asked may be gone.
            let _ = socket.write_all(&hello.to_bytes());
        }
    }
    for worker in &workers {
        worker.kill();
    }
    for worker in workers {
        let _ = worker.wait();
    }
}

fn end(worker: &Child) -> io::Result<Ended> {
    worker.kill();
    worker.wait()
}
