//! A client that notes what it was told by epoch and offset.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use switchboard_chat::{Bye, Connection, Hub, Now};

pub(crate) struct Client {
    pub(crate) nick: String,
    connection: Option<Connection>,
    pub(crate) rooms: BTreeMap<String, Seen>,
    pub(crate) unsaid: VecDeque<(String, String)>,
    pub(crate) acknowledged: Vec<(String, String)>,
    number: usize,
    /// Updates other than entries, newest last.
    pub(crate) told: Vec<Value>,
    pub(crate) takes_errors: bool,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) epoch: u64,
    /// Up to where all is seen, or known to be lost; `None` before the first entry.
    pub(crate) offset: Option<u64>,
    /// The offset behind which this client has seen all, in this epoch.
    pub(crate) from: u64,
    pub(crate) entries: BTreeMap<(u64, u64), String>,
    pub(crate) gaps: Vec<(u64, u64)>,
    pub(crate) joined: bool,
}

impl Client {
    pub(crate) fn new(nick: &str) -> Client {
        Client {
            nick: nick.to_owned(),
            connection: None,
            rooms: BTreeMap::new(),
            unsaid: VecDeque::new(),
            acknowledged: Vec::new(),
            number: 0,
            told: Vec::new(),
            takes_errors: false,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    pub(crate) fn connect(&mut self, hub: &Hub) {
        self.connection = Some(hub.connect(Now::read()));
        let session = format!("the session of {}", self.nick);
        self.command(&json!({"type": "hello", "nick": self.nick, "session": session}));
        for room in self.rooms.keys().cloned().collect::<Vec<_>>() {
            self.join(&room);
        }
        for (room, text) in self.unsaid.clone() {
            self.send(&room, &text);
        }
    }

    pub(crate) fn join(&mut self, room: &str) {
        let seen = self.rooms.entry(room.to_owned()).or_default();
        let since = seen.offset.filter(|_| seen.joined);
        let since = since.map(|offset| json!({"epoch": seen.epoch, "offset": offset}));
        self.command(&json!({"type": "join", "room": room, "since": since}));
    }

    pub(crate) fn say(&mut self, room: &str) {
        if self.rooms.contains_key(room) {
            self.number += 1;
            let text = format!("{}-{}", self.nick, self.number);
            self.unsaid.push_back((room.to_owned(), text.clone()));
            self.send(room, &text);
        }
    }

    fn send(&mut self, room: &str, text: &str) {
        self.command(&json!({"type": "say", "room": room, "text": text, "id": text}));
    }

    pub(crate) fn command(&mut self, command: &Value) {
        if let Some(connection) = &mut self.connection {
            connection.receive(command.to_string().as_bytes(), Now::read());
        }
    }

    pub(crate) fn read(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let mut parcels = Vec::new();
        let end = connection.take(usize::MAX, &mut parcels);
        for parcel in &parcels {
            self.take(serde_json::from_slice(parcel.json()).expect("JSON"));
        }
        match end {
            None => {}
            Some(Bye::Slow | Bye::Restart | Bye::Replaced) => self.connection = None,
            Some(bye) => panic!("{} was ended: {bye:?}", self.nick),
        }
    }

    pub(crate) fn cut(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close(Now::read());
        }
    }

    fn take(&mut self, told: Value) {
        let text = |field: &str| told[field].as_str().unwrap_or_default().to_owned();
        let number = |field: &str| told[field].as_u64().unwrap_or_default();
        let seen = self.rooms.get_mut(&text("room"));
        match (told["type"].as_str().expect("a type"), seen) {
            ("joined", Some(seen)) => {
                let recovered = told["recovered"] == true;
                if recovered {
                    assert_eq!(seen.epoch, number("epoch"), "{}: {told}", self.nick);
                } else {
                    seen.offset = None;
                    seen.epoch = number("epoch");
                    seen.from = number("offset");
                }
                seen.joined = true;
            }
            ("message", Some(_)) if told["pending"] == true => {}
            ("message", Some(seen)) => {
                let offset = number("offset");
                match seen.offset {
                    Some(last) => assert_eq!(offset, last + 1, "{}: {told}", self.nick),
                    None => seen.from = offset - 1,
                }
                seen.offset = Some(offset);
                let before = seen.entries.insert((seen.epoch, offset), text("text"));
                let same = before.is_none_or(|before| before == text("text"));
                assert!(same, "{} was told something else: {told}", self.nick);
            }
            ("gap", Some(seen)) => {
                if let Some(last) = seen.offset {
                    assert_eq!(number("from"), last + 1, "{}: {told}", self.nick);
                }
                seen.gaps.push((number("from"), number("to")));
                seen.offset = Some(number("to"));
            }
            ("said", Some(_)) => {
                let said = text("id");
                let at = self.unsaid.iter().position(|(_, text)| *text == said);
                if let Some(unsaid) = at.and_then(|at| self.unsaid.remove(at)) {
                    self.acknowledged.push(unsaid);
                }
            }
            ("error", _) if !self.takes_errors => panic!("{}: {told}", self.nick),
            _ => {}
        }
        self.told.push(told);
    }
}
