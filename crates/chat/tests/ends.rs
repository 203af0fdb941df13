//! Connections that have ended, and rooms that were forgotten.

mod support;

use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use support::file::File;
use support::{told, told_until};
use switchboard_chat::{Bye, Connection, Hub, HubOptions, InMemory, Now};

fn enter(hub: &Hub, nick: &str, now: Now) -> Connection {
    let mut connection = hub.connect(now);
    let hello = format!(r#"{{"type":"hello","nick":"{nick}","session":"session of {nick:>10}"}}"#);
    connection.receive(hello.as_bytes(), now);
    connection
}

fn join(connection: &mut Connection, now: Now) {
    connection.receive(br#"{"type":"join","room":"tea"}"#, now);
}

fn say(connection: &mut Connection, text: &str, now: Now) {
    let say = format!(r#"{{"type":"say","room":"tea","text":"{text}"}}"#);
    connection.receive(say.as_bytes(), now);
}

#[test]
fn a_connection_that_was_replaced_does_nothing_more() {
    let (hub, now) = (Hub::new(HubOptions::default(), InMemory), Now::read());
    let mut old = enter(&hub, "ann", now);
    join(&mut old, now);
    let mut new = enter(&hub, "ann", now);
    join(&mut new, now);
    join(&mut old, now);
    old.receive(br#"{"type":"leave","room":"tea"}"#, now);
    let mut ben = enter(&hub, "ben", now);
    join(&mut ben, now);
    say(&mut old, "from nowhere", now);
    say(&mut ben, "hello", now);
    let heard = told(&mut new);
    assert!(
        heard.contains(r#""offset":1,"from":"ben","text":"hello""#),
        "{heard}"
    );
    assert_eq!(old.take(usize::MAX, &mut Vec::new()), Some(Bye::Replaced));
}

/// Closes a connection, by a thread of its own, when that is told of its end.
struct Closes(Mutex<Option<Connection>>, Now);

impl Wake for Closes {
    fn wake(self: Arc<Closes>) {
        let connection = self.0.lock().unwrap().take().unwrap();
        let (close, closed) = mpsc::channel();
        thread::spawn(move || {
            connection.close(self.1);
            close.send(())
        });
        // The thread may have to wait for the stop, which calls this function.
        let _ = closed.recv_timeout(Duration::from_millis(200));
    }
}

#[test]
fn a_stop_is_told_to_all_before_anybody_is_told_who_has_gone() {
    // Clients are told in the order of a hash.
    (0..5).for_each(|_| stop_while_one_goes());
}

fn stop_while_one_goes() {
    let (hub, now) = (Hub::new(HubOptions::default(), InMemory), Now::read());
    let mut ann = enter(&hub, "ann", now);
    join(&mut ann, now);
    let mut others: Vec<_> = (0..40)
        .map(|n| enter(&hub, &format!("ben{n}"), now))
        .collect();
    others.iter_mut().for_each(|other| join(other, now));
    for connection in others.iter_mut().chain([&mut ann]) {
        told(connection);
    }
    let closes = Arc::new(Closes(Mutex::default(), now));
    let waker = Waker::from(closes.clone());
    let ready = ann.poll_ready(&mut Context::from_waker(&waker));
    assert!(ready.is_pending());
    *closes.0.lock().unwrap() = Some(ann);
    hub.stop();
    for other in &mut others {
        let mut parcels = Vec::new();
        assert_eq!(other.take(usize::MAX, &mut parcels), Some(Bye::Restart));
        assert!(parcels.is_empty(), "{parcels:?}");
    }
}

#[test]
fn a_room_that_was_forgotten_goes_on_where_its_file_does() {
    let file = File::new();
    let options = HubOptions {
        history_age: Duration::from_secs(60),
        ..HubOptions::default()
    };
    let (hub, now) = (file.hub(options), Now::read());
    let heard = |nick: &str, now: Now| {
        let mut connection = enter(&hub, nick, now);
        join(&mut connection, now);
        say(&mut connection, nick, now);
        let all = told_until(&mut connection, |all| {
            all.contains(r#""type":"message""#) && all.contains(r#""type":"said""#)
        });
        connection.close(now);
        all
    };
    assert!(heard("ann", now).contains(r#""offset":1,"from":"ann""#));
    // The name, and then the message, are too old.
    for seconds in [61, 122, 183] {
        hub.tick(now.after(Duration::from_secs(seconds)));
    }
    assert_eq!(format!("{hub:?}"), "Hub { rooms: 0 }");
    let later = now.after(Duration::from_secs(200));
    assert!(heard("ben", later).contains(r#""offset":2,"from":"ben""#));
}

#[test]
fn a_file_keeps_no_more_than_the_history() {
    let file = File::new();
    for (history, first) in [(4, 1), (2, 3), (4, 5)] {
        let options = HubOptions {
            history,
            ..HubOptions::default()
        };
        let (hub, now) = (file.hub(options), Now::read());
        let mut ann = enter(&hub, "ann", now);
        join(&mut ann, now);
        let before = told(&mut ann);
        let expected = (first - 1).min(history as u64);
        let kept = before.matches(r#""type":"message""#).count() as u64;
        // What a shorter history has removed does not come back.
        assert_eq!(kept, expected.min(2), "{before}");
        for offset in [first, first + 1] {
            say(&mut ann, "hello", now);
            let all = told_until(&mut ann, |all| all.contains(r#""type":"said""#));
            assert!(
                all.contains(&format!(r#""offset":{offset},"from""#)),
                "{all}"
            );
        }
        ann.close(now);
    }
}

#[test]
fn an_answer_of_old_messages_fits_into_the_queue() {
    let options = HubOptions {
        outbox: 100_000,
        rate: u32::MAX,
        burst: u32::MAX,
        ..HubOptions::default()
    };
    let (hub, now) = (Hub::new(options, InMemory), Now::read());
    let mut ann = enter(&hub, "ann", now);
    join(&mut ann, now);
    for _ in 0..20 {
        say(&mut ann, &"x".repeat(10_000), now);
        told(&mut ann);
    }
    ann.receive(br#"{"type":"history","room":"tea"}"#, now);
    let answer = told(&mut ann);
    assert_eq!(answer.matches(r#""type":"message""#).count(), 4);
    assert!(answer.contains(r#""complete":false"#));
}

#[test]
fn the_greatest_offset_is_one_that_nobody_has_seen() {
    let (hub, now) = (Hub::new(HubOptions::default(), InMemory), Now::read());
    let mut ann = enter(&hub, "ann", now);
    let since = format!(r#"{{"epoch":1,"offset":{}}}"#, u64::MAX);
    let join = format!(r#"{{"type":"join","room":"tea","since":{since}}}"#);
    ann.receive(join.as_bytes(), now);
    let joined = told(&mut ann);
    assert!(joined.contains(r#""recovered":false"#), "{joined}");
}

#[test]
fn a_room_in_which_nothing_was_said_is_the_same_one_after_a_restart() {
    let file = File::new();
    let mut since = String::new();
    for _ in 0..2 {
        let options = HubOptions::default();
        let (hub, now) = (file.hub(options), Now::read());
        let mut ann = enter(&hub, "ann", now);
        told(&mut ann);
        let join = format!(r#"{{"type":"join","room":"tea"{since}}}"#);
        ann.receive(join.as_bytes(), now);
        let joined = told(&mut ann);
        assert_eq!(
            joined.contains(r#""recovered":true"#),
            !since.is_empty(),
            "{joined}"
        );
        let joined: serde_json::Value = serde_json::from_str(&joined).unwrap();
        since = format!(r#","since":{{"epoch":{},"offset":0}}"#, joined["epoch"]);
    }
}

#[test]
fn a_client_that_quits_leaves_its_rooms_and_its_name() {
    let (hub, now) = (Hub::new(HubOptions::default(), InMemory), Now::read());
    let mut ben = enter(&hub, "ben", now);
    join(&mut ben, now);
    let mut ann = enter(&hub, "ann", now);
    join(&mut ann, now);
    told(&mut ben);
    ann.quit();
    let heard = told(&mut ben);
    assert!(
        heard.contains(r#""nick":"ann","state":"gone","count":1"#),
        "{heard}"
    );
    let mut other = hub.connect(now);
    other.receive(br#"{"type":"hello","nick":"ann"}"#, now);
    let welcome = told(&mut other);
    assert!(welcome.contains(r#""resumed":false"#), "{welcome}");
}

#[test]
fn a_connection_that_was_replaced_quits_nothing() {
    let (hub, now) = (Hub::new(HubOptions::default(), InMemory), Now::read());
    let mut ben = enter(&hub, "ben", now);
    join(&mut ben, now);
    let mut old = enter(&hub, "ann", now);
    join(&mut old, now);
    let mut new = enter(&hub, "ann", now);
    join(&mut new, now);
    told(&mut ben);
    old.quit();
    assert_eq!(told(&mut ben), "");
    let mut other = hub.connect(now);
    other.receive(br#"{"type":"hello","nick":"ann"}"#, now);
    let refused = told(&mut other);
    assert!(refused.contains(r#""code":"nick_taken""#), "{refused}");
}

#[test]
fn a_session_that_moves_is_in_no_more_rooms_than_one_connection() {
    let options = HubOptions {
        rooms: 3,
        ..HubOptions::default()
    };
    let (hub, now) = (Hub::new(options, InMemory), Now::read());
    let mut ann = enter(&hub, "ann", now);
    for turn in 0..5 {
        // One that takes over has no rooms yet, and one that comes back has all that are held.
        let mut next = enter(&hub, "ann", now);
        for room in 0..3 {
            let join = format!(r#"{{"type":"join","room":"r{turn}-{room}"}}"#);
            next.receive(join.as_bytes(), now);
        }
        ann.close(now);
        next.close(now);
        ann = enter(&hub, "ann", now);
    }
    let mut ben = enter(&hub, "ben", now);
    told(&mut ben);
    ben.receive(br#"{"type":"rooms"}"#, now);
    let rooms = told(&mut ben);
    assert_eq!(rooms.matches(r#""count":1"#).count(), 3, "{rooms}");
    assert!(rooms.contains(r#"{"room":"r4-2","count":1}"#), "{rooms}");
}
