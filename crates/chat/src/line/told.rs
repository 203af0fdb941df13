//! Updates as clients read them.

use std::borrow::Cow;

use serde::Deserialize;

/// The other side of an `Update`, but of those that answer commands which no line asks for.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Told<'a> {
    Welcome {
        #[serde(borrow)]
        nick: Cow<'a, str>,
        #[serde(borrow)]
        session: Cow<'a, str>,
        resumed: bool,
    },
    Joined {
        #[serde(borrow)]
        room: Cow<'a, str>,
        epoch: u32,
        offset: u64,
        recovered: Option<bool>,
        #[serde(borrow)]
        topic: Cow<'a, str>,
        count: usize,
        #[serde(borrow)]
        members: Vec<Present<'a>>,
    },
    Left {
        #[serde(borrow)]
        room: Cow<'a, str>,
    },
    Message {
        #[serde(borrow)]
        room: Cow<'a, str>,
        /// `None` while it is not kept.
        offset: Option<u64>,
        #[serde(borrow)]
        from: Cow<'a, str>,
        #[serde(borrow)]
        text: Cow<'a, str>,
        time: u64,
    },
    Topic {
        #[serde(borrow)]
        room: Cow<'a, str>,
        offset: Option<u64>,
        #[serde(borrow)]
        from: Cow<'a, str>,
        #[serde(borrow)]
        text: Cow<'a, str>,
        time: u64,
    },
    Said {
        #[serde(borrow)]
        room: Cow<'a, str>,
        offset: u64,
    },
    Presence {
        #[serde(borrow)]
        room: Cow<'a, str>,
        #[serde(borrow)]
        nick: Cow<'a, str>,
        #[serde(borrow)]
        state: Cow<'a, str>,
        count: usize,
    },
    Typing {},
    Members {
        #[serde(borrow)]
        room: Cow<'a, str>,
        count: usize,
        #[serde(borrow)]
        members: Vec<Present<'a>>,
    },
    History {
        #[serde(borrow)]
        room: Cow<'a, str>,
        epoch: u32,
        complete: bool,
        #[serde(borrow)]
        messages: Vec<Told<'a>>,
    },
    Queued {
        #[serde(borrow)]
        room: Cow<'a, str>,
    },
    Status {
        #[serde(borrow)]
        store: Cow<'a, str>,
    },
    Rooms {
        #[serde(borrow)]
        rooms: Vec<Listed<'a>>,
    },
    Gap {
        #[serde(borrow)]
        room: Cow<'a, str>,
        from: u64,
        to: u64,
    },
    Error {
        #[serde(borrow)]
        code: Cow<'a, str>,
        #[serde(borrow)]
        text: Cow<'a, str>,
        #[serde(borrow)]
        room: Option<Cow<'a, str>>,
    },
}

#[derive(Deserialize)]
pub(super) struct Present<'a> {
    #[serde(borrow)]
    pub(super) nick: Cow<'a, str>,
    #[serde(default)]
    pub(super) away: bool,
}

#[derive(Deserialize)]
pub(super) struct Listed<'a> {
    #[serde(borrow)]
    pub(super) room: Cow<'a, str>,
    pub(super) count: usize,
}
