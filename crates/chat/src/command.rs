//! What clients ask for.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A place in the history of a room: what a client has seen last.
///
/// Offsets count the entries of a room, from 1. They begin anew only with another epoch, which a room gets when its
/// history was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The run of the room's history.
    pub epoch: u32,
    /// The number of the entry.
    pub offset: u64,
}

/// What a client asks for: one JSON object, whose field `type` is the name of the variant in lower case.
///
/// ```
/// use switchboard_chat::Command;
///
/// let command: Command = serde_json::from_str(r#"{"type":"say","room":"tea","text":"hello","id":"1"}"#)?;
/// assert!(matches!(command, Command::Say { text, .. } if text == "hello"));
/// // Secrets are not shown.
/// let command: Command = serde_json::from_str(r#"{"type":"register","password":"correct horse"}"#)?;
/// assert_eq!(format!("{command:?}"), r#"{"password":"…","type":"register"}"#);
/// # serde_json::Result::Ok(())
/// ```
#[derive(Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Command<'a> {
    /// Who the client is; the first command of a connection. Answered by `welcome`.
    Hello {
        /// The user's name.
        #[serde(borrow)]
        nick: Cow<'a, str>,
        /// The password, if the name has one. A connection of the same session needs none.
        #[serde(borrow, default)]
        password: Option<Cow<'a, str>>,
        /// A token that proves the name, where the server asks for one.
        #[serde(borrow, default)]
        token: Option<Cow<'a, str>>,
        /// The session that holds the name over connections: 16 to 64 bytes that the client has chosen and nobody can
        /// guess. Without it, and where a password was checked, the client is told another one in its `welcome`.
        #[serde(borrow, default)]
        session: Option<Cow<'a, str>>,
        /// What was seen last of the user's inbox.
        #[serde(default)]
        inbox: Option<Position>,
    },
    /// Enters a room. Answered by `joined`, and by the messages missed or the newest ones.
    Join {
        /// The room's name.
        #[serde(borrow)]
        room: Cow<'a, str>,
        /// What was seen last of the room.
        #[serde(default)]
        since: Option<Position>,
    },
    /// Leaves a room. Answered by `left`.
    Leave {
        /// The room's name.
        #[serde(borrow)]
        room: Cow<'a, str>,
    },
    /// Says something in a room that was entered. Answered by `said` once the message is kept.
    Say {
        /// The room's name.
        #[serde(borrow)]
        room: Cow<'a, str>,
        /// The text.
        #[serde(borrow)]
        text: Cow<'a, str>,
        /// The client's mark of the message: one that is sent again is said once, as long as the room keeps it, and in
        /// any case until two minutes later (a minute more than a name is held for its session). It tells the messages of
        /// a name apart over all its connections and sessions, so use random ones: a program that counts from 1 each time
        /// it runs has what it says taken for what it said before, answered with the old offset and told to nobody.
        #[serde(borrow, default)]
        id: Option<Cow<'a, str>>,
    },
    /// Says something to one user, into the inbox. Answered by `said`.
    Tell {
        /// The user's name.
        #[serde(borrow)]
        to: Cow<'a, str>,
        /// The text.
        #[serde(borrow)]
        text: Cow<'a, str>,
        /// As in `say`.
        #[serde(borrow, default)]
        id: Option<Cow<'a, str>>,
    },
    /// Sets the topic of a room that was entered.
    Topic {
        /// The room's name.
        #[serde(borrow)]
        room: Cow<'a, str>,
        /// The topic; empty for none.
        #[serde(borrow)]
        text: Cow<'a, str>,
    },
    /// Tells the others of a room that this user is writing. Not answered.
    Typing {
        /// The room's name.
        #[serde(borrow)]
        room: Cow<'a, str>,
    },
    /// Asks for the members of a room that was entered. Answered by `members`.
    Who {
        /// The room's name.
        #[serde(borrow)]
        room: Cow<'a, str>,
    },
    /// Asks for older messages of a room that was entered. Answered by `history`.
    History {
        /// The room's name.
        #[serde(borrow)]
        room: Cow<'a, str>,
        /// The messages before this offset; all if it is left out.
        #[serde(default)]
        before: Option<u64>,
        /// The most messages.
        #[serde(default)]
        limit: Option<usize>,
    },
    /// Asks for the names of the rooms. Answered by `rooms`.
    Rooms,
    /// Gives the client's name a password, so that nobody else can have it. Answered by `registered` once that is kept,
    /// which has a new `session`: the one before is over, also for others who know it.
    Register {
        /// The password: 8 to 72 bytes.
        #[serde(borrow)]
        password: Cow<'a, str>,
    },
    /// Changes the password of the client's name. Answered by `registered`.
    Password {
        /// The password until now.
        #[serde(borrow)]
        old: Cow<'a, str>,
        /// The new one.
        #[serde(borrow)]
        new: Cow<'a, str>,
    },
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = serde_json::to_value(self).map_err(|_| fmt::Error)?;
        for secret in ["password", "token", "session", "old", "new"] {
            if let Some(Value::String(text)) = json.get_mut(secret) {
                "…".clone_into(text);
            }
        }
        write!(f, "{json}")
    }
}

