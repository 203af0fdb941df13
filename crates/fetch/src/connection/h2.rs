//! HTTP/2 without spawning: hyper starts its work by an executor that keeps it for the flow that uses the connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::Connection;
use switchboard_http::Io;

use super::tap::Tap;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type Http2 = Connection<Io<Tap>, Full<Bytes>, Starter>;
/// Work that has begun and was not polled yet.
type Begun = Mutex<Vec<Work>>;

/// hyper's executor. What it starts holds clones of it, so that it does not own the list.
#[derive(Clone)]
pub(super) struct Starter(Weak<Begun>);

/// hyper's connection, and the work that it has started: the connection's frames, and the request's body.
pub(super) struct Driven2 {
    /// `None` once it takes no more requests. Those that it has taken go on.
    connection: Option<Pin<Box<Http2>>>,
    begun: Arc<Begun>,
    running: Vec<Work>,
}

impl Starter {
    pub(super) fn new() -> (Starter, Arc<Begun>) {
        let begun = Arc::default();
        (Starter(Arc::downgrade(&begun)), begun)
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Starter {
    fn execute(&self, future: F) {
        // Without a list the connection is gone, and its work with it.
        if let Some(begun) = self.0.upgrade() {
            let mut begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.push(Box::pin(future));
        }
    }
}

impl Driven2 {
    pub(super) fn new(connection: Http2, begun: Arc<Begun>) -> Driven2 {
        Driven2 {
            connection: Some(Box::pin(connection)),
            begun,
            running: Vec::new(),
        }
    }

    /// Polls the connection and all of its work; ready once both have ended.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(connection) = &mut self.connection
                && connection.as_mut().poll(context).is_ready()
            {
                self.connection = None;
            }
            let begun =
                std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner));
            let none_begun = begun.is_empty();
            self.running.extend(begun);
            let before = self.running.len();
            self.running
                .retain_mut(|work| work.as_mut().poll(context).is_pending());
            if self.connection.is_none() && self.running.is_empty() {
                return Poll::Ready(());
            }
            // What ended may be what the connection waits for.
            if none_begun && self.running.len() == before {
                return Poll::Pending;
            }
        }
    }
}
