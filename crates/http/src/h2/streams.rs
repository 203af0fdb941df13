//! The streams of one connection: futures that the connection's own flow polls.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

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
    running: FuturesUnordered<BoxedFuture<'a>>,
    begun: Rc<Begun<'a>>,
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
    pub(super) fn new() -> Streams<'a> {
        Streams {
            running: FuturesUnordered::new(),
            begun: Rc::default(),
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
        self.running.extend(begun);
        while let Poll::Ready(Some(())) = self.running.poll_next_unpin(context) {
            any = true;
        }
        any
    }
}
