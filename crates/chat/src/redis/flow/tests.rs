//! A flow whose steps are taken one by one, with a Redis server.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use switchboard_redis::Failure;
use switchboard_runtime::{self as runtime, Model};

use super::super::keys::Keys;
use super::super::sent::Sent;
use super::super::session::{Came, Session};
use super::super::{Handle, Redis};
use super::Flow;
use crate::{Connection, Hub, HubOptions, Name, Now};

#[path = "../../../tests/redis/server.rs"]
mod server;

use self::server::{Keeps, Server, until};

/// A hub and its flow, which does nothing by itself.
struct Node {
    hub: Hub,
    flow: Flow,
}

impl Node {
    /// Returns a node without a session.
    fn new(url: &str) -> Node {
        let keys = Arc::new(Keys::new(0));
        let (asks, asked) = async_channel::unbounded();
        let redis = Redis(Arc::new(Handle {
            asks,
            keys: keys.clone(),
            number: AtomicU64::new(0),
        }));
        let options = HubOptions {
            rate: u32::MAX,
            burst: u32::MAX,
            ..HubOptions::default()
        };
        let hub = Hub::sharing(options, redis);
        let flow = Flow::new(url.parse().unwrap(), keys, &hub, asked);
        Node { hub, flow }
    }

    async fn begin(&mut self) {
        let session = Session::open(&self.flow.url, &self.flow.keys).await;
        self.flow
            .here(session.unwrap_or_else(|failure| panic!("{failure}")));
    }

    /// Takes what the hub asks for. Nothing is sent to Redis before something is waited for.
    fn take_asks(&mut self) {
        while let Ok(ask) = self.flow.asks.try_recv() {
            self.flow.asked(ask);
        }
    }

    /// Takes what comes from Redis until a client has been told something, and returns all that it was told.
    async fn told(&mut self, client: &mut Connection, what: &str) -> String {
        let (mut parcels, mut all) = (Vec::new(), String::new());
        loop {
            client.take(usize::MAX, &mut parcels);
            // Those of commands that have waited for a name too.
            self.take_asks();
            all.extend(parcels.drain(..).map(|parcel| format!("{parcel:?}\n")));
            if all.contains(what) {
                return all;
            }
            self.step().await;
        }
    }

    /// Takes the next thing that comes from Redis.
    async fn step(&mut self) {
        let session = self.flow.session.as_mut().expect("a session");
        let came = poll_fn(|context| session.poll(context));
        let came = runtime::timeout(LIMIT, came).await;
        match came
            .expect("something comes")
            .unwrap_or_else(|failure| panic!("{failure}"))
        {
            Came::Answer(sent, reply) => {
                let answered = self.flow.answered(sent, reply);
                answered.unwrap_or_else(|failure| panic!("{failure}"));
            }
            Came::Published(reply) => self.flow.published(reply),
        }
    }

    /// Begins a session, and has a client enter the room.
    async fn begin_with(&mut self, nick: &str) -> Connection {
        self.begin().await;
        let mut client = self.connect(nick);
        command(&mut client, JOIN);
        self.told(&mut client, JOINED).await;
        client
    }

