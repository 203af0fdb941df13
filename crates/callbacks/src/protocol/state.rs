//! The state of one connection: how far it has come, and what each of its directions may still do.
//!
//! ```text
//!   Phase       New ──connection_made──► Made ──connection_lost──► Lost
//!
//!   Sending     Open ──write_eof──► Finishing ──all is sent──► Finished
//!                 │                     │                         │
//!                 ├─────────────────────┴─────────────────────────┤
//!                 ├──close──► Closing ──all is sent──► connection_lost
//!                 └──abort, from any state──► Aborted ──► connection_lost
//!
//!   Receiving   Open ◄──pause_reading, resume_reading──► Paused
//!                 └──end of input──► Ended
//!
//!   Buffer      Empty ──a send would block──► Filled ──above the high-water mark──► Full
//!                 ▲                             │ ▲                                  │
//!                 └────────all is sent──────────┘ └──at most the low-water mark──────┘
//! ```

use std::cell::Cell;

/// The progress of a connection through its protocol's callbacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// `connection_made` was not called yet.
    #[default]
    New,
    Made,
    /// `connection_lost` was called, or is being called.
    Lost,
}

/// The state of the direction to the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sending {
    #[default]
    Open,
    /// The end follows the buffered bytes.
    Finishing,
    /// The peer was told the end.
    Finished,
    /// The connection ends after the buffered bytes.
    Closing,
    /// The connection ends, or has ended, without the buffered bytes.
    Aborted,
}

/// The state of the direction from the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Receiving {
    #[default]
    Open,
    /// Bytes are left in the socket.
    Paused,
    /// The peer sent its end.
    Ended,
}

/// The state of the write buffer, readable without a look into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Buffer {
    /// No bytes and no error wait.
    #[default]
    Empty,
    Filled,
    /// The protocol was told to pause writing.
    Full,
}

/// The state machines of one connection, in five bytes.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) phase: Cell<Phase>,
    pub(super) sending: Cell<Sending>,
    pub(super) receiving: Cell<Receiving>,
    pub(super) buffer: Cell<Buffer>,
    /// Whether the connection is in its own poll, which looks at the other fields before it returns.
    pub(super) is_polled: Cell<bool>,
}

impl State {
    /// Ends this direction after the buffered bytes.
    pub(super) fn finish(&self) {
        if self.sending.get() == Sending::Open {
            self.sending.set(Sending::Finishing);
        }
    }

    /// Ends the connection after the buffered bytes.
    pub(super) fn close(&self) {
        if self.sending.get() != Sending::Aborted {
            self.sending.set(Sending::Closing);
        }
    }

    /// Ends the connection now.
    pub(super) fn abort(&self) {
        self.sending.set(Sending::Aborted);
    }

    /// Ends every state machine.
    pub(super) fn lose(&self) {
        self.phase.set(Phase::Lost);
        self.sending.set(Sending::Aborted);
        self.buffer.set(Buffer::Empty);
    }

    /// Returns whether the connection is lost or about to end.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.sending.get(), Sending::Closing | Sending::Aborted)
    }

    /// Pauses or resumes receiving; has no effect after the peer's end.
    pub(super) fn set_paused(&self, paused: bool) {
        if self.receiving.get() != Receiving::Ended {
            self.receiving.set(match paused {
                true => Receiving::Paused,
                false => Receiving::Open,
            });
        }
    }

    /// Returns whether bytes of the peer are received.
    pub(super) fn is_receiving(&self) -> bool {
        self.receiving.get() == Receiving::Open && !self.is_closing()
    }
}
