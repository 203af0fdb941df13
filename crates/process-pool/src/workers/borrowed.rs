//! A worker while one job has it.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use switchboard_net::Stream;
use switchboard_process::ExitStatus;
use switchboard_process::frame::Frame;
use switchboard_runtime as runtime;

use super::{Worker, Workers};
use crate::error::PoolError;
use crate::fork_server::Started;
use crate::messages::{ANSWER, STARTED, receive};

/// The pause between two requests to a fork server whose socket is full.
const REQUEST_AGAIN: Duration = Duration::from_millis(1);

/// A worker that was taken out of the pool for one job. Dropping it gives the worker back; one that
/// has not answered is killed and replaced.
pub(crate) struct BorrowedWorker {
    workers: Arc<Workers>,
    worker: Worker,
    /// The exit status of the process that was replaced last.
    ended: Option<ExitStatus>,
}

impl BorrowedWorker {
    pub(super) fn new(workers: Arc<Workers>, worker: Worker) -> BorrowedWorker {
        BorrowedWorker {
            workers,
            worker,
            ended: None,
        }
    }

    /// Sends a request and waits for the answer.
    pub(crate) async fn run(mut self, request: &[u8]) -> Result<Frame, PoolError> {
        let (stream, number) = self.idle().await?;
        self.ended = None;
        self.worker = Worker::Busy { number };
        let error = match exchange(&stream, request).await {
            Ok(answer) => {
                self.worker = Worker::Idle { stream, number };
                return Ok(answer);
            }
            Err(error) => error,
        };
        // The exit status comes with the replacement.
        let replacement = self.idle().await;
        let is_closed = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
        );
        Err(match (self.ended, replacement) {
            (Some(status), _) if is_closed => PoolError::Died(status),
            (None, Err(replacement)) if is_closed => replacement.into(),
            _ => error.into(),
        })
    }

    /// Waits until the worker is idle, and returns its stream and number. A process
    /// that has ended or that has sent something unasked is replaced.
    async fn idle(&mut self) -> io::Result<(Stream, u64)> {
        loop {
            self.worker = match &mut self.worker {
                Worker::Idle { stream, number } if is_quiet(stream) => {
                    return Ok((stream.clone(), *number));
                }
                Worker::Idle { number, .. } | Worker::Busy { number } => Worker::Vacant {
                    replaces: Some(*number),
                },
                Worker::Vacant { replaces } => match self.workers.request(*replaces) {
                    Ok(socket) => Worker::starting(socket),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        runtime::sleep(REQUEST_AGAIN).await;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
                Worker::Starting { stream, reader } => {
                    let started = Started::from_frame(receive(stream, reader).await);
                    if let Ok(Started { replaced, .. }) = &started {
                        self.ended = self.ended.or(*replaced);
                    }
                    match started.and_then(|started| started.worker()) {
                        Ok(number) => Worker::Idle {
                            stream: stream.clone(),
                            number,
                        },
                        Err(error) => {
                            self.worker = Worker::Vacant { replaces: None };
                            return Err(error);
                        }
                    }
                }
            };
        }
    }
}

impl Worker {
    fn starting(socket: UnixStream) -> Worker {
        Worker::Starting {
            stream: socket.into(),
            reader: STARTED.reader(),
        }
    }
}

impl Drop for BorrowedWorker {
    fn drop(&mut self) {
        if let Worker::Busy { number } = self.worker {
            // If the request is refused, the next job makes it.
            self.worker = match self.workers.request(Some(number)) {
                Ok(socket) => Worker::starting(socket),
                Err(_) => Worker::Vacant {
                    replaces: Some(number),
                },
            };
        }
        let vacant = Worker::Vacant { replaces: None };
        let worker = std::mem::replace(&mut self.worker, vacant);
        self.workers.give_back(worker);
    }
}

async fn exchange(stream: &Stream, request: &[u8]) -> io::Result<Frame> {
    stream.write_all(request).await?;
    receive(stream, &mut ANSWER.reader()).await
}

/// Returns whether the worker has its end of the socket open and has sent nothing unasked, as a
/// process that a job has forked might. Never blocks.
fn is_quiet(stream: &Stream) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    !matches!(rustix::event::poll(&mut fds, Some(&now)), Ok(1..))
}
