//! Messages that are sent again, and topics, where the history is shorter than the memory of them has to be.

mod support;

use std::time::Duration;

use support::file::File;
use support::{told, told_until};
use switchboard_chat::{Connection, Hub, HubOptions, InMemory, Now};

fn options() -> HubOptions {
    HubOptions {
        history: 2,
        ..HubOptions::default()
    }
}

/// Enters a room, and returns what the client is told then.
fn enter(hub: &Hub, now: Now) -> (Connection, String) {
    let mut ann = hub.connect(now);
    ann.receive(
        br#"{"type":"hello","nick":"ann","session":"the session of ann"}"#,
        now,
    );
    ann.receive(br#"{"type":"join","room":"tea"}"#, now);
    let joined = told(&mut ann);
    (ann, joined)
}

/// Sends a command, and returns what the client is told up to the acknowledgement.
fn ask(ann: &mut Connection, command: &str, now: Now) -> String {
    ann.receive(command.as_bytes(), now);
    told_until(ann, |all| all.contains(r#""type":"said""#))
}

fn say(ann: &mut Connection, id: u64, now: Now) -> String {
    let say = format!(r#"{{"type":"say","room":"tea","text":"number {id}","id":"{id}"}}"#);
    ask(ann, &say, now)
}

fn said(offset: u64, id: u64) -> String {
    format!("{{\"type\":\"said\",\"room\":\"tea\",\"offset\":{offset},\"id\":\"{id}\"}}\n")
}

#[test]
fn a_message_is_said_once_though_the_history_has_forgotten_it() {
    let (hub, now) = (Hub::new(options(), InMemory), Now::read());
    let (mut ann, _) = enter(&hub, now);
    for id in 1..=5 {
        say(&mut ann, id, now);
    }
    // A client that comes back as late as its session permits.
    let late = now.after(options().grace);
    for id in 1..=5 {
        assert_eq!(say(&mut ann, id, late), said(id, id));
    }
    // Nobody repeats what is much older, and nothing is kept of it for ever.
    let later = now.after(Duration::from_secs(600));
    say(&mut ann, 6, later);
    assert!(say(&mut ann, 1, later).contains(&said(7, 1)));
}

#[test]
fn a_room_that_all_have_left_knows_what_was_said() {
    let options = HubOptions {
        history_age: Duration::from_secs(1),
        grace: Duration::from_secs(70),
        ..HubOptions::default()
    };
    let (hub, now) = (Hub::new(options, InMemory), Now::read());
    let (mut ann, _) = enter(&hub, now);
    for id in 1..=2 {
        say(&mut ann, id, now);
    }
    ann.receive(br#"{"type":"leave","room":"tea"}"#, now);
    let late = now.after(Duration::from_secs(61));
    hub.tick(late);
    ann.receive(br#"{"type":"join","room":"tea"}"#, late);
    told(&mut ann);
    assert_eq!(say(&mut ann, 2, late), said(2, 2));
}

#[test]
fn a_message_is_said_once_though_the_server_was_started_again() {
    let file = File::new();
    let (hub, now) = (file.hub(options()), Now::read());
    let (mut ann, _) = enter(&hub, now);
    for id in 1..=5 {
        say(&mut ann, id, now);
    }
    drop((ann, hub));
    let hub = file.hub(options());
    let (mut ann, joined) = enter(&hub, now);
    // The messages themselves are gone.
    assert_eq!(joined.matches(r#""type":"message""#).count(), 2, "{joined}");
    for id in 1..=5 {
        assert_eq!(say(&mut ann, id, now), said(id, id));
    }
    drop((ann, hub));
    // Also if it is started again with less history, and with more.
    for history in [1, 10] {
        let hub = file.hub(HubOptions {
            history,
            ..options()
        });
        let (mut ann, joined) = enter(&hub, now);
        assert_eq!(joined.matches(r#""type":"message""#).count(), 1, "{joined}");
        for id in 1..=5 {
            assert_eq!(say(&mut ann, id, now), said(id, id));
        }
    }
}

fn set_topic(ann: &mut Connection, now: Now) {
    let topic = r#"{"type":"topic","room":"tea","text":"all about tea"}"#;
    ask(ann, topic, now);
}

#[test]
fn a_topic_outlives_the_history() {
    let day = Duration::from_secs(86_400);
    let (hub, now) = (Hub::new(options(), InMemory), Now::read());
    let (mut ann, _) = enter(&hub, now);
    set_topic(&mut ann, now);
    for id in 1..=5 {
        say(&mut ann, id, now);
    }
    ann.close(now);
    // All have left, and everything is too old.
    for days in 1..=3 {
        hub.tick(now.after(day * days));
    }
    let (_ann, joined) = enter(&hub, now.after(day * 3));
    assert!(joined.contains(r#""topic":"all about tea""#), "{joined}");
    assert!(!joined.contains(r#""type":"message""#), "{joined}");
}

#[test]
fn a_topic_stays_though_there_are_many_other_rooms() {
    let options = HubOptions {
        rooms: 1001,
        burst: u32::MAX,
        outbox: usize::MAX,
        ..options()
    };
    let (hub, now) = (Hub::new(options, InMemory), Now::read());
    let (mut ann, _) = enter(&hub, now);
    set_topic(&mut ann, now);
    ann.quit();
    let crowd: Vec<_> = (0..10)
        .map(|user| {
            let mut member = hub.connect(now);
            let hello = format!(r#"{{"type":"hello","nick":"user{user}"}}"#);
            member.receive(hello.as_bytes(), now);
            for room in 0..1001 {
                let join = format!(r#"{{"type":"join","room":"{user}-{room}"}}"#);
                member.receive(join.as_bytes(), now);
            }
            member
        })
        .collect();
    let later = now.after(Duration::from_secs(3 * 86_400));
    hub.tick(later);
    drop(crowd);
    let (_ann, joined) = enter(&hub, later);
    assert!(joined.contains(r#""topic":"all about tea""#), "{joined}");
}

#[test]
fn a_topic_outlives_the_history_in_a_file() {
    let day = Duration::from_secs(86_400);
    let file = File::new();
    let (hub, now) = (file.hub(options()), Now::read());
    let (mut ann, _) = enter(&hub, now);
    set_topic(&mut ann, now);
    for id in 1..=5 {
        say(&mut ann, id, now);
    }
    drop((ann, hub));
    let hub = file.hub(options());
    let (ann, joined) = enter(&hub, now);
    assert!(joined.contains(r#""topic":"all about tea""#), "{joined}");
    ann.close(now);
    // The room is forgotten, and the file has it.
    for days in 1..=3 {
        hub.tick(now.after(day * days));
    }
    assert_eq!(format!("{hub:?}"), "Hub { rooms: 0 }");
    let (mut ann, joined) = enter(&hub, now.after(day * 3));
    assert!(joined.contains(r#""topic":"all about tea""#), "{joined}");
    // A topic that was removed does not come back.
    let later = now.after(day * 3);
    ask(
        &mut ann,
        r#"{"type":"topic","room":"tea","text":""}"#,
        later,
    );
    drop((ann, hub));
    let hub = file.hub(options());
    let (_ann, joined) = enter(&hub, later);
    assert!(joined.contains(r#""topic":"""#), "{joined}");
}
