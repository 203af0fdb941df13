use std::sync::Arc;

use super::{Loaded, Room};
use crate::entry::{Entry, EntryKind};
use crate::outbox::Outbox;
use crate::{Bye, HubOptions, Name, Overflow};

/// Returns a member, and what it has not read.
fn member() -> (Name, Arc<Outbox>) {
    let outbox = Outbox::new(1 << 20, Overflow::Cut);
    (Name::stored("ann"), Arc::new(outbox))
}

/// Returns what a member was told, one JSON object a line.
fn told(outbox: &Outbox) -> String {
    let mut parcels = Vec::new();
    outbox.take(usize::MAX, &mut parcels);
    parcels
        .iter()
        .map(|parcel| format!("{parcel:?}\n"))
        .collect()
}

fn entry(text: &str) -> Entry {
    Entry {
        from: Name::stored("ben"),
        kind: EntryKind::Message,
        text: text.into(),
        id: None,
        time: 1,
    }
}

/// Returns a room that other nodes have too, with the entries 1 to `last` of the epoch 7.
fn shared(last: u64, options: &HubOptions) -> Room {
    let room = Room::closed(Name::stored("tea"));
    let entries = (1..=last).map(|offset| (offset, entry("hello")));
    let loaded = Loaded {
        epoch: 7,
        last,
        topic: "".into(),
        said: Vec::new(),
        entries: entries.collect(),
    };
    room.load(loaded, options);
    room
}

#[test]
fn a_connection_that_has_ended_puts_nobody_out_of_the_room() {
    let options = HubOptions::default();
    let room = shared(0, &options);
    let ((ann, new), (_, old)) = (member(), member());
    // The newer connection has taken the name while a command of the older one was on its way.
    old.end(Bye::Replaced);
    room.join(&ann, &new, None, &options);
    room.join(&ann, &old, None, &options);
    room.away(&ann, &old, &options);
    told(&new);
    room.deliver((7, 1), entry("still here?"), 0, &options);
    let heard = told(&new);
    assert!(heard.contains("still here?"), "{heard}");
}
