//! A client as one is to be written: it comes back, says what it has seen, and sends again what was not acknowledged.
//! It notes all that it is told, and panics at a hole, at an entry that comes twice and at an error.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_runtime as runtime;
use switchboard_websocket::{ClientStream, Message, Options, WebSocket, connect};

pub(super) type Socket = WebSocket<ClientStream>;

pub(super) struct Member {
    nick: String,
    random: fastrand::Rng,
    number: usize,
    pub(super) rooms: BTreeMap<String, Seen>,
    /// The rooms and texts that are not acknowledged, the oldest first.
    unsaid: VecDeque<(String, String)>,
    pub(super) acknowledged: Vec<(String, String)>,
    /// How often a text was sent again.
    pub(super) again: usize,
    /// How often the member was welcome.
    pub(super) welcomes: usize,
    /// Whether the node has told that its store is away.
    pub(super) is_away: bool,
    /// Texts that were shown before they were kept.
    pub(super) pending: Vec<String>,
}

/// What a member has seen of a room.
#[derive(Default)]
pub(super) struct Seen {
    epoch: u64,
    /// The offset behind which it has seen all.
    pub(super) from: u64,
    /// The newest offset that it has seen, or knows to be lost.
    pub(super) offset: u64,
    /// The newest offset at which a text of its own is kept.
    pub(super) said: u64,
    pub(super) entries: BTreeMap<u64, String>,
    /// The first and the last offset of each gap that it was told.
    pub(super) gaps: Vec<(u64, u64)>,
    has_joined: bool,
}

/// The most texts that wait for an acknowledgement: after a loss they are sent again at once, and the server permits 60
/// commands at once.
const UNSAID: usize = 20;

/// The time for each text: in the long run the server permits 20 commands a second.
const EACH: Duration = Duration::from_millis(60);

impl Member {
    pub(super) fn new(nick: &str, rooms: &[&str], seed: u64) -> Member {
        let rooms = rooms
            .iter()
            .map(|room| ((*room).to_owned(), Seen::default()));
        Member {
            nick: nick.to_owned(),
            random: fastrand::Rng::with_seed(seed),
            number: 0,
            rooms: rooms.collect(),
            unsaid: VecDeque::new(),
            acknowledged: Vec::new(),
            again: 0,
            welcomes: 0,
            is_away: false,
            pending: Vec::new(),
        }
    }

    /// Talks until `stop`, and then until all is acknowledged. Comes back to one of `nodes` whenever the connection is
    /// lost.
    pub(super) async fn talk(&mut self, nodes: &[String], stop: &AtomicBool) {
        loop {
            let node = &nodes[self.random.usize(..nodes.len())];
            if self.converse(node, stop).await.is_ok() {
                return;
            }
            // The node is being started again.
            runtime::sleep(Duration::from_millis(self.random.u64(5..40))).await;
        }
    }

    async fn converse(&mut self, node: &str, stop: &AtomicBool) -> io::Result<()> {
        let mut socket = self.enter(node).await?;
        let mut next = runtime::now();
        loop {
            let stopped = stop.load(Ordering::Relaxed);
            if stopped && self.unsaid.is_empty() {
                return Ok(());
            }
            match runtime::timeout_at(next, self.read(&mut socket)).await {
                Ok(read) => read?,
                Err(_) => {
                    let most = if stopped { 0 } else { UNSAID };
                    let count = self
                        .random
                        .usize(1..5)
                        .min(most.saturating_sub(self.unsaid.len()));
                    for _ in 0..count {
                        self.say(&mut socket).await?;
                    }
                    next = runtime::now() + EACH * count.max(1) as u32;
                }
            }
        }
    }

    /// Connects, enters all rooms, and sends again what was not acknowledged.
    pub(super) async fn enter(&mut self, node: &str) -> io::Result<Socket> {
        let mut socket = connect(&format!("ws://{node}/ws"), &Options::new()).await?;
        let session = format!("the session of {}", self.nick);
        let hello = json!({"type": "hello", "nick": self.nick, "session": session});
        socket.send(&*hello.to_string()).await?;
        for (room, seen) in &self.rooms {
            let since = json!({"epoch": seen.epoch, "offset": seen.offset});
            let since = seen.has_joined.then_some(since);
            let join = json!({"type": "join", "room": room, "since": since});
            socket.send(&*join.to_string()).await?;
        }
        for (room, text) in &self.unsaid {
            self.again += 1;
            send(&mut socket, room, text).await?;
        }
        Ok(socket)
    }

