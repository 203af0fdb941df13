//! What clients are told.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;
use switchboard_websocket::Encoded;

use crate::Name;
use crate::entry::{Entry, EntryKind};
use crate::line;

/// One thing that a client is told: a JSON object, whose field `type` is the name of the variant.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Update<'a> {
    /// The answer to `hello`.
    Welcome {
        nick: &'a Name,
        /// What a later connection says to have the name again.
        session: &'a str,
        /// Whether the session of an earlier connection goes on.
        resumed: bool,
        /// Whether the name has a password; left out where names can have none.
        #[serde(skip_serializing_if = "Option::is_none")]
        registered: Option<bool>,
    },
    /// The answer to `register` and `password`: the password is kept.
    Registered {
        nick: &'a Name,
        /// The new session: the one before is over. Left out if another connection has the name by now.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<&'a str>,
    },
    /// The answer to `join`. What was missed, or the newest entries, come next.
    Joined {
        room: &'a Name,
        epoch: u32,
        /// The newest entry; those up to it come next, and later ones as they are said.
        offset: u64,
        /// Whether all that was missed comes; left out where the client did not say what it had seen.
        #[serde(skip_serializing_if = "Option::is_none")]
        recovered: Option<bool>,
        topic: &'a str,
        count: usize,
        /// Some of them, or none, if they are many or much waits for the client; `who` asks again.
        members: &'a [Present<'a>],
    },
    Left {
        room: &'a Name,
    },
    /// An entry of a room or of the inbox.
    Message {
        room: &'a Name,
        offset: u64,
        from: &'a Name,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        time: u64,
    },
    Topic {
        room: &'a Name,
        offset: u64,
        from: &'a Name,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        time: u64,
    },
    /// The answer to `say`, `tell` and `topic`: the entry is kept.
    Said {
        room: &'a Name,
        offset: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    },
    /// A member came, is away without having left, or left. `count` is how many there are then.
    Presence {
        room: &'a Name,
        nick: &'a Name,
        state: Presence,
        count: usize,
    },
    Typing {
        room: &'a Name,
        nick: &'a Name,
    },
    Members {
        room: &'a Name,
        count: usize,
        members: &'a [Present<'a>],
    },
    History {
        room: &'a Name,
        epoch: u32,
        /// Older entries are not kept, or there are none.
        complete: bool,
        #[serde(serialize_with = "in_place")]
        messages: &'a [Parcel],
    },
    /// Something said that is not kept yet, because the store that nodes share is away. It comes again with its
    /// offset once it is kept.
    #[serde(rename = "message")]
    Pending {
        room: &'a Name,
        pending: bool,
        from: &'a Name,
        text: &'a str,
        id: Option<&'a str>,
        time: u64,
    },
    /// The answer to `say`, `tell` and `topic` while the store that nodes share is away; `said` follows.
    Queued {
        room: &'a Name,
        id: Option<&'a str>,
    },
    /// The store that nodes share went or came back.
    Status {
        store: StoreState,
    },
    Rooms {
        rooms: &'a [Listed<'a>],
    },
    /// Entries that this client was not sent because it reads too slowly, or that were lost. Presence may have
    /// been missed with them.
    Gap {
        room: &'a Name,
        from: u64,
        to: u64,
    },
    Error {
        code: ErrorCode,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    },
}

/// A member of a room.
#[derive(Serialize)]
pub(crate) struct Present<'a> {
    pub(crate) nick: &'a Name,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) away: bool,
}

/// A room in a list.
#[derive(Serialize)]
pub(crate) struct Listed<'a> {
    pub(crate) room: &'a Name,
    pub(crate) count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Presence {
    Here,
    Away,
    Gone,
}

/// Whether the store that nodes share answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreState {
    Away,
    Here,
}

/// What was wrong with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorCode {
    /// The text is no command.
    Malformed,
    /// A name, a text or an id is out of bounds.
    Invalid,
    /// `hello` comes first, and once.
    OutOfOrder,
    /// The name has a password, which was not given.
    PasswordNeeded,
    /// The password is not that of the name, or nobody has registered the name.
    WrongPassword,
    /// Names can have no password here.
    NoAccounts,
    /// The name belongs to somebody else.
    NickTaken,
    /// The room was not entered.
    NotAMember,
    /// The client is in as many rooms as it may be.
    TooManyRooms,
    /// The user is not known.
    NobodyThere,
    /// The entry could not be kept.
    NotKept,
}

/// An update, encoded once and shared by all who receive it.
#[derive(Clone)]
pub struct Parcel(Arc<Contents>);

