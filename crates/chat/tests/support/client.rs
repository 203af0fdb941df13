//! A client as one is to be written: it comes back, says what it has seen, and sends again what was not acknowledged.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use switchboard_chat::{Bye, Connection, Hub, Now};

pub(crate) struct Client {
    pub(crate) nick: String,
    session: String,
    connection: Option<Connection>,
    /// What was seen of each room.
    pub(crate) rooms: BTreeMap<String, Seen>,
    /// What is not acknowledged.
    unsaid: VecDeque<(String, String)>,
    number: usize,
    /// All of its texts that were acknowledged.
    pub(crate) acknowledged: Vec<(String, String)>,
}

#[derive(Default)]
pub(crate) struct Seen {
    epoch: u64,
    offset: u64,
    /// The offset behind which the first text was seen.
    pub(crate) from: u64,
    pub(crate) texts: Vec<String>,
    joined: bool,
}

impl Client {
    pub(crate) fn new(nick: &str) -> Client {
        Client {
            nick: nick.to_owned(),
            session: format!("the session of {nick}"),
            connection: None,
            rooms: BTreeMap::new(),
            unsaid: VecDeque::new(),
            number: 0,
            acknowledged: Vec::new(),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Comes back, and enters its rooms again.
    pub(crate) fn connect(&mut self, hub: &Hub, now: Now) {
        self.connection = Some(hub.connect(now));
        self.command(
            &json!({"type": "hello", "nick": self.nick, "session": self.session}),
            now,
        );
        let rooms: Vec<_> = self.rooms.keys().cloned().collect();
        for room in rooms {
            self.join(&room, now);
        }
        for (room, text) in self.unsaid.clone() {
            self.send(&room, &text, now);
        }
    }

    pub(crate) fn join(&mut self, room: &str, now: Now) {
        let seen = self.rooms.entry(room.to_owned()).or_default();
        let since = seen
            .joined
            .then(|| json!({"epoch": seen.epoch, "offset": seen.offset}));
        self.command(&json!({"type": "join", "room": room, "since": since}), now);
    }

    pub(crate) fn say(&mut self, room: &str, now: Now) {
        if !self.rooms.contains_key(room) {
            return;
        }
        self.number += 1;
        let text = format!("{}-{}", self.nick, self.number);
        self.unsaid.push_back((room.to_owned(), text.clone()));
        self.send(room, &text, now);
    }

    fn send(&mut self, room: &str, text: &str, now: Now) {
        self.command(
            &json!({"type": "say", "room": room, "text": text, "id": text}),
            now,
        );
    }

    fn command(&mut self, command: &Value, now: Now) {
        if let Some(connection) = &mut self.connection {
            connection.receive(command.to_string().as_bytes(), now);
        }
    }

    /// Reads at most `bytes` bytes.
    pub(crate) fn read(&mut self, bytes: usize) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let mut parcels = Vec::new();
        let end = connection.take(bytes, &mut parcels);
        for parcel in &parcels {
            self.told(&serde_json::from_slice(parcel.json()).expect("JSON"));
        }
        match end {
            None => {}
            Some(Bye::Slow | Bye::Restart | Bye::Replaced) => self.connection = None,
            Some(bye) => panic!("{} was ended: {bye:?}", self.nick),
        }
    }

    /// Reads all that there is.
    pub(crate) fn read_all(&mut self) {
        self.read(usize::MAX);
    }

    /// Ends the connection, with all that was not read.
    pub(crate) fn cut(&mut self, now: Now) {
        if let Some(connection) = self.connection.take() {
            connection.close(now);
        }
    }

    fn told(&mut self, told: &Value) {
        let text = |field: &str| told[field].as_str().unwrap_or_default().to_owned();
        let number = |field: &str| told[field].as_u64().unwrap_or_default();
        let room = text("room");
        match told["type"].as_str().expect("a type") {
            "welcome" => assert_eq!(text("session"), self.session),
            "joined" if room.starts_with('@') => {}
            "joined" => {
                let Some(seen) = self.rooms.get_mut(&room) else {
                    return;
                };
                let recovered = told["recovered"].as_bool();
                assert_ne!(recovered, Some(false), "nothing is forgotten here: {told}");
                if recovered.is_none() {
                    // Its first entry says where it begins.
                    *seen = Seen {
                        joined: true,
                        epoch: number("epoch"),
                        ..Seen::default()
                    };
                }
            }
            "message" => {
                let seen = self.rooms.get_mut(&room).expect("a room that was entered");
                let offset = number("offset");
                if seen.texts.is_empty() {
                    seen.from = offset - 1;
                } else {
                    assert_eq!(offset, seen.offset + 1, "{} in {room}: {told}", self.nick);
                }
                seen.offset = offset;
                seen.texts.push(text("text"));
            }
            "said" => {
                let said = text("id");
                let at = self.unsaid.iter().position(|(_, text)| *text == said);
                if let Some(unsaid) = at.and_then(|at| self.unsaid.remove(at)) {
                    self.acknowledged.push(unsaid);
                }
            }
            "error" if told["code"] == "not_kept" => {}
            "error" => panic!("{}: {told}", self.nick),
            _ => {}
        }
    }

    pub(crate) fn has_unsaid(&self) -> bool {
        !self.unsaid.is_empty()
    }
}
