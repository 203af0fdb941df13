//! The streams of one connection: futures that the connection's own flow polls.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::tally::{Tally, Wait};
use crate::server::ServerLimits;

type BoxedFuture<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;
/// Streams that have begun and are in no set yet.
type Begun<'a> = RefCell<Vec<BoxedFuture<'a>>>;

/// The executor that hyper starts the streams of a connection by. It keeps them for the flow that polls the
/// connection, which is all that runs them: no model needs to spawn.
///
/// A stream's future holds a clone of it, so it does not own the list that it adds to.
#[derive(Clone)]
pub(super) struct Starter<'a>(Weak<Begun<'a>>);

/// The streams of a connection that run.
pub(super) struct Streams<'a> {
    running: FuturesUnordered<Stream<'a>>,
    begun: Rc<Begun<'a>>,
    tally: Rc<Tally>,
}

/// One stream, and the wait of its answer.
struct Stream<'a> {
    future: BoxedFuture<'a>,
    wait: Rc<Wait>,
    tally: Rc<Tally>,
}

impl Future for Stream<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.tally.polled.replace(self.wait.clone());
        self.future.as_mut().poll(context)
    }
}

impl Stream<'_> {
    /// Returns whether the client has not made room in its time, or takes the last piece at less than the least
    /// rate.
    fn is_late(&self, now: Instant, limits: &ServerLimits) -> bool {
        self.wait.get().is_some_and(|(since, bytes)| {
            let seconds = bytes.checked_div(limits.min_rate).unwrap_or(u64::MAX);
            let span = limits
                .write_idle
                .saturating_add(Duration::from_secs(seconds));
            now.saturating_duration_since(since) >= span
        })
    }
}

impl<'a, F: Future<Output = ()> + 'a> hyper::rt::Executor<F> for Starter<'a> {
    fn execute(&self, future: F) {
        // Without a list the connection is gone, and its streams with it.
        if let Some(begun) = self.0.upgrade() {
            begun.borrow_mut().push(Box::pin(future));
        }
    }
}

impl<'a> Streams<'a> {
    pub(super) fn new(tally: Rc<Tally>) -> Streams<'a> {
        Streams {
            running: FuturesUnordered::new(),
            begun: Rc::default(),
            tally,
        }
    }

    pub(super) fn starter(&self) -> Starter<'a> {
        Starter(Rc::downgrade(&self.begun))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Polls the streams that have begun or were woken. Returns whether one has begun or ended, so that the
    /// connection may have something to send.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let begun = self.begun.take();
        let mut any = !begun.is_empty();
        self.running.extend(begun.into_iter().map(|future| Stream {
            future,
            wait: Rc::default(),
            tally: self.tally.clone(),
        }));
        while let Poll::Ready(Some(())) = self.running.poll_next_unpin(context) {
            any = true;
        }
        any
    }

    /// Ends the streams whose client does not take its answer, which resets them. Returns whether there was one.
    pub(super) fn end_late(&mut self, now: Instant, limits: &ServerLimits) -> bool {
        let any = self
            .running
            .iter()
            .any(|stream| stream.is_late(now, limits));
        if any {
            let running = std::mem::take(&mut self.running).into_iter();
            self.running = running
                .filter(|stream| !stream.is_late(now, limits))
                .collect();
        }
        any
    }
}
