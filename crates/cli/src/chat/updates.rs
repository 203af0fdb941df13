//! What the server tells.

use serde::Deserialize;

/// One thing that the server tells; those that this client has no use for are [`Other`](Update::Other).
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Update {
    Welcome {
        nick: String,
        session: String,
    },
    Joined {
        room: String,
        epoch: u32,
        offset: u64,
        recovered: Option<bool>,
        #[serde(default)]
        topic: String,
        #[serde(default)]
        count: usize,
        #[serde(default)]
        members: Vec<Present>,
    },
    Message(Entry),
    Topic(Entry),
    Said {
        id: Option<String>,
    },
    Presence {
        room: String,
        nick: String,
        state: String,
    },
    Members {
        room: String,
        count: usize,
        members: Vec<Present>,
    },
    History {
        room: String,
        complete: bool,
        messages: Vec<Update>,
    },
    Status {
        store: String,
    },
    Rooms {
        rooms: Vec<Listed>,
    },
    Gap {
        room: String,
        from: u64,
        to: u64,
    },
    Error {
        text: String,
        room: Option<String>,
        id: Option<String>,
    },
    #[serde(other)]
    Other,
}

/// Something said, or a topic.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) room: String,
    /// `None` while it is not kept.
    pub(super) offset: Option<u64>,
    pub(super) from: String,
    pub(super) text: String,
    pub(super) id: Option<String>,
    /// Milliseconds since 1970.
    pub(super) time: u64,
    /// It is a topic.
    #[serde(skip)]
    pub(super) is_topic: bool,
}

/// A member of a room.
#[derive(Debug, Deserialize)]
pub(super) struct Present {
    pub(super) nick: String,
    #[serde(default)]
    pub(super) away: bool,
}

/// A room of the server.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) room: String,
    pub(super) count: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_passed_over() {
        let told = r#"{"type":"typing","room":"tea","nick":"ann"}"#;
        assert!(matches!(serde_json::from_str(told), Ok(Update::Other)));
        let told = r#"{"type":"message","room":"tea","pending":true,"from":"ann","text":"hi","id":"1","time":1,"new":2}"#;
        let Ok(Update::Message(entry)) = serde_json::from_str(told) else {
            panic!("a message")
        };
        assert_eq!((entry.offset, &*entry.text), (None, "hi"));
    }
}