    /// Says the next text in a room.
    pub(super) async fn say(&mut self, socket: &mut Socket) -> io::Result<()> {
        let rooms: Vec<_> = self.rooms.keys().cloned().collect();
        let room = &rooms[self.random.usize(..rooms.len())];
        self.number += 1;
        let text = format!("{}-{}", self.nick, self.number);
        self.unsaid.push_back((room.clone(), text.clone()));
        send(socket, room, &text).await
    }

    /// Receives one message.
    ///
    /// # Errors
    /// `UnexpectedEof` when the connection has ended.
    pub(super) async fn read(&mut self, socket: &mut Socket) -> io::Result<()> {
        match socket.recv().await? {
            Some(Message::Text(text)) => {
                self.told(&serde_json::from_slice(text.as_bytes()).expect("JSON"));
                Ok(())
            }
            None | Some(Message::Close(_)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(_) => Ok(()),
        }
    }

    /// Receives until `holds`.
    pub(super) async fn read_until(
        &mut self,
        socket: &mut Socket,
        holds: impl Fn(&Member) -> bool,
    ) -> io::Result<()> {
        while !holds(self) {
            self.read(socket).await?;
        }
        Ok(())
    }

    pub(super) fn is(&self, nick: &str) -> bool {
        self.nick == nick
    }

    pub(super) fn has_unsaid(&self) -> bool {
        !self.unsaid.is_empty()
    }

    fn told(&mut self, told: &Value) {
        let text = |field: &str| told[field].as_str().unwrap_or_default();
        let number = |field: &str| told[field].as_u64().unwrap_or_default();
        match (text("type"), self.rooms.get_mut(text("room"))) {
            ("welcome", _) => self.welcomes += 1,
            ("joined", Some(seen)) => {
                let recovered = told["recovered"].as_bool();
                if recovered == Some(true) {
                    assert_eq!(seen.epoch, number("epoch"), "{}: {told}", self.nick);
                } else {
                    let forgotten = recovered.is_some();
                    assert!(
                        !forgotten,
                        "{}: nothing is forgotten here: {told}",
                        self.nick
                    );
                    seen.epoch = number("epoch");
                    // Its first entry says where it begins, if there is one.
                    (seen.from, seen.offset) = (number("offset"), number("offset"));
                    (seen.has_joined, seen.entries) = (true, BTreeMap::new());
                }
            }
            ("message", Some(_)) if told["pending"] == true => {
                self.pending.push(text("text").to_owned())
            }
            ("message", Some(seen)) => {
                let offset = number("offset");
                if seen.entries.is_empty() && seen.gaps.is_empty() {
                    seen.from = offset - 1;
                } else {
                    assert_eq!(offset, seen.offset + 1, "{}: {told}", self.nick);
                }
                seen.offset = offset;
                seen.entries.insert(offset, text("text").to_owned());
            }
            ("gap", Some(seen)) => {
                assert_eq!(number("from"), seen.offset + 1, "{}: {told}", self.nick);
                seen.gaps.push((number("from"), number("to")));
                seen.offset = number("to");
            }
            ("said", seen) => {
                if let Some(seen) = seen {
                    seen.said = seen.said.max(number("offset"));
                }
                let at = self.unsaid.iter().position(|(_, said)| said == text("id"));
                self.acknowledged
                    .extend(at.and_then(|at| self.unsaid.remove(at)));
            }
            ("status", _) => self.is_away = text("store") == "away",
            ("error", _) => panic!("{}: {told}", self.nick),
            _ => {}
        }
    }
}

async fn send(socket: &mut Socket, room: &str, text: &str) -> io::Result<()> {
    let say = json!({"type": "say", "room": room, "text": text, "id": text});
    socket.send(&*say.to_string()).await
}
