//! The body of a request, whose bytes the connection reads when they are asked for.
//!
//! ```text
//!   the handler, or another flow                       the connection's flow
//!   poll_frame ── wanted ───────────────────────────►  reads, decodes
//!              ◄────────────────────────── a frame ──  wakes the reader, unless it is polled next
//! ```

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::Frame;

/// What the body and its connection share.
#[derive(Debug, Default)]
struct State {
    frame: Option<io::Result<Frame<Bytes>>>,
    /// Whether the body waits for a frame.
    wanted: bool,
    /// Whether no further frame comes.
    ended: bool,
    /// Whether the body was dropped.
    dropped: bool,
    reader: Option<Waker>,
    connection: Option<Waker>,
}

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body, in the hands of the handler.
#[derive(Debug)]
pub(crate) struct RequestBody {
    shared: Arc<Shared>,
    /// The bytes that are left, if that is known.
    left: Option<u64>,
}

/// The connection's side of the body.
#[derive(Debug)]
pub(crate) struct Feeder(Arc<Shared>);

/// Returns a body of `length` bytes, if that is known, and the side that feeds it.
pub(crate) fn fed_body(length: Option<u64>) -> (Feeder, RequestBody) {
    let shared = Arc::<Shared>::default();
    let body = RequestBody {
        shared: shared.clone(),
        left: length,
    };
    (Feeder(shared), body)
}

impl RequestBody {
    pub(super) fn left(&self) -> Option<u64> {
        self.left
    }

    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        // A whole body has its end, also if the connection ends before it is asked for.
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        let mut state = self.shared.lock();
        let frame = state.frame.take();
        if frame.is_some() || state.ended {
            let reader = state.reader.take();
            drop(state);
            drop(reader);
            if let (Some(left), Some(Ok(frame))) = (&mut self.left, &frame) {
                *left -= frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            return Poll::Ready(frame);
        }
        state.wanted = true;
        let replaced = state.reader.replace(context.waker().clone());
        let connection = state.connection.take();
        drop(state);
        drop(replaced);
        connection.into_iter().for_each(Waker::wake);
        Poll::Pending
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.dropped = true;
        let connection = state.connection.take();
        drop(state);
        connection.into_iter().for_each(Waker::wake);
    }
}

/// What the body's reader does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// It waits for a frame.
    Wanted,
    /// It may ask for one later, and wakes the connection then.
    Later,
    /// It has dropped the body.
    Never,
}

impl Feeder {
    /// Returns what the reader does; has it wake the flow of `context` when that changes.
    pub(crate) fn demand(&self, context: &mut Context<'_>) -> Demand {
        let mut state = self.0.lock();
        match (state.dropped, state.wanted) {
            (true, _) => Demand::Never,
            (false, true) => Demand::Wanted,
            (false, false) => {
                let replaced = state.connection.replace(context.waker().clone());
                // The drop of a waker may run code that uses the body.
                drop(state);
                drop(replaced);
                Demand::Later
            }
        }
    }

    /// Returns whether somebody has the body.
    pub(crate) fn has_reader(&self) -> bool {
        !self.0.lock().dropped
    }

    /// Gives the reader a frame that it wants.
    pub(crate) fn give(&self, frame: io::Result<Frame<Bytes>>, context: &mut Context<'_>) {
        let mut state = self.0.lock();
        state.ended |= frame.is_err();
        state.frame = Some(frame);
        Feeder::wake(state, context);
    }

    /// Tells the reader that nothing more comes.
    pub(crate) fn end(&self, context: &mut Context<'_>) {
        let mut state = self.0.lock();
        state.ended = true;
        Feeder::wake(state, context);
    }

    /// Wakes the reader, unless it is a part of the connection's flow, which most likely polls it next.
    fn wake(mut state: MutexGuard<'_, State>, context: &mut Context<'_>) {
        state.wanted = false;
        let is_other = |reader: &mut Waker| !reader.will_wake(context.waker());
        let reader = state.reader.take_if(is_other);
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    /// Wakes a reader that is a part of the connection's flow and was not polled since something came for it.
    pub(crate) fn wake_unpolled(&self) {
        let mut state = self.0.lock();
        let has_come = state.frame.is_some() || state.ended;
        let reader = state.reader.take_if(|_| has_come);
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if !state.ended {
            state.ended = true;
            if state.frame.is_none() {
                let text = "the connection has ended before the request's body";
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, text);
                state.frame = Some(Err(error));
            }
        }
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }
}
