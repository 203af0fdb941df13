//! Where lines come from and what is shown goes.

use super::client::Client;
use super::event::Event;
use super::piped::Piped;
use super::terminal::Terminal;
use crate::output::Failure;

/// A person at a terminal, or programs.
pub(super) enum Front {
    Terminal(Box<Terminal>),
    Piped(Piped),
}

/// What comes of the user.
#[derive(Debug)]
pub(super) enum Input {
    Line(String),
    /// A line that cannot be said.
    Wrong(String),
    /// The user has discarded a line.
    Discarded,
    /// There are no more lines.
    End,
}

impl Front {
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Front::Terminal(_))
    }

    /// Waits for the next line. May be dropped at any moment.
    pub(super) async fn next(&mut self) -> Result<Input, Failure> {
        match self {
            Front::Terminal(terminal) => terminal.next().await,
            Front::Piped(piped) => piped.next().await,
        }
    }

    /// Has the user type the next line.
    pub(super) fn ready(&self, client: &Client) {
        if let Front::Terminal(terminal) = self {
            terminal.ready(client.place.as_ref(), client.known());
        }
    }

    pub(super) fn show(&self, event: &Event) -> Result<(), Failure> {
        match self {
            Front::Terminal(terminal) => {
                terminal.show(event);
                Ok(())
            }
            Front::Piped(piped) => piped.show(event),
        }
    }
}
