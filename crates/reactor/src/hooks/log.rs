//! The events that the default hooks log.

use std::fmt;
use std::io::{self, Write};

use tracing::field::display;
use tracing::subscriber::NoSubscriber;
use tracing::{Level, debug, dispatcher, enabled, warn};

use super::{Closed, Ending, Opened};

/// Logs a warning: an event, or a line on stderr if the program has set no subscriber.
pub(super) fn warn(text: &dyn fmt::Display) {
    if dispatcher::get_default(|dispatch| dispatch.is::<NoSubscriber>()) {
        // In one call, so that lines of several threads do not mix. A warning that cannot be written is
        // lost, because nothing may end for its sake.
        let _ = io::stderr().write_all(format!("switchboard: {text}\n").as_bytes());
    } else {
        warn!(target: "switchboard", "{text}");
    }
}

pub(super) fn accepted(accepted: &Opened<'_>) {
    let Opened { id, peer, handler } = accepted;
    debug!(target: "switchboard", id, %peer, %handler, "accepted");
}

pub(super) fn closed(closed: &Closed<'_>) {
    if closed.is_warning() {
        warn(closed);
    } else if enabled!(target: "switchboard", Level::DEBUG) {
        let (id, lasted) = (closed.id, closed.lasted.as_secs_f64());
        // A field without a value is left out.
        let received = closed.traffic.map(|traffic| traffic.received);
        let sent = closed.traffic.map(|traffic| traffic.sent);
        let error = match closed.ending {
            Ending::Failed(error) => Some(display(error)),
            _ => None,
        };
        let cut = matches!(closed.ending, Ending::Cut).then_some(true);
        debug!(target: "switchboard", id, lasted, received, sent, cut, error, "closed");
    }
}
