//! What each line of a client does.

use super::super::split::Piece;
use super::super::spoken::{self, Spoken};
use super::Conversation;
use crate::line::Shown;
use crate::{Bye, Command, Name, Now};

impl Conversation {
    pub(super) fn take(&mut self, piece: Piece<'_>, now: Now) {
        if self.leaves.is_some() {
            return;
        }
        let line = match piece {
            Piece::TooLong => {
                let longest = self.longest();
                let why = format!("a line has at most {longest} bytes");
                self.connection.refuse_text(&why);
                // It may be the head of a request, of which nothing was kept.
                if !self.is_greeted() {
                    self.connection.end(Bye::Malformed);
                }
                return;
            }
            Piece::Line(line) => line,
        };
        // A page of elsewhere can have a browser send lines here, behind the head of a request.
        if !self.is_greeted() && is_request(line) {
            self.connection.refuse_text("this is no web server");
            return self.connection.end(Bye::Malformed);
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return self
                .connection
                .refuse_text("this line is not valid UTF-8, and was not read");
        };
        if !self.is_greeted()
            && let Some(greeting) = &mut self.greeting
        {
            greeting.until = (now.instant + greeting.patience).min(greeting.latest);
        }
        self.speak(spoken::read(line), now);
    }

    /// Does what a line asks for.
    fn speak(&mut self, spoken: Spoken<'_>, now: Now) {
        let Some(command) = self.command(&spoken) else {
            // Others count when they are carried out.
            if self.connection.permit(now) {
                self.answer_to(&spoken, now);
            }
            return;
        };
        if !matches!(command, Command::Hello { .. }) && !self.is_greeted() {
            if self.connection.permit(now) {
                self.answer(format_args!(
                    "* error out_of_order: say who you are first, by /name NAME"
                ));
            }
            return;
        }
        self.owed += 1;
        self.connection.run(command, now);
        match spoken {
            Spoken::Join { room, .. } if self.is_in(room) => self.room = Some(room.into()),
            Spoken::Part(room) if room.is_none() || room == self.room.as_deref() => {
                self.room = None;
            }
            _ => {}
        }
    }

    /// Returns the command that a line is.
    fn command<'a>(&'a self, spoken: &Spoken<'a>) -> Option<Command<'static>> {
        let own = |text: &str| text.to_owned().into();
        let here = || self.room.as_deref();
        Some(match *spoken {
            Spoken::Name { nick, secret } => {
                let (mut token, mut password, mut session) = (None, None, None);
                if self.connection.hub.options().secret.is_some() {
                    token = secret;
                } else if secret.is_some_and(|secret| self.is_password(nick, secret)) {
                    password = secret;
                } else {
                    session = secret;
                }
                Command::Hello {
                    nick: own(nick),
                    password: password.map(own),
                    token: token.map(own),
                    session: session.map(own),
                    inbox: self.greeting.as_ref().and_then(|greeting| greeting.inbox),
                }
            }
            Spoken::Text(text) => Command::Say {
                room: own(here()?),
                text: own(text),
                id: None,
            },
            Spoken::To { room, text } => Command::Say {
                room: own(room),
                text: own(text),
                id: None,
            },
            Spoken::Tell { nick, text } => Command::Tell {
                to: own(nick),
                text: own(text),
                id: None,
            },
            Spoken::Join { room, since } => Command::Join {
                room: own(room),
                since,
            },
            Spoken::Part(room) => Command::Leave {
                room: own(room.or_else(here)?),
            },
            Spoken::Topic(text) => Command::Topic {
                room: own(here()?),
                text: own(text),
            },
            Spoken::Who(room) => Command::Who {
                room: own(room.or_else(here)?),
            },
            Spoken::History { limit, before } => Command::History {
                room: own(here()?),
                before,
                limit,
            },
            Spoken::Rooms => Command::Rooms,
            _ => return None,
        })
    }

    /// Answers a line that is no command of the chat.
    fn answer_to(&mut self, spoken: &Spoken<'_>, now: Now) {
        let is_greeted = self.is_greeted();
        match *spoken {
            Spoken::Nothing => {}
            Spoken::Inbox(position) => match &mut self.greeting {
                Some(greeting) if !is_greeted => {
                    greeting.inbox = Some(position);
                    self.answer(format_args!("* ok: now say your name, by /name NAME"));
                }
                _ => self.answer(format_args!(
                    "* error out_of_order: the inbox comes before /name"
                )),
            },
            Spoken::Ping("") => self.answer(format_args!("* pong")),
            Spoken::Ping(text) => self.answer(format_args!("* pong {}", Shown(text))),
            Spoken::Help => {
                for line in spoken::HELP {
                    self.answer(format_args!("* {line}"));
                }
            }
            Spoken::Quit => self.leave(now),
            Spoken::Usage(usage) => self.answer(format_args!("* error usage: {usage}")),
            Spoken::Unknown(word) => {
                let word = Shown(word);
                self.answer(format_args!(
                    "* error unknown: there is no /{word}; /help lists what you can say"
                ));
            }
            _ if !is_greeted => self.answer(format_args!(
                "* error out_of_order: say who you are first, by /name NAME"
            )),
            _ => self.answer(format_args!(
                "* error not_a_member: you are in no room: enter one by /join ROOM"
            )),
        }
    }

    /// Returns whether the client has a name, or is about to get one.
    pub(super) fn is_greeted(&self) -> bool {
        self.connection.user.is_some() || self.connection.greeting.is_some()
    }

    /// Returns whether the secret of a name is its password, and not a session.
    fn is_password(&self, nick: &str, secret: &str) -> bool {
        let hub = &self.connection.hub;
        let (Some(accounts), Ok(nick)) = (hub.accounts(), nick.parse::<Name>()) else {
            return false;
        };
        !hub.holders().is_session(&nick, Some(secret))
            && (accounts.has(&nick) || !is_session(secret))
    }

    /// Returns whether the client has entered a room, or will once it has its name.
    fn is_in(&self, room: &str) -> bool {
        match &self.connection.user {
            Some(user) => user.rooms.iter().any(|entered| **entered.name() == *room),
            None => room.parse::<Name>().is_ok(),
        }
    }
}

/// Returns whether this is the first line of an HTTP request, of any version.
fn is_request(line: &[u8]) -> bool {
    let last = line.rsplit(|&byte| byte == b' ').next();
    last.is_some_and(|last| last.len() < line.len() && last.starts_with(b"HTTP/"))
}

/// Returns whether this is a session as the server makes them: 128 bits in hexadecimal.
fn is_session(secret: &str) -> bool {
    secret.len() == 32 && secret.bytes().all(|byte| byte.is_ascii_hexdigit())
}
