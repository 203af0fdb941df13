//! What is said by several nodes, and what Redis keeps of it.

use serde_json::json;
use switchboard_chat::{Hub, HubOptions, Now};

use crate::client::Client;
use crate::server::{Keeps, Server, until};
use crate::world::hub;

#[test]
fn without_redis_a_node_shows_what_is_said_and_keeps_it_later() {
    let Some(mut server) = Server::start(Keeps::All) else {
        return;
    };
    let hub = hub(&server);
    let (mut ann, mut bob) = (Client::new("ann"), Client::new("bob"));
    for client in [&mut ann, &mut bob] {
        client.connect(&hub);
        client.join("tea");
    }
    let told = |client: &mut Client, field: &str, value: serde_json::Value| {
        client.read();
        client.told.iter().any(|told| told[field] == value)
    };
    until("both are in", || {
        told(&mut ann, "type", "joined".into()) & told(&mut bob, "room", "tea".into())
    });
    server.kill();
    until("both know", || {
        told(&mut ann, "store", "away".into()) & told(&mut bob, "store", "away".into())
    });
    ann.say("tea");
    until("it is shown", || {
        told(&mut ann, "type", "queued".into()) & told(&mut bob, "pending", true.into())
    });
    // A client that comes now is welcome too.
    let mut dan = Client::new("dan");
    dan.connect(&hub);
    until("dan is in", || {
        told(&mut dan, "store", "away".into()) & told(&mut dan, "type", "welcome".into())
    });
    assert!(!told(&mut bob, "offset", 1.into()));
    server.start_again();
    until("it is kept", || {
        told(&mut ann, "type", "said".into()) & told(&mut bob, "offset", 1.into())
    });
    assert!(told(&mut bob, "store", "here".into()));
    let claimed = || server.ask(&["EXISTS", "chat:name:dan"]) == 1;
    until("dan's name is claimed", claimed);
}

#[test]
fn a_room_has_one_subscription_for_a_node_which_goes_with_the_last_member() {
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
    let hub = hub(&server);
    let mut clients: Vec<_> = (0..5)
        .map(|number| Client::new(&format!("user{number}")))
        .collect();
    for client in &mut clients {
        client.connect(&hub);
        client.join("tea");
    }
    let subscribed = |count: i64| {
        server.ask(&["PUBSUB", "NUMSUB", "chat0:room:tea"])[1] == count
            || server.ask(&["PUBSUB", "NUMSUB", "chat0:room:tea"])["chat0:room:tea"] == count
    };
    until("one subscription", || {
        clients.iter_mut().for_each(Client::read);
        subscribed(1)
    });
    for client in &mut clients {
        client.command(&json!({"type": "leave", "room": "tea"}));
    }
    until("no subscription", || {
        clients.iter_mut().for_each(Client::read);
        subscribed(0)
    });
}

#[test]
fn a_redis_that_is_full_keeps_nothing_and_its_sender_is_told() {
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
    let hub = hub(&server);
    let mut ann = Client::new("ann");
    ann.connect(&hub);
    ann.join("tea");
    until("ann is in", || {
        ann.read();
        ann.rooms["tea"].joined
    });
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    ann.takes_errors = true;
    ann.say("tea");
    until("it is refused", || {
        ann.read();
        let mut errors = ann.told.iter().filter(|told| told["type"] == "error");
        errors.any(|told| told["code"] == "not_kept" && told["id"] == "ann-1")
    });
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    ann.say("tea");
    until("the next one is kept", || {
        ann.read();
        ann.acknowledged.iter().any(|(_, text)| text == "ann-2")
    });
}

