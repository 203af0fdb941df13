//! The way in which an operation is carried out. [`poll`] chooses one of four, by the flow that polls.
//!
//! ```text
//!   poll ─┬─ blocking flow:      becomes pending; later blocks in the call, or waits in poll(2) first
//!         ├─ readiness driver:   makes the call without blocking; if it would block, waits for an event
//!         ├─ completion driver:  takes a completion; if there is none, requests one and waits for it
//!         └─ no flow, no loop:   is refused
//! ```
//!
//! A socket that migrated may have unclaimed completions of its last owner. They are taken first.

mod completion;
mod thread;

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use switchboard_reactor::plumbing::{Descriptor, Registration, Sockets, uninterrupted};
use switchboard_reactor::{Direction, Loop, Waiting};

use self::completion::poll_completion;
pub(crate) use self::completion::poll_last_accept;
pub(crate) use self::thread::block_thread;
use self::thread::poll_blocking;
use super::ops::Operation;
use crate::blocking;
use crate::model::outside_of_a_flow;

/// Carries out `operation` in the way of the flow that polls it.
// Inlined into each operation of a source: apart from the system call it is some dozens of instructions.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn poll<O: Operation>(
    descriptor: &Arc<Descriptor>,
    context: &mut Context<'_>,
    operation: O,
) -> Poll<io::Result<O::Output>> {
    if blocking::is_blocking() {
        return poll_blocking(descriptor, context, operation);
    }
    Loop::with_current(|lp| {
        let Some(lp) = lp else {
            return Poll::Ready(Err(outside_of_a_flow()));
        };
        match descriptor.registration(lp) {
            Some(registration) if !lp.completes() => {
                poll_readiness(lp, descriptor, registration, context, operation)
            }
            Some(registration) => poll_completion(lp, descriptor, registration, context, operation),
            None => poll_first(lp, descriptor, context, operation),
        }
    })
}

#[cfg_attr(not(debug_assertions), inline(always))]
fn poll_readiness<O: Operation>(
    lp: &Loop,
    descriptor: &Descriptor,
    registration: Registration,
    context: &mut Context<'_>,
    mut operation: O,
) -> Poll<io::Result<O::Output>> {
    let (fd, direction) = (descriptor.fd(), operation.direction());
    lp.poll_operation(registration, fd, direction, context, &mut operation)
}

/// Notes in the descriptor's activity, if it has one, that an operation waits. Called before the system call,
/// in which a blocking flow waits.
fn note_wait(descriptor: &Descriptor, direction: Direction) {
    if let Some(activity) = descriptor.activity() {
        activity.begin(waiting(direction));
    }
}

/// Notes that a wait was given up.
pub(super) fn note_abandoned(descriptor: &Descriptor, direction: Direction) {
    if let Some(activity) = descriptor.activity() {
        activity.end(waiting(direction), 0);
    }
}

/// Notes that an operation has ended, if it has.
fn note_end<O: Operation>(
    descriptor: &Descriptor,
    direction: Direction,
    polled: &Poll<io::Result<O::Output>>,
) {
    if let (Some(activity), Poll::Ready(done)) = (descriptor.activity(), polled) {
        let carried = done.as_ref().map_or(0, O::carried);
        activity.end(waiting(direction), carried);
    }
}

fn waiting(direction: Direction) -> Waiting {
    match direction {
        Direction::Write => Waiting::Send,
        Direction::Read | Direction::Priority => Waiting::Receive,
    }
}

/// Polls an operation on a loop that has no registration of the descriptor yet, or while there are
/// unclaimed completions, or where operations are noted.
#[inline(never)]
fn poll_first<O: Operation>(
    lp: &Loop,
    descriptor: &Arc<Descriptor>,
    context: &mut Context<'_>,
    operation: O,
) -> Poll<io::Result<O::Output>> {
    let direction = operation.direction();
    note_wait(descriptor, direction);
    let polled = match descriptor.observed_registration(lp) {
        Some(registration) if !lp.completes() => {
            poll_readiness(lp, descriptor, registration, context, operation)
        }
        _ => poll_unusual(lp, descriptor, context, operation),
    };
    note_end::<O>(descriptor, direction, &polled);
    polled
}

fn poll_unusual<O: Operation>(
    lp: &Loop,
    descriptor: &Arc<Descriptor>,
    context: &mut Context<'_>,
    mut operation: O,
) -> Poll<io::Result<O::Output>> {
    ready!(descriptor.poll_claim(Some(lp.id()), context.waker()));
    if let Some(done) = take_unclaimed(descriptor, &mut operation) {
        return Poll::Ready(done);
    }
    if let Some(registration) = descriptor.registered_on(lp) {
        return poll_registered(lp, descriptor, registration, context, operation);
    }
    // A completion driver registers the socket before its first operation, so that it knows all that is
    // in flight. With a readiness driver, a connection that is answered at once is never registered.
    let completes = lp.completes();
    if completes && descriptor.register_on(lp).is_none() {
        return retry(context);
    }
    ready!(lp.poll_budget(context));
    match uninterrupted(|| operation.call(descriptor.fd(), false)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => return Poll::Ready(Err(error)),
        Ok(output) => {
            lp.charge(operation.transfer(&output).bytes);
            return Poll::Ready(Ok(output));
        }
    }
    let Some(registration) = descriptor.register_on(lp) else {
        return retry(context);
    };
    let direction = operation.direction();
    lp.drained(registration, direction, true);
    if completes {
        return poll_registered(lp, descriptor, registration, context, operation);
    }
    match lp.wait_for(registration, descriptor.fd(), direction, context.waker()) {
        Ok(()) => Poll::Pending,
        Err(error) => Poll::Ready(Err(error)),
    }
}

fn poll_registered<O: Operation>(
    lp: &Loop,
    descriptor: &Arc<Descriptor>,
    registration: Registration,
    context: &mut Context<'_>,
    operation: O,
) -> Poll<io::Result<O::Output>> {
    let read = operation.direction() == Direction::Read;
    let by_readiness = descriptor.is_shared() || descriptor.is_by_readiness() && read;
    match (by_readiness, lp.completes()) {
        (true, _) => completion::poll_stopped(lp, descriptor, registration, context, operation),
        (false, true) => poll_completion(lp, descriptor, registration, context, operation),
        (false, false) => poll_readiness(lp, descriptor, registration, context, operation),
    }
}

/// Wakes the flow to poll again, because another loop has become the owner meanwhile.
fn retry<T>(context: &mut Context<'_>) -> Poll<T> {
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Completes the operation with an unclaimed completion, if there is one for it.
fn take_unclaimed<O: Operation>(
    descriptor: &Descriptor,
    operation: &mut O,
) -> Option<io::Result<O::Output>> {
    let taken = descriptor.unclaimed(|unclaimed| match operation.take(unclaimed) {
        Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
        taken => taken,
    });
    taken.map(|completed| completed.map(|(output, _)| output))
}
