//! The names of rooms and users.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The name of a room or of a user. A clone shares the text.
///
/// A name has 1 to 48 characters: letters, digits, `-`, `_` and `.`, of any script. A room whose name begins with
/// `@` is the inbox of the user whose name follows, and nobody joins it by name.
///
/// ```
/// use switchboard_chat::Name;
///
/// let room: Name = "tea-room".parse().unwrap();
/// assert_eq!(&*room, "tea-room");
/// let error = "tea room".parse::<Name>().unwrap_err().to_string();
/// assert_eq!(error, "`tea room` is no name: it has ` ` in it; use letters, digits, `-`, `_` and `.`");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// The most characters of a name.
const LONGEST: usize = 48;

impl Name {
    /// Returns the inbox of the user of this name.
    pub(crate) fn inbox(&self) -> Name {
        Name(format!("@{}", self.folded()).into())
    }

    /// Returns the user whose inbox this is.
    pub(crate) fn inbox_of(&self) -> Option<&str> {
        self.0.strip_prefix('@')
    }

    /// Returns the text by which names of users are told apart: `Ann` and `ann` are the same user.
    pub(crate) fn folded(&self) -> String {
        self.0.to_lowercase()
    }

    /// Returns the name of a room or an inbox as a [`Log`](crate::Log) has written it.
    pub fn stored(text: &str) -> Name {
        Name(text.into())
    }
}

impl std::str::FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Name, BadName> {
        // Four letters of Hangul are shown as nothing.
        let hidden = |c| matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}');
        let allowed = |c: char| c.is_alphanumeric() && !hidden(c) || matches!(c, '-' | '_' | '.');
        let shown = || text.chars().take(LONGEST + 1).collect();
        if text.is_empty() {
            return Err(BadName(shown(), Fault::Empty));
        }
        if let Some(found) = text.chars().take(LONGEST).find(|&c| !allowed(c)) {
            return Err(BadName(shown(), Fault::Character(found)));
        }
        match text.chars().nth(LONGEST) {
            Some(_) => Err(BadName(shown(), Fault::Long)),
            None => Ok(Name(text.into())),
        }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The error for a text that is no [`Name`]. The message says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName(String, Fault);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Empty,
    Long,
    Character(char),
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadName(text, fault) = self;
        match fault {
            Fault::Empty => f.write_str("a name has at least one character"),
            Fault::Long => write!(
                f,
                "`{}…` is no name: it has more than {LONGEST} characters",
                text.chars()
                    .take(LONGEST)
                    .collect::<String>()
                    .escape_debug()
            ),
            Fault::Character(found) => write!(
                f,
                "`{}` is no name: it has `{}` in it; use letters, digits, `-`, `_` and `.`",
                text.escape_debug(),
                found.escape_debug()
            ),
        }
    }
}

impl std::error::Error for BadName {}
