//! What callbacks hold of a connection.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use switchboard_callbacks::Transport;
use switchboard_reactor::{Handle, Loop};

use crate::{CloseFrame, Encoded, Encoder};

/// One connection, as its [`Handler`](crate::Handler) sees it, and whoever sends to it. A clone is the same connection. No method blocks,
/// and none calls the handler.
#[derive(Clone)]
pub struct Session(pub(super) Rc<Inner>);

pub(super) struct Inner {
    pub(super) transport: Transport,
    pub(super) encoder: RefCell<Encoder>,
    pub(super) protocol: Option<Arc<str>>,
    pub(super) has_closed: Cell<bool>,
    pub(super) close_limit: Duration,
    /// Cuts the connection if the peer does not answer a close.
    pub(super) cut: Cell<Option<Handle>>,
}

impl Session {
    /// Sends a message. After a close it is discarded. What the peer does not take is kept: who sends much looks at
    /// [`write_buffer_size`](Transport::write_buffer_size) of the [transport](Session::transport).
    pub fn send(&self, message: &Encoded) {
        if !self.0.has_closed.get() {
            let frame = self.0.encoder.borrow_mut().encode(message);
            self.0.transport.write(&frame);
        }
    }

    /// Sends a ping, whose payload is cut after 125 bytes.
    pub fn ping(&self, payload: &[u8]) {
        if !self.0.has_closed.get() {
            let frame = self.0.encoder.borrow().ping(payload);
            self.0.transport.write(&frame);
        }
    }

    /// Sends a close. Messages are received until the peer answers it; if it does not in time, the connection is cut.
    pub fn close(&self, reason: Option<&CloseFrame>) {
        if !self.0.has_closed.replace(true) {
            let frame = self.0.encoder.borrow().close(reason);
            self.0.transport.write(&frame);
            self.cut_later();
        }
    }

    /// Cuts the connection once the limit of a close has passed, counted from the first call.
    pub(super) fn cut_later(&self) {
        let armed = self.0.cut.take().or_else(|| {
            let (transport, limit) = (self.0.transport.clone(), self.0.close_limit);
            Loop::current().map(|lp| lp.call_later(limit, move || transport.abort()))
        });
        self.0.cut.set(armed);
    }

    /// Returns the subprotocol that both sides have agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.0.protocol.as_deref()
    }

    /// Returns the transport, for its addresses and the state of its buffer.
    pub fn transport(&self) -> &Transport {
        &self.0.transport
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?})", self.0.transport)
    }
}