    fn connect(&self, nick: &str) -> Connection {
        let mut client = self.hub.connect(Now::read());
        let hello = format!(r#"{{"type":"hello","nick":"{nick}"}}"#);
        command(&mut client, &hello);
        client
    }
}

/// How long a test that fails waits.
const LIMIT: Duration = Duration::from_secs(20);

fn command(client: &mut Connection, command: &str) {
    client.receive(command.as_bytes(), Now::read());
}

const JOIN: &str = r#"{"type":"join","room":"tea"}"#;
const LEAVE: &str = r#"{"type":"leave","room":"tea"}"#;
const JOINED: &str = r#""type":"joined","room":"tea""#;

#[test]
fn a_room_stays_open_while_an_answer_for_it_is_under_way() {
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
    let tea = Name::stored("tea");
    let mut node = Node::new(&server.url());
    let test = async {
        let mut ann = node.begin_with("ann").await;
        while node.flow.rooms[&tea].is_syncing {
            node.step().await;
        }
        // The next sync says what the node has, and Redis has lost that when it comes.
        let open = node.flow.rooms.get_mut(&tea).unwrap();
        open.is_behind = true;
        node.flow.drive(&tea);
        assert!(node.flow.rooms[&tea].is_syncing);
        server.ask(&["FLUSHALL"]);
        command(&mut ann, LEAVE);
        node.take_asks();
        node.flow.look_at_rooms(Instant::now());
        command(&mut ann, JOIN);
        let joined = node.told(&mut ann, JOINED).await;
        assert!(!joined.contains(r#""epoch":0,"#), "{joined}");
        let epoch = server.ask(&["HGET", "chat:{tea}:meta", "epoch"]);
        assert_ne!(epoch, "0");
        // The room closes when no answer is under way.
        command(&mut ann, LEAVE);
        node.take_asks();
        while node.flow.rooms[&tea].is_syncing {
            node.step().await;
        }
        node.flow.look_at_rooms(Instant::now());
        assert!(!node.flow.rooms.contains_key(&tea));
    };
    Model::Tasks.run(test).unwrap();
}

#[test]
fn nothing_piles_up_for_rooms_while_redis_is_away() {
    let tea = Name::stored("tea");
    let mut node = Node::new("redis://127.0.0.1:1");
    let mut clients = ["ann", "ben"].map(|nick| node.connect(nick));
    node.take_asks();
    let [ann, ben] = &mut clients;
    for client in [&mut *ann, &mut *ben] {
        client.take(usize::MAX, &mut Vec::new());
        assert!(client.nick().is_some());
    }
    for _ in 0..10 {
        for round in [JOIN, LEAVE] {
            command(ann, round);
            node.take_asks();
        }
        // The flow hears of both at once.
        for round in [JOIN, LEAVE] {
            command(ann, round);
        }
        node.take_asks();
    }
    assert!(!node.flow.rooms.contains_key(&tea));
    assert!(node.hub.room(&tea).take_changes().is_empty());
    command(ben, JOIN);
    for round in [JOIN, LEAVE].repeat(10) {
        command(ann, round);
        node.take_asks();
    }
    assert!(node.flow.rooms[&tea].tells_all);
    assert!(node.hub.room(&tea).take_changes().is_empty());
}

#[test]
fn what_was_told_before_its_answer_was_lost_is_told_once() {
    let Some(mut server) = Server::start(Keeps::Nothing) else {
        return;
    };
    let mut node = Node::new(&server.url());
    let test = async {
        let mut ann = node.begin_with("ann").await;
        assert_eq!(server.ask(&["SAVE"]), "OK");
        command(
            &mut ann,
            r#"{"type":"say","room":"tea","text":"hello","id":"1"}"#,
        );
        node.take_asks();
        // Redis publishes the entry before it answers, and the answer is lost.
        let tea = Name::stored("tea");
        let mut is_answered = false;
        while !is_answered || node.hub.room(&tea).position().1 == 0 {
            let session = node.flow.session.as_mut().unwrap();
            match poll_fn(|context| session.poll(context)).await.unwrap() {
                Came::Answer(Sent::Append { .. }, _) => is_answered = true,
                Came::Answer(sent, reply) => node.flow.answered(sent, reply).unwrap(),
                Came::Published(reply) => node.flow.published(reply),
            }
        }
        let told = node.told(&mut ann, r#""type":"message""#).await;
        assert!(told.contains(r#""offset":1,"from":"ann""#), "{told}");
        node.flow.away(&Failure::passing("it was killed"));
        server.kill();
        server.start_again();
        until("Redis answers", || server.ask(&["PING"]) == "PONG");
        node.begin().await;
        let told = node.told(&mut ann, r#""type":"said""#).await;
        let said = r#"{"type":"said","room":"tea","offset":1,"id":"1"}"#;
        assert!(told.contains(said), "{told}");
        let kept = |line: &&str| line.contains(r#""offset""#) && line.contains(r#""from":"ann""#);
        assert_eq!(told.lines().filter(kept).count(), 0, "{told}");
    };
    Model::Tasks.run(test).unwrap();
}
