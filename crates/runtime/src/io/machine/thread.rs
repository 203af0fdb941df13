//! Operations of blocking flows, and of threads on which no flow and no loop runs.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::Thread;

use rustix::event::PollFd;
use switchboard_driver::Request;
use switchboard_reactor::plumbing::{Descriptor, uninterrupted};

use super::{note_end, note_wait, take_unclaimed};
use crate::blocking::{self, Attempt};
use crate::io::ops::Operation;
use crate::io::syscalls::poll_flags;

/// Polls an operation in a blocking flow.
#[inline(never)]
pub(super) fn poll_blocking<O: Operation>(
    descriptor: &Arc<Descriptor>,
    context: &mut Context<'_>,
    operation: O,
) -> Poll<io::Result<O::Output>> {
    let direction = operation.direction();
    note_wait(descriptor, direction);
    let polled = attempt_blocking(descriptor, context, operation);
    note_end::<O>(descriptor, direction, &polled);
    polled
}

fn attempt_blocking<O: Operation>(
    descriptor: &Arc<Descriptor>,
    context: &mut Context<'_>,
    mut operation: O,
) -> Poll<io::Result<O::Output>> {
    // A send does not depend on unclaimed completions.
    if operation.request() != Some(Request::Writable) {
        ready!(descriptor.poll_claim(None, context.waker()));
        if let Some(done) = take_unclaimed(descriptor, &mut operation) {
            return Poll::Ready(done);
        }
    }
    blocking::with(|flow| {
        let Some(flow) = flow else {
            unreachable!("a blocking flow runs here")
        };
        let direction = operation.direction();
        let result = match flow.attempt(descriptor, direction, context.waker()) {
            Attempt::Later => return Poll::Pending,
            Attempt::Blocking => block(descriptor, &mut operation),
            Attempt::NonBlocking => uninterrupted(|| operation.call(descriptor.fd(), false)),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                flow.add_pending(descriptor, direction, context.waker());
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    })
}

/// Blocks this thread, on which no flow and no loop runs, until the operation completes.
#[inline(never)]
pub(crate) fn block_thread<O: Operation>(
    descriptor: &Arc<Descriptor>,
    operation: &mut O,
) -> io::Result<O::Output> {
    let direction = operation.direction();
    note_wait(descriptor, direction);
    let blocked = Poll::Ready(claim_and_block(descriptor, operation));
    note_end::<O>(descriptor, direction, &blocked);
    match blocked {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("the call above blocks"),
    }
}

fn claim_and_block<O: Operation>(
    descriptor: &Arc<Descriptor>,
    operation: &mut O,
) -> io::Result<O::Output> {
    if operation.request() != Some(Request::Writable) {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        while descriptor.poll_claim(None, &waker).is_pending() {
            std::thread::park();
        }
        if let Some(done) = take_unclaimed(descriptor, operation) {
            return done;
        }
    }
    block(descriptor, operation)
}

/// Blocks in the system call, or in poll(2) before it if the descriptor is non-blocking.
fn block<O: Operation>(descriptor: &Descriptor, operation: &mut O) -> io::Result<O::Output> {
    loop {
        match uninterrupted(|| operation.call(descriptor.fd(), true)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let fd = descriptor.fd();
                let mut fds = [PollFd::new(&fd, poll_flags(operation.direction()))];
                let _ = rustix::event::poll(&mut fds, None);
            }
            result => return result,
        }
    }
}

/// The waker of a thread that is parked outside of any flow.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
