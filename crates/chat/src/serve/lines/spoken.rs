//! What a line asks for.

use crate::Position;

/// One line of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spoken<'a> {
    Nothing,
    /// Something to say in the room that was entered last.
    Text(&'a str),
    Name {
        nick: &'a str,
        /// A password, a token, or the session that has the name.
        secret: Option<&'a str>,
    },
    Join {
        room: &'a str,
        since: Option<Position>,
    },
    /// What was seen of the inbox.
    Inbox(Position),
    Part(Option<&'a str>),
    To {
        room: &'a str,
        text: &'a str,
    },
    Tell {
        nick: &'a str,
        text: &'a str,
    },
    Topic(&'a str),
    Who(Option<&'a str>),
    History {
        limit: Option<usize>,
        before: Option<u64>,
    },
    Rooms,
    Ping(&'a str),
    Help,
    Quit,
    /// A command that is written wrongly; how it is written.
    Usage(&'static str),
    Unknown(&'a str),
}

/// What a person reads who asks for help.
pub(super) const HELP: &[&str] = &[
    "/name NAME [SECRET]         who you are; SECRET is your password or token, or your session",
    "/join ROOM                  enter a room; what you write goes to the one you entered last",
    "TEXT                        say it there; begin with // for a text that begins with /",
    "/to ROOM TEXT               say it in another room",
    "/msg NAME TEXT              say it to one person",
    "/topic TEXT                 set the topic of the room; - for none",
    "/who [ROOM]                 who is there",
    "/history [COUNT [BEFORE]]   older messages of the room, from before an offset",
    "/rooms                      which rooms there are",
    "/since ROOM EPOCH OFFSET    enter a room, and get what came behind that offset",
    "/part [ROOM]                leave a room",
    "/ping [TEXT]                be answered",
    "/quit                       leave",
];

const TOPIC: &str = "/topic TEXT, or /topic - for none";
const HISTORY: &str = "/history [COUNT [BEFORE]]";
const SINCE: &str = "/since ROOM EPOCH OFFSET";

/// Reads a line.
pub(super) fn read(line: &str) -> Spoken<'_> {
    if line.trim().is_empty() {
        return Spoken::Nothing;
    }
    let Some(command) = line.strip_prefix('/') else {
        return Spoken::Text(line);
    };
    if command.starts_with('/') {
        return Spoken::Text(command);
    }
    let (word, rest) = command
        .split_once(char::is_whitespace)
        .unwrap_or((command, ""));
    let rest = rest.trim();
    let mut words = rest.split_whitespace();
    match word {
        "name" => match (halves(rest), rest) {
            // A password may have spaces within.
            (Some((nick, secret)), _) => Spoken::Name {
                nick,
                secret: Some(secret),
            },
            (None, "") => Spoken::Usage("/name NAME [SECRET]"),
            (None, nick) => Spoken::Name { nick, secret: None },
        },
        "join" => match (words.next(), words.next()) {
            (Some(room), None) => Spoken::Join {
                room: bare(room),
                since: None,
            },
            _ => Spoken::Usage("/join ROOM"),
        },
        "since" => since(rest).unwrap_or(Spoken::Usage(SINCE)),
        "part" => Spoken::Part(words.next().map(bare)),
        "to" => match halves(rest) {
            Some((room, text)) => Spoken::To {
                room: bare(room),
                text,
            },
            None => Spoken::Usage("/to ROOM TEXT"),
        },
        "msg" => match halves(rest) {
            Some((nick, text)) => Spoken::Tell {
                nick: nick.strip_prefix('@').unwrap_or(nick),
                text,
            },
            None => Spoken::Usage("/msg NAME TEXT"),
        },
        "topic" => match rest {
            "" => Spoken::Usage(TOPIC),
            "-" => Spoken::Topic(""),
            text => Spoken::Topic(text),
        },
        "who" => Spoken::Who(words.next().map(bare)),
        "history" => history(rest).unwrap_or(Spoken::Usage(HISTORY)),
        "rooms" => Spoken::Rooms,
        "ping" => Spoken::Ping(rest),
        "help" => Spoken::Help,
        "quit" => Spoken::Quit,
        unknown => Spoken::Unknown(unknown),
    }
}

fn since(rest: &str) -> Option<Spoken<'_>> {
    let mut words = rest.split_whitespace();
    let (room, epoch, offset) = (words.next()?, words.next()?, words.next()?);
    let position = Position {
        epoch: epoch.parse().ok()?,
        offset: offset.parse().ok()?,
    };
    match (words.next(), room.starts_with('@')) {
        (Some(_), _) => None,
        (None, true) => Some(Spoken::Inbox(position)),
        (None, false) => Some(Spoken::Join {
            room: bare(room),
            since: Some(position),
        }),
    }
}

fn history(rest: &str) -> Option<Spoken<'_>> {
    let mut words = rest.split_whitespace();
    let (limit, before) = (words.next(), words.next());
    let spoken = Spoken::History {
        limit: limit.map(str::parse).transpose().ok()?,
        before: before.map(str::parse).transpose().ok()?,
    };
    words.next().is_none().then_some(spoken)
}

/// Returns the first word and the text behind it.
fn halves(rest: &str) -> Option<(&str, &str)> {
    let (word, text) = rest.split_once(char::is_whitespace)?;
    Some((word, text.trim_start()))
}

/// Returns the name of a room without the mark that it is shown with.
fn bare(room: &str) -> &str {
    room.strip_prefix('#').unwrap_or(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_people_write_them() {
        let position = Position {
            epoch: 83,
            offset: 12,
        };
        for (line, expected) in [
            ("", Spoken::Nothing),
            ("  \t", Spoken::Nothing),
            (" hello ", Spoken::Text(" hello ")),
            ("//etc is a folder", Spoken::Text("/etc is a folder")),
            (
                "/name ann",
                Spoken::Name {
                    nick: "ann",
                    secret: None,
                },
            ),
            (
                "/name  ann a.b ",
                Spoken::Name {
                    nick: "ann",
                    secret: Some("a.b"),
                },
            ),
            ("/name", Spoken::Usage("/name NAME [SECRET]")),
            (
                "/name ann correct  horse",
                Spoken::Name {
                    nick: "ann",
                    secret: Some("correct  horse"),
                },
            ),
            (
                "/join #tea",
                Spoken::Join {
                    room: "tea",
                    since: None,
                },
            ),
            (
                "/since tea 83 12",
                Spoken::Join {
                    room: "tea",
                    since: Some(position),
                },
            ),
            ("/since @ann 83 12", Spoken::Inbox(position)),
            ("/since tea 83", Spoken::Usage(SINCE)),
            ("/since tea 83 -1", Spoken::Usage(SINCE)),
            ("/part", Spoken::Part(None)),
            ("/part #tea", Spoken::Part(Some("tea"))),
            (
                "/to tea  two  words",
                Spoken::To {
                    room: "tea",
                    text: "two  words",
                },
            ),
            ("/to tea", Spoken::Usage("/to ROOM TEXT")),
            (
                "/msg @ben hi",
                Spoken::Tell {
                    nick: "ben",
                    text: "hi",
                },
            ),
            ("/topic -", Spoken::Topic("")),
            ("/topic green tea", Spoken::Topic("green tea")),
            ("/topic", Spoken::Usage(TOPIC)),
            (
                "/history 20 7",
                Spoken::History {
                    limit: Some(20),
                    before: Some(7),
                },
            ),
            ("/history all", Spoken::Usage(HISTORY)),
            ("/ping", Spoken::Ping("")),
            ("/nick ann", Spoken::Unknown("nick")),
            ("/", Spoken::Unknown("")),
        ] {
            assert_eq!(read(line), expected, "{line:?}");
        }
    }

    #[test]
    fn help_fits_a_wide_terminal() {
        // With `* ` before it.
        assert!(HELP.iter().all(|line| line.len() <= 98));
    }
}
