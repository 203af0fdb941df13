//! Histories that have more bytes than a hub may keep.

mod support;

use std::time::Duration;

use serde_json::Value;
use support::file::File;
use switchboard_chat::{Connection, Hub, HubOptions, InMemory, Now, Parcel};

const MEMORY: usize = 100_000;

fn options(history_memory: usize) -> HubOptions {
    HubOptions {
        history: 1000,
        history_memory,
        rate: u32::MAX,
        burst: u32::MAX,
        ..HubOptions::default()
    }
}

/// Sends a command, and returns what the client is told.
fn command(connection: &mut Connection, command: &str, now: Now) -> Vec<Value> {
    connection.receive(command.as_bytes(), now);
    let mut parcels = Vec::new();
    assert_eq!(connection.take(usize::MAX, &mut parcels), None);
    let read = |parcel: &Parcel| serde_json::from_slice(parcel.json()).unwrap();
    parcels.iter().map(read).collect()
}

/// Enters a room. Returns what the client is told of it, too.
fn enter(hub: &Hub, room: &str, since: &str, now: Now) -> (Connection, Vec<Value>) {
    let mut connection = hub.connect(now);
    let told = command(&mut connection, r#"{"type":"hello","nick":"ann"}"#, now);
    assert_eq!(told[0]["type"], "welcome", "{told:?}");
    let join = format!(r#"{{"type":"join","room":"{room}"{since}}}"#);
    let told = command(&mut connection, &join, now);
    assert_eq!(told[0]["type"], "joined", "{told:?}");
    (connection, told)
}

fn leave(mut connection: Connection, now: Now) {
    connection.quit();
    connection.close(now);
}

/// Says `count` numbered texts in a room; returns the room's epoch.
fn say(hub: &Hub, room: &str, count: usize, now: Now) -> Value {
    let (mut ann, joined) = enter(hub, room, "", now);
    let text = "x".repeat(1000);
    for id in 1..=count {
        let say = format!(r#"{{"type":"say","room":"{room}","id":"{id}","text":"{text}"}}"#);
        ann.receive(say.as_bytes(), now);
        // A file keeps it a little later.
        support::told_until(&mut ann, |told| told.contains(r#""type":"said""#));
    }
    leave(ann, now);
    joined[0]["epoch"].clone()
}

/// Comes back to a room after `offset`. Returns whether all was recovered, and the offsets that came.
fn come_back(hub: &Hub, room: &str, epoch: &Value, offset: u64, now: Now) -> (bool, Vec<u64>) {
    let since = format!(r#","since":{{"epoch":{epoch},"offset":{offset}}}"#);
    let (ann, told) = enter(hub, room, &since, now);
    leave(ann, now);
    let entries = told.iter().filter(|told| told["type"] == "message");
    let offsets = entries.map(|entry| entry["offset"].as_u64().unwrap());
    (told[0]["recovered"] == true, offsets.collect())
}

#[test]
fn the_largest_histories_forget_their_oldest_entries() {
    let (hub, now) = (Hub::new(options(MEMORY), InMemory), Now::read());
    let (loud, quiet) = (say(&hub, "loud", 300, now), say(&hub, "quiet", 3, now));
    let all = (true, (1..=300).collect());
    assert_eq!(come_back(&hub, "loud", &loud, 0, now), all);
    hub.tick(now);
    // A client that missed more than is kept is told `recovered: false`.
    let (recovered, offsets) = come_back(&hub, "loud", &loud, 0, now);
    assert!(!recovered && offsets.iter().copied().eq(offsets[0]..=300));
    let bytes = offsets.len() * 1000;
    assert!((MEMORY / 4..MEMORY / 4 * 3).contains(&bytes), "{bytes}");
    let newest = (true, (295..=300).collect());
    assert_eq!(come_back(&hub, "loud", &loud, 294, now), newest);
    let quiet = come_back(&hub, "quiet", &quiet, 0, now);
    assert_eq!(quiet, (true, vec![1, 2, 3]));
    // The hub still knows that a forgotten message was said.
    let (mut ann, _) = enter(&hub, "loud", "", now);
    let again = r#"{"type":"say","room":"loud","id":"1","text":"again"}"#;
    let told = command(&mut ann, again, now);
    let expected = (&"said".into(), &1.into());
    assert_eq!((&told[0]["type"], &told[0]["offset"]), expected);
}

#[test]
fn many_rooms_with_little_in_each_are_bounded_too() {
    const ROOMS: usize = 200;
    let (hub, now) = (Hub::new(options(MEMORY), InMemory), Now::read());
    let later = |n| now.after(Duration::from_millis(n as u64));
    let say = |n| say(&hub, &format!("r{n}"), 1, later(n));
    let epochs: Vec<_> = (0..ROOMS).map(say).collect();
    let now = later(ROOMS);
    let kept = || {
        let rooms = epochs.iter().enumerate();
        let back = |(n, epoch)| come_back(&hub, &format!("r{n}"), epoch, 0, now);
        let kept = rooms.map(back).map(|(recovered, offsets)| {
            assert_eq!(recovered, offsets == [1]);
            recovered
        });
        kept.collect::<Vec<bool>>()
    };
    assert_eq!(kept(), [true; ROOMS]);
    hub.tick(now);
    let kept = kept();
    let count = kept.iter().filter(|kept| **kept).count();
    assert!((MEMORY / 4..MEMORY / 4 * 3).contains(&(count * 1000)));
    // In the others, nothing was said for longer.
    assert!(kept.is_sorted());
}

#[test]
fn no_more_of_a_file_is_kept_in_memory() {
    let (file, now) = (File::new(), Now::read());
    let hub = file.hub(options(usize::MAX));
    let (loud, quiet) = (say(&hub, "loud", 300, now), say(&hub, "quiet", 3, now));
    drop(hub);
    let hub = file.hub(options(MEMORY));
    let (recovered, offsets) = come_back(&hub, "loud", &loud, 0, now);
    assert!(!recovered && offsets.iter().copied().eq(offsets[0]..=300));
    let bytes = offsets.len() * 1000;
    assert!((MEMORY / 4..MEMORY).contains(&bytes), "{bytes}");
    let quiet = come_back(&hub, "quiet", &quiet, 0, now);
    assert_eq!(quiet, (true, vec![1, 2, 3]));
    let (mut ann, _) = enter(&hub, "loud", "", now);
    let again = r#"{"type":"say","room":"loud","id":"1","text":"again"}"#;
    let told = command(&mut ann, again, now);
    assert_eq!(
        (&told[0]["type"], &told[0]["offset"]),
        (&"said".into(), &1.into())
    );
}
