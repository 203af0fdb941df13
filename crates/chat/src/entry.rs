//! What the history of a room keeps.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Name;

/// One entry of a room's history, without its offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who said it.
    pub from: Name,
    /// What it is.
    pub kind: EntryKind,
    /// The text.
    pub text: Arc<str>,
    /// The client's number of it, which tells a repeated one.
    pub id: Option<Arc<str>>,
    /// When it was said, in milliseconds since 1970.
    pub time: u64,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Something said.
    Message,
    /// A new topic.
    Topic,
}

impl Entry {
    /// Returns who said it and the client's number, if it has one: equal for entries that are the same.
    pub(crate) fn identity(&self) -> Option<Identity> {
        Some((self.from.clone(), self.id.clone()?))
    }
}

/// What tells a repeated entry.
pub(crate) type Identity = (Name, Arc<str>);