#[test]
fn what_the_stream_has_forgotten_is_known_when_it_is_said_again() {
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
    let start = || {
        let options = HubOptions {
            history: 2,
            ..HubOptions::default()
        };
        Hub::with_redis(options, server.url().parse().unwrap()).unwrap()
    };
    let (here, there) = (start(), start());
    let mut ann = Client::new("ann");
    ann.connect(&here);
    ann.join("tea");
    ann.command(&json!({"type": "topic", "room": "tea", "text": "all about tea"}));
    (0..5).for_each(|_| ann.say("tea"));
    until("all is kept", || {
        ann.read();
        ann.acknowledged.len() == 5
    });
    assert_eq!(server.ask(&["XLEN", "chat:{tea}:log"]), 2);
    // The client has heard of none of them, and comes back elsewhere; also where Redis has lost all.
    let again = |hub: &Hub| {
        let mut again = hub.connect(Now::read());
        let mut command = |command: serde_json::Value| {
            again.receive(command.to_string().as_bytes(), Now::read());
        };
        command(json!({"type": "hello", "nick": "ann", "session": "the session of ann"}));
        command(json!({"type": "join", "room": "tea"}));
        for number in 1..=5 {
            let text = format!("ann-{number}");
            command(json!({"type": "say", "room": "tea", "text": text, "id": text}));
        }
        let (mut told, mut all) = (Vec::new(), String::new());
        until("all is acknowledged", || {
            again.take(usize::MAX, &mut told);
            all = told.iter().map(|told| format!("{told:?}\n")).collect();
            all.matches(r#""type":"said""#).count() == 5
        });
        for number in 1..=5 {
            let offset = number + 1;
            let said = format!(r#""said","room":"tea","offset":{offset},"id":"ann-{number}""#);
            assert!(all.contains(&said), "{all}");
        }
        assert!(all.contains(r#""topic":"all about tea""#), "{all}");
        again
    };
    let _member = again(&there);
    server.ask(&["FLUSHALL"]);
    until("a node gives Redis what it has", || {
        server.ask(&["EXISTS", "chat:{tea}:meta"]) == 1
    });
    let third = start();
    let _member = again(&third);
    // The topic outlives what was said.
    let life = |part: &str| {
        let left = server.ask(&["PTTL", &format!("chat:{{tea}}:{part}")]);
        left.as_i64().unwrap() / 86_400_000
    };
    assert!(life("log") <= 2);
    assert!(life("meta") >= 300);
}

#[test]
fn a_member_who_has_seen_more_than_the_node_is_recovered() {
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
    let hub = hub(&server);
    let [mut ann, mut ben] = ["ann", "ben"].map(Client::new);
    ann.connect(&hub);
    ann.join("tea");
    ann.say("tea");
    until("it is kept", || {
        ann.read();
        !ann.acknowledged.is_empty()
    });
    // What another node has kept and told, and this one has not heard of.
    let entry = json!({"type": "message", "from": "ben", "text": "ben-1", "id": "ben-1", "time": Now::read().unix});
    let (time, entry) = (Now::read().unix.to_string(), entry.to_string());
    let add = [
        "XADD",
        "chat:{tea}:log",
        "2-0",
        "i",
        "ben ben-1",
        "t",
        &time,
        "e",
        &entry,
    ];
    assert_eq!(server.ask(&add), "2-0");
    server.ask(&["HSET", "chat:{tea}:meta", "last", "2"]);
    let epoch = ann.rooms["tea"].epoch;
    let mut join = |offset: u64| {
        ben.connect(&hub);
        let since = json!({"epoch": epoch, "offset": offset});
        ben.command(&json!({"type": "join", "room": "tea", "since": since}));
        let mut joined = serde_json::Value::Null;
        until("ben is in", || {
            ben.read();
            let mut told = ben.told.iter();
            let found = told.find(|told| told["type"] == "joined" && told["room"] == "tea");
            joined = found.cloned().unwrap_or_default();
            found.is_some()
        });
        ben.told.clear();
        (joined["offset"].clone(), joined["recovered"].clone())
    };
    assert_eq!(join(2), (2.into(), true.into()));
    // Nobody has told this one.
    assert_eq!(join(3), (2.into(), false.into()));
    until("ann has it too", || {
        ann.read();
        ann.rooms["tea"].offset == Some(2)
    });
}
