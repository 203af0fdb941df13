//! The states of a channel.
//!
//! The socket, and what is known of a stream's connection:
//!
//! ```text
//!   listen ──► Listener ──────────────────────────────────────────┐
//!                                                                 │
//!   connect ─► Connecting ─┐                                      │ close, a panic,
//!   add ───────────────────┴─► Stream                             │ a failed connect
//!                               Open ─ end of input ─► EndDue     │ or accept
//!                                │                       │        ├───────────────► Closed
//!                                │ error                 │ handle_close
//!                                ▼          error        ▼        │
//!                              Broken ◄─────────────── Ended      │
//!                                └─ handle_close ─────────────────┘
//! ```
//!
//! An error leads from `EndDue` to `Broken` too. Writing:
//!
//! ```text
//!            handle_write             bytes sent
//!   Ready ─────────────────► Called ─────────────► Sent
//!    ▲ ▲                       │ returned            │ returned
//!    │ └─ another method ran ─ Idle                  │
//!    └───────────────────────────────────────────────┘
//! ```

use switchboard_net::{Incoming, Stream};

use crate::dispatcher::Dispatcher;

/// The socket of a channel.
pub(crate) enum Socket {
    /// Boxed, so that a stream's channel does not pay for the back-off.
    Listener(Box<Incoming>),
    Stream(Stream),
    Connecting,
    Closed,
}

/// The state of a stream's connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    Open,
    /// The peer ended the connection; `handle_close` has not been called yet.
    EndDue,
    /// `handle_close` has been called; the channel may still send.
    Ended,
    /// The connection failed; the channel closes after `handle_close`.
    Broken,
}

/// The state of writing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// `handle_write` is called when a send would not block.
    Ready,
    /// `handle_write` runs and has sent nothing so far.
    Called,
    /// `handle_write` runs and has sent bytes.
    Sent,
    /// `handle_write` sent nothing; its next call waits until another method has run.
    Idle,
}

/// The directions that a dispatcher is interested in.
#[derive(Clone, Copy, Default)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Interest {
    /// Returns what `dispatcher` is interested in now.
    pub(crate) fn of(dispatcher: &dyn Dispatcher) -> Interest {
        Interest {
            read: dispatcher.readable(),
            write: dispatcher.writable(),
        }
    }
}

/// How a channel's task begins.
pub(crate) enum Start {
    Ready,
    /// Connects to this name first.
    Connect(String),
}
