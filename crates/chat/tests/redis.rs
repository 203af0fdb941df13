//! Two nodes and a Redis server: random schedules of joins, sends, moves and killed nodes, while Redis is troubled. The
//! members of all nodes have the same history.

#[path = "nodes/client.rs"]
mod client;
#[path = "nodes/server.rs"]
mod server;
#[path = "nodes/world.rs"]
mod world;

use serde_json::json;
use switchboard_chat::{Hub, HubOptions, Now, RedisUrl};
use switchboard_tls::TlsClient;

use client::Client;
use server::{Keeps, Server, is_missing, until};
use world::{Trouble, World, hub};

/// Prints the seed of a schedule that fails.
struct Shown(u64);

impl Drop for Shown {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the schedule of SEED={} failed", self.0);
        }
    }
}

/// Runs schedules of the seeds from `SEED` on, or from 0.
fn schedules(count: u64, keeps: Keeps, trouble: Trouble) {
    if is_missing() {
        return;
    }
    let first = std::env::var("SEED")
        .ok()
        .map(|seed| seed.parse().expect("SEED is a number"));
    let count = std::env::var("COUNT").map_or(count, |count| count.parse().expect("COUNT"));
    let count = first.map_or(count, |_| 1);
    let first = first.unwrap_or(0);
    for seed in first..first + count {
        let _shown = Shown(seed);
        let troubles = [(120, trouble), (240, trouble)];
        let troubles = if trouble == Trouble::Frozen {
            &troubles[..1]
        } else {
            &troubles
        };
        World::new(seed, keeps).run(400, troubles);
    }
}

#[test]
fn cut_connections_lose_nothing() {
    schedules(20, Keeps::Nothing, Trouble::Cuts);
}

#[test]
fn a_redis_that_keeps_all_loses_nothing_when_it_is_killed() {
    schedules(10, Keeps::All, Trouble::Kills);
}

#[test]
fn a_redis_that_keeps_nothing_and_is_killed_leaves_a_gap() {
    schedules(10, Keeps::Nothing, Trouble::Kills);
}

#[test]
fn a_redis_that_is_emptied_leaves_a_gap() {
    schedules(10, Keeps::Nothing, Trouble::Emptied);
}

#[test]
fn a_redis_that_comes_back_with_less_gives_no_offset_twice() {
    schedules(10, Keeps::Nothing, Trouble::Rewound);
}

#[test]
fn a_redis_that_freezes_loses_nothing() {
    schedules(3, Keeps::Nothing, Trouble::Frozen);
}

#[test]
fn members_of_all_nodes_see_each_other_and_a_killed_node_goes() {
    if is_missing() {
        return;
    }
    let server = Server::start(Keeps::Nothing);
    let here = hub(&server);
    let mut ann = Client::new("ann");
    ann.connect(&here);
    ann.join("tea");
    let mut node = Node::start(&server);
    let names = |client: &mut Client, names: &[&str]| {
        client.told.clear();
        client.command(&json!({"type": "who", "room": "tea"}));
        client.read();
        let members = client.told.iter().rfind(|told| told["type"] == "members");
        let members = members.and_then(|told| told["members"].as_array().cloned());
        let members = members.unwrap_or_default();
        members.iter().map(|member| &member["nick"]).eq(names)
    };
    until("both are members", || names(&mut ann, &["ann", "bob"]));
    until("bob is writing", || {
        ann.read();
        ann.told
            .iter()
            .any(|told| told["type"] == "typing" && told["nick"] == "bob")
    });
    node.kill();
    until("bob is gone", || names(&mut ann, &["ann"]));
}