struct Contents {
    text: Encoded,
    /// Made when the first client wants them.
    lines: OnceLock<Bytes>,
    kind: Kind,
}

/// What an outbox may do with a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An entry of a room: a gap mark can take its place.
    Entry { room: Name, offset: u64 },
    /// News that the next of its kind replaces.
    Passing,
    /// It has to arrive.
    Needed,
    /// It has to arrive, and is the one answer to a command of this client's.
    Answer,
}

impl Parcel {
    pub(crate) fn new(update: &Update<'_>) -> Parcel {
        let kind = match update {
            Update::Presence { .. } | Update::Typing { .. } | Update::Pending { .. } => {
                Kind::Passing
            }
            // It answers no command, as `Queued` does not, which `said` follows.
            Update::Error {
                code: ErrorCode::Malformed,
                ..
            } => Kind::Needed,
            Update::Registered { .. }
            | Update::Joined { .. }
            | Update::Left { .. }
            | Update::Said { .. }
            | Update::Members { .. }
            | Update::History { .. }
            | Update::Rooms { .. }
            | Update::Error { .. } => Kind::Answer,
            _ => Kind::Needed,
        };
        Parcel::of(update, kind)
    }

    /// Encodes an entry that has its offset.
    pub(crate) fn entry(room: &Name, offset: u64, entry: &Entry) -> Parcel {
        let (from, text, id, time) = (&entry.from, &*entry.text, entry.id.as_deref(), entry.time);
        let update = match entry.kind {
            EntryKind::Message => Update::Message {
                room,
                offset,
                from,
                text,
                id,
                time,
            },
            EntryKind::Topic => Update::Topic {
                room,
                offset,
                from,
                text,
                id,
                time,
            },
        };
        let room = room.clone();
        Parcel::of(&update, Kind::Entry { room, offset })
    }

    /// Encodes an entry that is shown before it is kept.
    pub(crate) fn pending(room: &Name, entry: &Entry) -> Parcel {
        Parcel::new(&Update::Pending {
            room,
            pending: true,
            from: &entry.from,
            text: &entry.text,
            id: entry.id.as_deref(),
            time: entry.time,
        })
    }

    pub(crate) fn error(code: ErrorCode, text: &str) -> Parcel {
        let (room, id) = (None, None);
        Parcel::new(&Update::Error {
            code,
            text,
            room,
            id,
        })
    }

    fn of(update: &Update<'_>, kind: Kind) -> Parcel {
        // An update is made of texts and numbers, which JSON has.
        let json = serde_json::to_string(update).expect("an update is JSON");
        let text = Encoded::text(&json);
        let lines = OnceLock::new();
        Parcel(Arc::new(Contents { text, lines, kind }))
    }

    /// Returns the JSON object.
    pub fn json(&self) -> &[u8] {
        self.0.text.payload()
    }

    /// Returns the update as lines for people, each with its end; none for what these leave out.
    ///
    /// ```
    /// use switchboard_chat::{Hub, HubOptions, InMemory, Now};
    ///
    /// let (hub, now) = (Hub::new(HubOptions::default(), InMemory), Now::read());
    /// let mut ann = hub.connect(now);
    /// ann.receive(br#"{"type":"join","room":"tea"}"#, now);
    /// let mut parcels = Vec::new();
    /// ann.take(1024, &mut parcels);
    /// assert_eq!(parcels[0].lines(), b"* error out_of_order: `hello` comes first (#tea)\n");
    /// ```
    pub fn lines(&self) -> &[u8] {
        self.0.lines.get_or_init(|| line::lines(self.json()))
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// Returns the room and the offset of an entry.
    pub(crate) fn position(&self) -> Option<(&Name, u64)> {
        match self.kind() {
            Kind::Entry { room, offset } => Some((room, *offset)),
            _ => None,
        }
    }

    /// Returns what the parcel counts for in an outbox, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.json().len() + PLACE
    }
}

/// The JSON object as a WebSocket message.
impl AsRef<Encoded> for Parcel {
    fn as_ref(&self) -> &Encoded {
        &self.0.text
    }
}

/// What a place in a queue counts for, in bytes.
const PLACE: usize = 32;

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.json()))
    }
}

/// Puts parcels into a list as the JSON that they are.
fn in_place<S: serde::Serializer>(parcels: &&[Parcel], serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::{Error, SerializeSeq};
    let mut list = serializer.serialize_seq(Some(parcels.len()))?;
    for parcel in *parcels {
        let raw: &serde_json::value::RawValue =
            serde_json::from_slice(parcel.json()).map_err(S::Error::custom)?;
        list.serialize_element(raw)?;
    }
    list.end()
}
