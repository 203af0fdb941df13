//! What the user is shown.

/// One thing that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Said(Entry),
    Topic(Entry),
    /// Messages of this place are missing, so many if that is known.
    Missing(Place, Option<u64>),
    /// Who came and went, and answers: for people only.
    News(String),
    /// The state of the connection.
    Notice(String),
    /// What the user asked for is not done.
    Failed(String),
}

/// Something said, or a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) from: String,
    pub(super) text: String,
    /// Milliseconds since 1970.
    pub(super) time: u64,
    /// The user speaks elsewhere.
    pub(super) is_elsewhere: bool,
    /// The user has said it.
    pub(super) is_own: bool,
}

/// A room, or a conversation with one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Room(String),
    User(String),
}

impl Place {
    pub(super) fn is_room(&self, name: &str) -> bool {
        matches!(self, Place::Room(room) if room == name)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Room(room) => write!(f, "#{room}"),
            Place::User(user) => write!(f, "@{user}"),
        }
    }
}
