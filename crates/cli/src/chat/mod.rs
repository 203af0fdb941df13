//! `switchboard chat`: a client of a chat server, for a terminal or for pipes.
//!
//! ```text
//!   front: terminal or pipe ─► input, act ─► client ─► talk ─► server
//!                  ▲                          │  ▲       │
//!                  └──── display ◄── events ──┘  └ told ◄┘
//! ```
//!
//! `client` and the files around it do no input and output.

mod act;
mod client;
mod display;
mod editor;
mod entries;
mod event;
mod front;
mod helper;
mod input;
mod link;
mod options;
mod pace;
mod piped;
mod room;
#[cfg(test)]
mod schedules;
mod seen;
mod talk;
mod terminal;
mod text;
mod told;
mod updates;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::ColorChoice;
use switchboard_runtime::Model;
use time::UtcOffset;

use self::client::{Client, Manner};
use self::display::Look;
use self::event::Event;
use self::front::Front;
pub(crate) use self::options::Options;
use self::pace::BackOff;
use self::piped::Piped;
use self::talk::Talk;
use self::terminal::Terminal;
use crate::output::{self, Failure};

/// The most older messages that people are shown of a room that they enter.
const OLDER: u64 = 20;

pub(crate) fn run(options: &Options, color: ColorChoice) -> ExitCode {
    output::status(chat(options, color))
}

fn chat(options: &Options, color: ColorChoice) -> Result<bool, Failure> {
    // Threads that could change the environment do not run yet.
    let offset = UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC);
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb();
    let checked = options.check(is_terminal)?;
    let manner = Manner {
        older: if is_terminal { OLDER } else { u64::MAX },
        hides_own: is_terminal,
    };
    let client = Client::new(checked.nick, checked.token, &checked.rooms, manner);
    let mut client = client.with_password(checked.password);
    let front = match is_terminal {
        true => {
            let is_coloured = color != ColorChoice::Never;
            let look = Look {
                is_coloured: is_coloured && (color == ColorChoice::Always || !is_colour_refused()),
                offset,
            };
            let text = format!(
                "{} as {}; /help shows the commands",
                checked.address, client.nick
            );
            client.show(Event::News(text));
            if checked.rooms.is_empty() {
                let text = "you are in no room: /join ROOM enters one, /room lists those there are";
                client.show(Event::News(text.to_owned()));
            }
            Front::Terminal(Box::new(Terminal::new(look)?))
        }
        false => Front::Piped(Piped::new()?),
    };
    let talk = Talk {
        client,
        front,
        address: checked.address,
        options: checked.websocket,
        timeout: checked.timeout,
        back_off: BackOff::default(),
        leaves: None,
        is_lost: false,
    };
    Model::Tasks.run(talk.run())?
}

/// Returns whether the terminal cannot move its cursor.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty())
}

/// Returns whether NO_COLOR is set, as for help and errors.
fn is_colour_refused() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
