//! Operations on a loop with a completion driver.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use switchboard_driver::{Request, Uring};
use switchboard_reactor::plumbing::{Descriptor, Registration, Sockets, SystemCall, Transfer};
use switchboard_reactor::{Direction, Loop};

use super::poll_readiness;
use crate::io::ops::{Accept, Operation};

/// Polls an operation on a loop with a completion driver, which carries operations out itself.
#[inline(never)]
pub(super) fn poll_completion<O: Operation>(
    lp: &Loop,
    descriptor: &Arc<Descriptor>,
    registration: Registration,
    context: &mut Context<'_>,
    mut operation: O,
) -> Poll<io::Result<O::Output>> {
    let direction = operation.direction();
    let request = match operation.request() {
        Some(request) => request,
        None => {
            let taken = lp.complete(registration, |driver, token| {
                operation.take_from(driver, token)
            });
            match taken.flatten() {
                Some(done) => return Poll::Ready(done.map(|(output, _)| output)),
                None if operation.reads_itself() && lp.is_requested(registration) => {
                    return poll_stopped(lp, descriptor, registration, context, operation);
                }
                // A requested receive takes arriving bytes from the socket, so that the system call
                // would not find them.
                None if direction == Direction::Read && lp.is_requested(registration) => {
                    Request::Bytes
                }
                None => return poll_readiness(lp, descriptor, registration, context, operation),
            }
        }
    };
    let fd = descriptor.fd();
    let take = |operation: &mut O, driver: &mut Uring, token| operation.take_from(driver, token);
    lp.poll_request(registration, fd, request, context, &mut operation, take)
}

/// Polls an operation that goes by readiness under every driver: each of a shared descriptor, a read from
/// one whose reads do, or a system call of the caller that reads. Ends the receive that the driver has in
/// flight, and takes its completions first.
pub(super) fn poll_stopped<O: Operation>(
    lp: &Loop,
    descriptor: &Arc<Descriptor>,
    registration: Registration,
    context: &mut Context<'_>,
    mut operation: O,
) -> Poll<io::Result<O::Output>> {
    let taken = lp.complete(registration, |driver, token| {
        operation.take_from(driver, token)
    });
    match taken.flatten() {
        Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
        Some(done) => return Poll::Ready(done.map(|(output, _)| output)),
        None => {}
    }
    if lp.stop_request(registration, context.waker()) {
        return Poll::Pending;
    }
    let (fd, direction) = (descriptor.fd(), operation.direction());
    lp.poll_operation(
        registration,
        fd,
        direction,
        context,
        &mut NeverShort(operation),
    )
}

/// Ends the accept that the driver has in flight for a listener, and takes the connection if it was accepted
/// all the same.
pub(crate) fn poll_last_accept(
    descriptor: &Arc<Descriptor>,
    context: &mut Context<'_>,
) -> Poll<Option<OwnedFd>> {
    Loop::with_current(|lp| {
        let on_loop = lp.and_then(|lp| Some((lp, descriptor.registered_on(lp)?)));
        let Some((lp, registration)) = on_loop.filter(|(lp, _)| lp.completes()) else {
            return Poll::Ready(None);
        };
        let taken = lp.complete(registration, |driver, token| {
            Accept.take_from(driver, token)
        });
        if let Some(Ok(((fd, _), _))) = taken.flatten() {
            return Poll::Ready(Some(fd));
        }
        match lp.stop_request(registration, context.waker()) {
            true => Poll::Pending,
            false => Poll::Ready(None),
        }
    })
}

/// A system call that never counts as short.
struct NeverShort<O>(O);

impl<O: SystemCall> SystemCall for NeverShort<O> {
    type Output = O::Output;

    fn call(&mut self, fd: BorrowedFd<'_>, may_block: bool) -> io::Result<O::Output> {
        self.0.call(fd, may_block)
    }

    fn transfer(&self, output: &O::Output) -> Transfer {
        Transfer {
            short: false,
            ..self.0.transfer(output)
        }
    }
}
