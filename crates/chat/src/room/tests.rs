use std::sync::Arc;

use super::{Loaded, Room};
use crate::entry::{Entry, EntryKind};
use crate::history::TotalBytes;
use crate::outbox::Outbox;
use crate::{Bye, HubOptions, Name, Overflow, Position};

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
    let room = Room::closed(Name::stored("tea"), &TotalBytes::default());
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

#[test]
fn a_member_that_waits_is_recovered_by_no_second_join() {
    let options = HubOptions::default();
    let since = |offset| Some(Position { epoch: 7, offset });
    let offsets = |heard: &str| {
        let heard = |offset: &u64| heard.contains(&format!(r#""offset":{offset},"from""#));
        let heard = (1..=50).filter(heard);
        heard.collect::<Vec<_>>()
    };
    for (again, recovered, first) in [
        (since(30), r#""recovered":true"#, 31),
        (None, r#""topic""#, 1),
    ] {
        let room = shared(40, &options);
        let (ann, outbox) = member();
        // She has seen more at another node.
        room.join(&ann, &outbox, since(50), &options);
        assert_eq!(told(&outbox), "");
        room.join(&ann, &outbox, again, &options);
        let heard = told(&outbox);
        let joined = format!(r#""room":"tea","epoch":7,"offset":40,{recovered}"#);
        assert!(heard.contains(&joined), "{heard}");
        assert!(offsets(&heard).into_iter().eq(first..=40), "{heard}");
        // A member that has entered is sent nothing again.
        room.join(&ann, &outbox, since(30), &options);
        let heard = told(&outbox);
        assert!(heard.contains(r#""recovered":true"#), "{heard}");
        assert!(offsets(&heard).is_empty(), "{heard}");
    }
}
