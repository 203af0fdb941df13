//! Names and members of several nodes.

use std::future::poll_fn;

use serde_json::json;
use switchboard_chat::{Bye, Hub, HubOptions, Now};
use switchboard_runtime::Model;

use crate::client::Client;
use crate::server::{Keeps, Server, until};
use crate::world::hub;

#[test]
fn members_of_all_nodes_see_each_other_and_a_killed_node_goes() {
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
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

/// A node in a process of its own, with one client, which is always writing.
struct Node(std::process::Child);

/// Where the Redis of such a node is.
const NODE: &str = "SWITCHBOARD_TEST_NODE";

impl Node {
    fn start(server: &Server) -> Node {
        let program = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new(program);
        command.args(["--exact", "names::a_node_of_its_own", "--nocapture"]);
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
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
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
fn a_client_that_leaves_before_it_is_welcome_leaves_its_name_free() {
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
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

#[test]
fn nodes_that_share_names_keep_no_passwords() {
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
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
fn a_connection_that_was_replaced_before_it_was_welcome_enters_no_room() {
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
    let (hub, now) = (hub(&server), Now::read());
    let mut old = hub.connect(now);
    let hello = br#"{"type":"hello","nick":"ann","session":"the session of ann"}"#;
    old.receive(hello, now);
    old.receive(br#"{"type":"join","room":"tea"}"#, now);
    // Redis has granted the name, and nobody reads that before the client comes back.
    let granted = poll_fn(|context| old.poll_ready(context));
    Model::Blocking.run(granted).unwrap();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    for client in [&mut ann, &mut ben] {
        client.connect(&hub);
        client.join("tea");
        until("the client is in", || {
            client.read();
            client.rooms["tea"].joined
        });
    }
    let ended = old.take(usize::MAX, &mut Vec::new());
    assert_eq!(ended, Some(Bye::Replaced));
    drop(old);
    ben.say("tea");
    until("it is kept", || {
        ben.read();
        !ben.acknowledged.is_empty()
    });
    ann.read();
    assert_eq!(ann.rooms["tea"].entries.len(), 1);
}

#[test]
fn a_name_that_was_granted_while_redis_refused_is_claimed_later() {
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
    let (here, there) = (hub(&server), hub(&server));
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let mut ann = Client::new("ann");
    ann.connect(&here);
    until("ann is welcome", || {
        ann.read();
        ann.told.iter().any(|told| told["type"] == "welcome")
    });
    assert_eq!(server.ask(&["EXISTS", "chat:name:ann"]), 0);
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    until("the name is claimed", || {
        server.ask(&["EXISTS", "chat:name:ann"]) == 1
    });
    // So that texts find it from any node.
    let mut ben = Client::new("ben");
    ben.connect(&there);
    ben.command(&json!({"type": "tell", "to": "ann", "text": "hello", "id": "1"}));
    until("ann has it", || {
        ben.read();
        ann.read();
        let mut told = ann.told.iter();
        told.any(|told| told["room"] == "@ann" && told["text"] == "hello")
    });
}
