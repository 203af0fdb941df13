//! Entries as they are kept in Redis.

use serde::{Deserialize, Serialize};

use crate::Name;
use crate::entry::{Entry, EntryKind};
use crate::update::Parcel;

#[derive(Serialize, Deserialize)]
struct Written {
    /// The kind, by the name that clients know.
    #[serde(rename = "type")]
    kind: EntryKind,
    from: String,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    time: u64,
}

pub(super) fn write(entry: &Entry) -> String {
    let written = Written {
        kind: entry.kind,
        from: entry.from.to_string(),
        text: entry.text.to_string(),
        id: entry.id.as_deref().map(str::to_owned),
        time: entry.time,
    };
    // Texts and numbers are JSON.
    serde_json::to_string(&written).expect("an entry is JSON")
}

/// Returns the entry, unless something else has been written there.
pub(super) fn read(text: &[u8]) -> Option<Entry> {
    let written: Written = serde_json::from_slice(text).ok()?;
    Some(Entry {
        from: Name::stored(&written.from),
        kind: written.kind,
        text: written.text.into(),
        id: written.id.map(Into::into),
        time: written.time,
    })
}

/// Returns the entry that a parcel tells.
pub(super) fn of_parcel(parcel: &Parcel) -> Option<Entry> {
    read(parcel.json())
}

/// Returns what tells an entry that is sent again, by its sender and the sender's number.
pub(super) fn identity(from: &str, id: Option<&str>) -> String {
    format!("{from} {}", id.unwrap_or_default())
}
