//! The chat servers on tokio, without their WebSocket: rooms, members, and a bounded queue for each client.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};

/// The most messages that wait for a client.
const QUEUE: usize = 1024;

/// The bytes that a WebSocket of these servers reads at once; tungstenite's 128 KiB would be each connection's own.
pub const READ: usize = 4 * 1024;

/// All rooms. `T` is a text that receivers share.
pub struct Rooms<T> {
    all: Mutex<HashMap<String, Arc<Room<T>>>>,
    clients: AtomicU64,
}

struct Room<T> {
    name: String,
    state: Mutex<State<T>>,
}

struct State<T> {
    offset: u64,
    members: HashMap<u64, Arc<Queue<T>>>,
}

struct Queue<T> {
    texts: Sender<T>,
    /// The queue was full.
    slow: Notify,
}

/// One client's part; its queue is the [`Receiver`] beside it.
pub struct Client<T> {
    rooms: Arc<Rooms<T>>,
    key: u64,
    nick: String,
    entered: Vec<Arc<Room<T>>>,
    queue: Arc<Queue<T>>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command<'a> {
    Hello {
        #[serde(borrow)]
        nick: Cow<'a, str>,
    },
    Join {
        #[serde(borrow)]
        room: Cow<'a, str>,
    },
    Say {
        #[serde(borrow)]
        room: Cow<'a, str>,
        #[serde(borrow)]
        text: Cow<'a, str>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Update<'a> {
    Welcome {
        nick: &'a str,
    },
    Joined {
        room: &'a str,
        count: usize,
    },
    Message {
        room: &'a str,
        offset: u64,
        from: &'a str,
        text: &'a str,
        time: u64,
    },
    Said {
        room: &'a str,
        offset: u64,
    },
    Error {
        text: &'a str,
    },
}

impl<T> Default for Rooms<T> {
    fn default() -> Rooms<T> {
        Rooms {
            all: Mutex::default(),
            clients: AtomicU64::new(0),
        }
    }
}

impl<T: Clone + From<String>> Rooms<T> {
    /// Returns a new client's part, and the texts that it is to be sent.
    pub fn connect(self: &Arc<Rooms<T>>) -> (Client<T>, Receiver<T>) {
        let (texts, waiting) = mpsc::channel(QUEUE);
        let client = Client {
            rooms: self.clone(),
            key: self.clients.fetch_add(1, Ordering::Relaxed),
            nick: String::new(),
            entered: Vec::new(),
            queue: Arc::new(Queue {
                texts,
                slow: Notify::new(),
            }),
        };
        (client, waiting)
    }

    fn room(&self, name: &str) -> Arc<Room<T>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            Arc::new(Room {
                name: name.to_owned(),
                state: Mutex::new(State {
                    offset: 0,
                    members: HashMap::new(),
                }),
            })
        };
        all.entry(name.to_owned()).or_insert_with(new).clone()
    }
}

impl<T: Clone + From<String>> Client<T> {
    /// Waits until the client is to be cut, because its queue was full.
    pub async fn slow(&self) {
        self.queue.slow.notified().await;
    }

    /// Carries a command out.
    pub fn receive(&mut self, text: &str) {
        match serde_json::from_str(text) {
            Ok(Command::Hello { nick }) => {
                self.nick = nick.into_owned();
                self.queue
                    .push(encode(&Update::Welcome { nick: &self.nick }));
            }
            Ok(Command::Join { room }) => self.join(&room),
            Ok(Command::Say { room, text }) => self.say(&room, &text),
            Err(error) => {
                let text = &error.to_string();
                self.queue.push(encode(&Update::Error { text }));
            }
        }
    }

    fn join(&mut self, name: &str) {
        let room = self.rooms.room(name);
        let count = {
            let mut state = room.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.members.insert(self.key, self.queue.clone());
            state.members.len()
        };
        self.queue
            .push(encode(&Update::Joined { room: name, count }));
        self.entered.push(room);
    }

    /// Encodes the message once, and puts it into the queue of each member.
    fn say(&self, name: &str, text: &str) {
        let Some(room) = self.entered.iter().find(|room| room.name == name) else {
            let text = "enter the room first";
            return self.queue.push(encode(&Update::Error { text }));
        };
        let mut state = room.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.offset += 1;
        let offset = state.offset;
        let message: T = encode(&Update::Message {
            room: name,
            offset,
            from: &self.nick,
            text,
            time: now(),
        });
        for queue in state.members.values() {
            queue.push(message.clone());
        }
        drop(state);
        self.queue
            .push(encode(&Update::Said { room: name, offset }));
    }
}

impl<T> Queue<T> {
    fn push(&self, text: T) {
        // One that is closed belongs to a client that has just gone.
        if let Err(TrySendError::Full(_)) = self.texts.try_send(text) {
            self.slow.notify_one();
        }
    }
}

impl<T> Drop for Client<T> {
    fn drop(&mut self) {
        for room in &self.entered {
            let mut state = room.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.members.remove(&self.key);
        }
    }
}

fn encode<T: From<String>>(update: &Update<'_>) -> T {
    T::from(serde_json::to_string(update).unwrap_or_default())
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.map_or(0, |time| time.as_millis() as u64)
}
