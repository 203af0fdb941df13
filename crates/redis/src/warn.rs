//! What the user of a program is told while it runs.

use std::fmt;
use std::io::{self, Write};

use tracing::subscriber::NoSubscriber;

/// Logs a warning: an event, or a line on stderr if the program has set no subscriber.
pub fn warn(text: &dyn fmt::Display) {
    if tracing::dispatcher::get_default(|dispatch| dispatch.is::<NoSubscriber>()) {
        // In one call, so that lines of several threads do not mix. One that cannot be written is lost.
        let _ = io::stderr().write_all(format!("switchboard: {text}\n").as_bytes());
    } else {
        tracing::warn!(target: "switchboard", "{text}");
    }
}