#[test]
fn a_client_that_leaves_before_it_is_welcome_leaves_its_name_free() {
    if is_missing() {
        return;
    }
    let server = Server::start(Keeps::Nothing);
    let (here, there) = (hub(&server), hub(&server));
    let mut ann = here.connect(Now::read());
    ann.receive(br#"{"type":"hello","nick":"ann"}"#, Now::read());
    ann.quit();
    // Redis has answered for her then.
    let mut bob = here.connect(Now::read());
    bob.receive(br#"{"type":"hello","nick":"bob"}"#, Now::read());
    until("bob is welcome", || {
        bob.take(usize::MAX, &mut Vec::new());
        bob.nick().is_some()
    });
    until("another node has the name", || {
        let mut ann = there.connect(Now::read());
        ann.receive(br#"{"type":"hello","nick":"ann"}"#, Now::read());
        let mut told = Vec::new();
        until("it is answered", || {
            assert_eq!(ann.take(usize::MAX, &mut told), None);
            !told.is_empty()
        });
        let is_welcome = ann.nick().is_some();
        ann.quit();
        is_welcome
    });
}

/// A node in a process of its own, with one client, which is always writing.
struct Node(std::process::Child);

/// Where the Redis of such a node is.
const NODE: &str = "SWITCHBOARD_TEST_NODE";

impl Node {
    fn start(server: &Server) -> Node {
        let program = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new(program);
        command.args(["--exact", "a_node_of_its_own", "--nocapture"]);
        command.env(NODE, server.url());
        command.stdin(std::process::Stdio::piped());
        command.stdout(std::process::Stdio::null());
        Node(command.spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the process of a [`Node`] runs; for others it does nothing.
#[test]
fn a_node_of_its_own() {
    let Ok(url) = std::env::var(NODE) else {
        return;
    };
    let hub = Hub::with_redis(HubOptions::default(), url.parse().unwrap()).unwrap();
    let mut bob = Client::new("bob");
    bob.connect(&hub);
    bob.join("tea");
    // A minute at most: the test ends this process.
    until("the end", || {
        bob.command(&json!({"type": "typing", "room": "tea"}));
        std::thread::sleep(std::time::Duration::from_millis(100));
        bob.read();
        false
    });
}

#[test]
fn a_name_is_one_clients_among_all_nodes_and_moves_with_its_session() {
    if is_missing() {
        return;
    }
    let server = Server::start(Keeps::Nothing);
    let (here, there) = (hub(&server), hub(&server));
    let mut ann = Client::new("ann");
    ann.connect(&here);
    until("ann is welcome", || {
        ann.read();
        ann.told.iter().any(|told| told["type"] == "welcome")
    });
    let mut other = there.connect(Now::read());
    let now = Now::read();
    other.receive(br#"{"type":"hello","nick":"Ann"}"#, now);
    let mut told = Vec::new();
    until("the name is refused", || {
        assert_eq!(other.take(usize::MAX, &mut told), None);
        told.iter().any(|parcel| {
            parcel
                .json()
                .starts_with(br#"{"type":"error","code":"nick_taken""#)
        })
    });
    let mut again = Client::new("ann");
    again.connect(&there);
    until("ann has moved", || {
        ann.read();
        again.read();
        !ann.is_connected() && again.told.iter().any(|told| told["type"] == "welcome")
    });
    // Texts for a user find it at any node, and nobody is nobody.
    let mut bob = Client::new("bob");
    bob.connect(&here);
    bob.command(&json!({"type": "tell", "to": "ann", "text": "hello", "id": "1"}));
    until("ann has it", || {
        bob.read();
        again.read();
        again
            .told
            .iter()
            .any(|told| told["room"] == "@ann" && told["text"] == "hello")
    });
}

#[test]
fn without_redis_a_node_shows_what_is_said_and_keeps_it_later() {
    if is_missing() {
        return;
    }
    let mut server = Server::start(Keeps::All);
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
    if is_missing() {
        return;
    }
    let server = Server::start(Keeps::Nothing);
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
fn a_redis_that_will_never_do_is_an_error() {
    if is_missing() {
        return;
    }
    let server = Server::start(Keeps::Nothing);
    server.ask(&["CONFIG", "SET", "requirepass", "secret"]);
    let connect = |url: String| {
        let options = HubOptions::default();
        Hub::with_redis(options, url.parse().unwrap())
    };
    let bare = server.url();
    let error = connect(bare.clone()).unwrap_err().to_string();
    assert!(error.contains("it wants a password"), "{error}");
    let wrong = bare.replace("redis://", "redis://:wrong@");
    let error = connect(wrong).unwrap_err().to_string();
    assert!(
        error.contains("the password is wrong") && !error.contains(":wrong@"),
        "{error}"
    );
    connect(bare.replace("redis://", "redis://:secret@") + "/3").unwrap();
    // A server that answers, and in another language.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let answer = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = other.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        stream
    });
    let error = connect(format!("redis://127.0.0.1:{port}"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("this is no Redis: it says `HTTP/1.1 400"),
        "{error}"
    );
    drop(answer.join());
}

#[test]
fn a_redis_that_is_full_keeps_nothing_and_its_sender_is_told() {
    if is_missing() {
        return;
    }
    let server = Server::start(Keeps::Nothing);
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
fn nodes_that_share_names_keep_no_passwords() {
    if is_missing() {
        return;
    }
    let server = Server::start(Keeps::Nothing);
    let hub = hub(&server);
    let mut ann = Client::new("ann");
    ann.takes_errors = true;
    ann.connect(&hub);
    ann.command(&json!({"type": "register", "password": "correct horse"}));
    until("it is refused", || {
        ann.read();
        let mut errors = ann.told.iter().filter(|told| told["type"] == "error");
        errors.any(|told| {
            told["code"] == "no_accounts" && told["text"].as_str().unwrap().contains("by Redis")
        })
    });
    assert!(ann.told.iter().all(|told| told["registered"].is_null()));
}

#[test]
fn nodes_speak_tls_with_redis() {
    if is_missing() {
        return;
    }
    let (server, certificate) = Server::with_tls();
    let client = TlsClient::with_roots_only(certificate.as_bytes()).unwrap();
    let url: RedisUrl = server.tls_url().parse().unwrap();
    let options = HubOptions::default();
    let error = Hub::with_redis(options.clone(), url.clone()).unwrap_err();
    assert!(error.to_string().contains("rediss://localhost"), "{error}");
    let hub = Hub::with_redis(options, url.tls(client)).unwrap();
    let mut ann = Client::new("ann");
    ann.connect(&hub);
    ann.join("tea");
    ann.say("tea");
    until("it is kept", || {
        ann.read();
        !ann.acknowledged.is_empty()
    });
}

#[test]
fn what_the_stream_has_forgotten_is_known_when_it_is_said_again() {
    if is_missing() {
        return;
    }
    let server = Server::start(Keeps::Nothing);
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
    if is_missing() {
        return;
    }
    let server = Server::start(Keeps::Nothing);
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
