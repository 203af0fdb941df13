//! Rooms that several nodes share by a Redis server.
//!
//! One flow on a thread of its own has all that goes to Redis and comes from it; the hub sends it what it asks, and
//! waits for nothing. Files import downwards only: `flow` → `answers`, `published` → `drive`, `names` → `session`. Connections
//! are those of `switchboard-redis`.

mod answers;
mod drive;
mod entry;
mod flow;
mod keys;
mod names;
mod published;
mod rooms;
mod sent;
mod session;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

pub use switchboard_redis::RedisUrl;
use switchboard_redis::warn;
use switchboard_runtime::{Model, Sender};

use self::flow::{Ask, Flow};
use self::keys::Keys;
use crate::log::Pending;
use crate::room::Room;
use crate::shared::{Claiming, Shared};
use crate::{Hub, HubOptions, Log, Name};

impl Hub {
    /// Returns a hub whose rooms, histories, names and members are those of all nodes with the same Redis server.
    /// Blocks until Redis has answered, or for some seconds.
    ///
    /// While Redis is away, the node goes on with the clients that it has: what they say is shown to those of this
    /// node as `pending`, and kept once Redis is back. A warning says when it goes and when it comes back, and clients
    /// are told `status`. Entries that Redis has lost are told as a `gap`.
    ///
    /// # Errors
    /// `InvalidInput` for a server that will never do: a wrong password, something that is no Redis. One that is not
    /// there is no error, because it may come.
    ///
    /// ```no_run
    /// use switchboard_chat::{Hub, HubOptions};
    ///
    /// let url = "redis://localhost".parse().map_err(std::io::Error::other)?;
    /// let hub = Hub::with_redis(HubOptions::default(), url)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn with_redis(options: HubOptions, url: RedisUrl) -> io::Result<Hub> {
        let keys = Arc::new(Keys::new(url.database()));
        let (asks, asked) = async_channel::unbounded();
        let redis = Redis(Arc::new(Handle {
            asks,
            keys: keys.clone(),
            number: AtomicU64::new(0),
        }));
        let hub = Hub::sharing(options, redis);
        let (first, answer) = mpsc::channel();
        let flow = Flow::new(url.clone(), keys, &hub, asked);
        thread::Builder::new()
            .name("chat-redis".to_owned())
            .spawn(move || {
                if let Err(error) = Model::Tasks.run(flow.run(first)) {
                    warn(&format!("the flow of Redis has ended: {error}"));
                }
            })?;
        match answer.recv() {
            Ok(Ok(())) => Ok(hub),
            Ok(Err(text)) => {
                let text = format!("Redis at {url}: {text}");
                Err(io::Error::new(io::ErrorKind::InvalidInput, text))
            }
            Err(_) => Err(io::Error::other("the flow of Redis has ended")),
        }
    }
}

/// The hub's side. The flow ends when the last clone is dropped.
#[derive(Clone)]
struct Redis(Arc<Handle>);

struct Handle {
    asks: Sender<Ask>,
    keys: Arc<Keys>,
    number: AtomicU64,
}

impl Redis {
    fn ask(&self, ask: Ask) {
        // It fails once the flow has ended, when nobody is left to be told.
        let _ = self.0.asks.try_send(ask);
    }
}

impl Log for Redis {
    fn append(&self, pending: Pending) {
        if let Some(parts) = pending.into_parts() {
            self.ask(Ask::Append(parts));
        }
    }
}

impl Shared for Redis {
    fn stir(&self, room: &Arc<Room>) {
        self.ask(Ask::Stir(room.clone()));
    }

    fn claim(&self, claim: Arc<Claiming>) {
        self.ask(Ask::Claim(claim));
    }

    fn release(&self, nick: &Name) {
        self.ask(Ask::Release(nick.folded()));
    }

    fn typing(&self, room: &Arc<Room>, nick: &Name) {
        self.ask(Ask::Typing(room.name().clone(), nick.clone()));
    }

    fn number(&self) -> Arc<str> {
        let number = self.0.number.fetch_add(1, Ordering::Relaxed);
        format!("{}.{number}", self.0.keys.node).into()
    }
}
