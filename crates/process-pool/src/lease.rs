//! A worker for the time of one job.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use switchboard_net::Stream;
use switchboard_runtime as runtime;
use switchboard_runtime::process::Ended;

use crate::error::PoolError;
use crate::frame;
use crate::nursery::Hello;
use crate::pool::Inner;

/// Between two attempts to ask a nursery that has more to do than it hears.
const AGAIN: Duration = Duration::from_millis(1);

/// A worker's place in the pool. It has at most one request at the nursery.
pub(crate) enum Slot {
    /// No worker, or a process that is to be replaced.
    Vacant(Option<i32>),
    /// The nursery was asked for one, and will say hello through its socket.
    Starting(Stream),
    /// It waits for a job.
    Idle(Stream, i32),
    /// It has been sent a job, or a part of it.
    Busy(i32),
}

/// A slot that is nobody else's. Dropped, it goes back to the pool, fit for the next.
pub(crate) struct Lease {
    pool: Arc<Inner>,
    slot: Slot,
    /// How the slot's last worker ended, once the nursery has said so.
    ended: Option<Ended>,
}

impl Lease {
    pub(crate) fn new(pool: Arc<Inner>, slot: Slot) -> Lease {
        let ended = None;
        Lease { pool, slot, ended }
    }

    /// Sends a job and waits for the answer: its kind and body.
    pub(crate) async fn run(mut self, frame: &[u8]) -> Result<(u32, Vec<u8>), PoolError> {
        let (stream, pid) = self.worker().await?;
        self.ended = None;
        self.slot = Slot::Busy(pid);
        let error = match exchange(&stream, frame).await {
            Ok(answer) => {
                self.slot = Slot::Idle(stream, pid);
                return Ok(answer);
            }
            Err(error) => error,
        };
        // Who replaces it hears how it ended.
        let next = self.worker().await;
        let gone = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
        );
        Err(match (self.ended, next) {
            (Some(ended), _) if gone => PoolError::Died(ended),
            (None, Err(next)) if gone => next.into(),
            _ => error.into(),
        })
    }

    /// The slot's worker, which is idle; another if it is gone, or of no use any more.
    async fn worker(&mut self) -> io::Result<(Stream, i32)> {
        loop {
            self.slot = match &self.slot {
                Slot::Idle(stream, pid) if is_quiet(stream) => {
                    return Ok((stream.clone(), *pid));
                }
                Slot::Idle(_, pid) | Slot::Busy(pid) => Slot::Vacant(Some(*pid)),
                Slot::Vacant(replaced) => match self.pool.ask(*replaced) {
                    Ok(socket) => Slot::Starting(socket.into()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        runtime::sleep(AGAIN).await;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
                Slot::Starting(stream) => {
                    let hello = hello(stream).await;
                    self.ended = self
                        .ended
                        .or(hello.as_ref().ok().and_then(|hello| hello.ended));
                    match hello.and_then(|hello| hello.worker) {
                        Ok(pid) => Slot::Idle(stream.clone(), pid),
                        Err(error) => {
                            self.slot = Slot::Vacant(None);
                            return Err(error);
                        }
                    }
                }
            };
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Slot::Busy(pid) = self.slot {
            // Refused, the next who has the slot asks.
            self.slot = match self.pool.ask(Some(pid)) {
                Ok(socket) => Slot::Starting(socket.into()),
                Err(_) => Slot::Vacant(Some(pid)),
            };
        }
        let slot = std::mem::replace(&mut self.slot, Slot::Vacant(None));
        self.pool.give_back(slot);
    }
}

async fn exchange(stream: &Stream, frame: &[u8]) -> io::Result<(u32, Vec<u8>)> {
    stream.write_all(frame).await?;
    frame::recv(stream).await
}

/// In one read, which loses nothing if it is dropped.
async fn hello(stream: &Stream) -> io::Result<Hello> {
    let mut bytes = [0; Hello::LENGTH];
    let length = stream.read(&mut bytes).await?;
    Hello::parse(&bytes[..length])
}

/// Whether the worker has its end open and says nothing that nobody asked for, as one would that a job has
/// forked. Never blocks.
fn is_quiet(stream: &Stream) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    !matches!(rustix::event::poll(&mut fds, Some(&now)), Ok(1..))
}