impl Command<'_> {
    /// Returns the room that it is about.
    pub(crate) fn room(&self) -> Option<&str> {
        match self {
            Command::Join { room, .. }
            | Command::Leave { room }
            | Command::Say { room, .. }
            | Command::Topic { room, .. }
            | Command::Typing { room }
            | Command::Who { room }
            | Command::History { room, .. } => Some(room),
            _ => None,
        }
    }

    /// Returns the client's number of a message.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Command::Say { id, .. } | Command::Tell { id, .. } => id.as_deref(),
            _ => None,
        }
    }

    /// Returns how many bytes its texts have.
    pub(crate) fn bytes(&self) -> usize {
        let of = |text: &Option<Cow<'_, str>>| text.as_ref().map_or(0, |text| text.len());
        match self {
            Command::Hello {
                nick,
                password,
                token,
                session,
                ..
            } => nick.len() + of(password) + of(token) + of(session),
            Command::Say { room, text, id } => room.len() + text.len() + of(id),
            Command::Tell { to, text, id } => to.len() + text.len() + of(id),
            Command::Topic { room, text } => room.len() + text.len(),
            Command::Join { room, .. }
            | Command::Leave { room }
            | Command::Typing { room }
            | Command::Who { room }
            | Command::History { room, .. } => room.len(),
            Command::Rooms => 0,
            Command::Register { password } => password.len(),
            Command::Password { old, new } => old.len() + new.len(),
        }
    }

    /// Returns the command with its texts, for later.
    pub(crate) fn into_owned(self) -> Command<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Command::Hello {
                nick,
                password,
                token,
                session,
                inbox,
            } => Command::Hello {
                nick: own(nick),
                password: password.map(own),
                token: token.map(own),
                session: session.map(own),
                inbox,
            },
            Command::Join { room, since } => Command::Join {
                room: own(room),
                since,
            },
            Command::Leave { room } => Command::Leave { room: own(room) },
            Command::Say { room, text, id } => Command::Say {
                room: own(room),
                text: own(text),
                id: id.map(own),
            },
            Command::Tell { to, text, id } => Command::Tell {
                to: own(to),
                text: own(text),
                id: id.map(own),
            },
            Command::Topic { room, text } => Command::Topic {
                room: own(room),
                text: own(text),
            },
            Command::Typing { room } => Command::Typing { room: own(room) },
            Command::Who { room } => Command::Who { room: own(room) },
            Command::History {
                room,
                before,
                limit,
            } => Command::History {
                room: own(room),
                before,
                limit,
            },
            Command::Rooms => Command::Rooms,
            Command::Register { password } => Command::Register {
                password: own(password),
            },
            Command::Password { old, new } => Command::Password {
                old: own(old),
                new: own(new),
            },
        }
    }
}
