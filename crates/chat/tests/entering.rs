//! Clients that enter many rooms before they read.

mod support;

use serde_json::Value;
use switchboard_chat::{Connection, Hub, HubOptions, InMemory, Now};

const OUTBOX: usize = 64 * 1024;
const ROOMS: usize = 60;

fn hub() -> Hub {
    let options = HubOptions {
        outbox: OUTBOX,
        rate: u32::MAX,
        burst: u32::MAX,
        presence: 0,
        ..HubOptions::default()
    };
    Hub::new(options, InMemory)
}

fn enter(hub: &Hub, nick: &str, now: Now) -> Connection {
    let mut connection = hub.connect(now);
    let hello = format!(r#"{{"type":"hello","nick":"{nick}"}}"#);
    connection.receive(hello.as_bytes(), now);
    connection
}

fn command(connection: &mut Connection, command: &str, now: Now) {
    connection.receive(command.as_bytes(), now);
}

/// Enters all rooms, and returns what the client is told, which is not its end.
fn enter_all(connection: &mut Connection, since: &dyn Fn(usize) -> String, now: Now) -> Vec<Value> {
    for room in 0..ROOMS {
        let join = format!(r#"{{"type":"join","room":"r{room}"{}}}"#, since(room));
        command(connection, &join, now);
    }
    let mut parcels = Vec::new();
    assert_eq!(connection.take(usize::MAX, &mut parcels), None);
    let read = |parcel: &switchboard_chat::Parcel| serde_json::from_slice(parcel.json()).unwrap();
    parcels.iter().map(read).collect()
}

#[test]
fn a_client_that_comes_back_to_many_busy_rooms_at_once_is_not_cut() {
    let (hub, now) = (hub(), Now::read());
    let mut ann = enter(&hub, "ann", now);
    let epochs: Vec<_> = enter_all(&mut ann, &|_| String::new(), now)
        .iter()
        .filter(|told| told["type"] == "joined" && told["room"] != "@ann")
        .map(|joined| joined["epoch"].clone())
        .collect();
    let text = "x".repeat(400);
    for room in 0..ROOMS {
        for _ in 0..20 {
            let say = format!(r#"{{"type":"say","room":"r{room}","text":"{text}"}}"#);
            command(&mut ann, &say, now);
            support::told(&mut ann);
        }
    }
    let mut ben = enter(&hub, "ben", now);
    let since = |room: usize| format!(r#","since":{{"epoch":{},"offset":0}}"#, epochs[room]);
    let told = enter_all(&mut ben, &since, now);
    let mut recovered = 0;
    for room in 0..ROOMS {
        let of_room: Vec<_> = told
            .iter()
            .filter(|told| told["room"] == format!("r{room}"))
            .collect();
        assert_eq!(of_room[0]["type"], "joined", "r{room}");
        assert_eq!(of_room[0]["offset"], 20);
        // The newest ones up to that offset, and all of them if the answer says so.
        let offsets = of_room[1..].iter().map(|told| told["offset"].as_u64());
        let first = 21 - (of_room.len() as u64 - 1);
        assert!(offsets.eq((first..=20).map(Some)), "{of_room:?}");
        assert_eq!(of_room[0]["recovered"] == true, first == 1, "{of_room:?}");
        recovered += usize::from(first == 1);
    }
    assert!(recovered > 2, "{recovered} rooms are recovered");
}

#[test]
fn a_client_that_asks_for_older_entries_many_times_at_once_is_not_cut() {
    let (hub, now) = (hub(), Now::read());
    let mut ann = enter(&hub, "ann", now);
    command(&mut ann, r#"{"type":"join","room":"r"}"#, now);
    let text = "x".repeat(5000);
    for _ in 0..20 {
        let say = format!(r#"{{"type":"say","room":"r","text":"{text}"}}"#);
        command(&mut ann, &say, now);
        support::told(&mut ann);
    }
    for _ in 0..60 {
        command(&mut ann, r#"{"type":"history","room":"r"}"#, now);
    }
    let mut parcels = Vec::new();
    assert_eq!(ann.take(usize::MAX, &mut parcels), None);
    let counts = parcels.iter().map(|parcel| {
        let told: Value = serde_json::from_slice(parcel.json()).unwrap();
        assert_eq!(told["complete"], false);
        told["messages"].as_array().unwrap().len()
    });
    let counts: Vec<_> = counts.collect();
    assert_eq!(counts.len(), 60);
    // The first has half of the queue, and the last one nothing before the client has read.
    assert_eq!((counts[0], counts[59]), (6, 0), "{counts:?}");
    command(&mut ann, r#"{"type":"history","room":"r","limit":1}"#, now);
    let told = support::told(&mut ann);
    assert!(told.contains(r#""offset":20,"#), "{told}");
}

#[test]
fn a_client_that_enters_many_rooms_of_many_members_at_once_is_not_cut() {
    let (hub, now) = (hub(), Now::read());
    let members = (0..100).map(|number| {
        let mut member = enter(&hub, &format!("member{number}"), now);
        for room in 0..ROOMS {
            let join = format!(r#"{{"type":"join","room":"r{room}"}}"#);
            command(&mut member, &join, now);
            support::told(&mut member);
        }
        member
    });
    let _members: Vec<_> = members.collect();
    let mut ann = enter(&hub, "ann", now);
    let told = enter_all(&mut ann, &|_| String::new(), now);
    let joined: Vec<_> = told
        .iter()
        .filter(|told| told["type"] == "joined" && told["room"] != "@ann")
        .collect();
    assert_eq!(joined.len(), ROOMS);
    assert!(joined.iter().all(|joined| joined["count"] == 101));
    let listed = |joined: &Value| joined["members"].as_array().unwrap().len();
    assert_eq!(listed(joined[0]), 101);
    assert_eq!(listed(joined[ROOMS - 1]), 0);
}
