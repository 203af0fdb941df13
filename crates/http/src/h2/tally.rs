//! What a connection has done, which its watch looks at.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// Counters of one connection.
#[derive(Default)]
pub(super) struct Tally {
    /// Bytes read and written.
    pub(super) read: Cell<u64>,
    pub(super) written: Cell<u64>,
    /// Bytes of frames of both directions since the last look, by whether they carry a part of a request or of
    /// an answer.
    pub(super) carried: Cell<u64>,
    pub(super) empty: Cell<u64>,
    /// Whether the socket took no more bytes at the last try.
    pub(super) blocked: Cell<bool>,
    /// Responses whose next bytes wait until the client has room for them.
    pub(super) sending: Cell<usize>,
    /// Requests, and those among them that the client took back before they were answered.
    pub(super) requests: Cell<u64>,
    pub(super) withdrawn: Cell<u64>,
}

/// Bytes of frames that carry nothing, between two looks, for which a client need not carry anything; and the
/// bytes of such frames for each byte of one that carries. nginx cuts off at the same ratio.
const EMPTY: u64 = 1024 * 1024;
const EMPTY_FOR_EACH: u64 = 8;

impl Tally {
    /// Returns whether the client floods the connection with frames that carry nothing, such as pings.
    pub(super) fn is_flooded(&self) -> bool {
        let may = self.carried.get().saturating_mul(EMPTY_FOR_EACH);
        self.empty.get() > may.saturating_add(EMPTY)
    }

    /// Begins to count frames anew.
    pub(super) fn forget_frames(&self) {
        self.carried.set(0);
        self.empty.set(0);
    }
}

pub(super) fn add<T: Copy + std::ops::Add<Output = T>>(counter: &Cell<T>, more: T) {
    counter.set(counter.get() + more);
}

/// A request whose handler runs. Dropped before [`answered`](Running::answered), it was taken back.
pub(super) struct Running(Option<Rc<Tally>>);

impl Running {
    pub(super) fn new(tally: Rc<Tally>) -> Running {
        add(&tally.requests, 1);
        Running(Some(tally))
    }

    /// Returns the body of the answer, which counts as sending while it waits for the client.
    pub(super) fn answered<B>(mut self, body: B) -> Sending<B> {
        let tally = self.0.take();
        Sending {
            body,
            waits: Waits::new(tally),
        }
    }

    /// The handler has failed, which the client hears of.
    pub(super) fn failed(mut self) {
        self.0 = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(tally) = &self.0 {
            add(&tally.withdrawn, 1);
        }
    }
}

pin_project! {
    /// The body of an answer.
    pub(super) struct Sending<B> {
        #[pin]
        body: B,
        waits: Waits,
    }
}

/// Whether a body waits for its client, counted in the tally.
struct Waits {
    tally: Option<Rc<Tally>>,
    counted: bool,
}

impl Waits {
    /// A client may have left no room at all, so that the body is never asked for bytes.
    fn new(tally: Option<Rc<Tally>>) -> Waits {
        let mut waits = Waits {
            tally,
            counted: false,
        };
        waits.set(true);
        waits
    }

    fn set(&mut self, waits: bool) {
        if waits == self.counted {
            return;
        }
        self.counted = waits;
        if let Some(tally) = &self.tally {
            let sending = tally.sending.get();
            tally.sending.set(match waits {
                true => sending + 1,
                false => sending - 1,
            });
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.set(false);
    }
}

impl<B: Body> Body for Sending<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(context);
        // It is asked for more once the client has room for more.
        this.waits.set(polled.is_ready());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
