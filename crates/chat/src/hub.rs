//! All rooms and users of a server.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::connection::Connection;
use crate::holders::Holders;
use crate::log::Log;
use crate::room::Room;
use crate::{HubOptions, Name, Now};

/// A chat server without its connections: rooms, history, users. A clone is the same one, on any thread.
///
/// Nothing of it waits or blocks. Each connection's flow gives what it receives to a [`Connection`], and sends what
/// that holds for its client.
///
/// ```
/// use switchboard_chat::{Hub, HubOptions, InMemory, Now};
///
/// let hub = Hub::new(HubOptions::default(), InMemory);
/// let now = Now::read();
/// let mut ann = hub.connect(now);
/// ann.receive(br#"{"type":"hello","nick":"ann"}"#, now);
/// ann.receive(br#"{"type":"join","room":"tea"}"#, now);
/// ann.receive(br#"{"type":"say","room":"tea","text":"hello","id":"1"}"#, now);
/// let mut parcels = Vec::new();
/// assert_eq!(ann.take(64 * 1024, &mut parcels), None);
/// let told: Vec<_> = parcels.iter().map(|parcel| String::from_utf8_lossy(parcel.json())).collect();
/// assert!(told[0].starts_with(r#"{"type":"welcome","nick":"ann","session":""#));
/// assert!(told.iter().any(|json| json.starts_with(r#"{"type":"message","room":"tea","offset":1,"from":"ann""#)));
/// assert_eq!(told.last().unwrap(), r#"{"type":"said","room":"tea","offset":1,"id":"1"}"#);
/// ```
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    options: HubOptions,
    log: Box<dyn Log>,
    rooms: RwLock<HashMap<Name, Arc<Room>>>,
    holders: Holders,
    stopped: AtomicBool,
    /// When all rooms were looked at last, in milliseconds since 1970.
    swept: AtomicU64,
}

impl Hub {
    /// Returns a hub whose entries `log` keeps, with the rooms that it has kept. Blocks while they are read.
    pub fn new(options: HubOptions, log: impl Log) -> Hub {
        let stored = log.stored();
        let rooms = stored.iter().map(|stored| {
            let room = Room::restored(stored, &options);
            (stored.room.clone(), Arc::new(room))
        });
        Hub(Arc::new(Shared {
            rooms: RwLock::new(rooms.collect()),
            options,
            log: Box::new(log),
            holders: Holders::default(),
            stopped: AtomicBool::new(false),
            swept: AtomicU64::new(0),
        }))
    }

    /// How often [`tick`](Hub::tick) is to be called.
    pub const TICK: Duration = Duration::from_secs(1);

    /// Returns the options.
    pub fn options(&self) -> &HubOptions {
        &self.0.options
    }

    /// Returns the hub's side of a new connection.
    pub fn connect(&self, now: Now) -> Connection {
        Connection::new(self.clone(), now)
    }

    /// Gives free the names whose sessions have not come back, and forgets old entries and empty rooms. To be called
    /// each [`TICK`](Hub::TICK).
    pub fn tick(&self, now: Now) {
        for (nick, rooms) in self.holders().expire(now) {
            for room in rooms {
                room.leave(&nick, self.options());
            }
        }
        let swept = self.0.swept.load(Ordering::Relaxed);
        if now.unix.saturating_sub(swept) >= SWEEP {
            self.0.swept.store(now.unix, Ordering::Relaxed);
            self.sweep(now);
        }
    }

    /// Ends all connections, whose clients come back elsewhere or later.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
        self.holders().end_all();
    }

    fn sweep(&self, now: Now) {
        for room in self.all_rooms() {
            // Empty rooms are looked at again under the lock that new members need.
            if room.sweep(now, self.options()) {
                let mut rooms = self.0.rooms.write().unwrap_or_else(PoisonError::into_inner);
                // This list, the map and nobody else hold it.
                if Arc::strong_count(&room) == 2 && room.sweep(now, self.options()) {
                    rooms.remove(room.name());
                }
            }
        }
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn holders(&self) -> &Holders {
        &self.0.holders
    }

    pub(crate) fn log(&self) -> &dyn Log {
        &*self.0.log
    }

    /// Returns a room, which is made if need be.
    pub(crate) fn room(&self, name: &Name) -> Arc<Room> {
        if let Some(room) = self.find_room(name) {
            return room;
        }
        let mut rooms = self.0.rooms.write().unwrap_or_else(PoisonError::into_inner);
        let room = rooms.entry(name.clone());
        room.or_insert_with(|| Arc::new(Room::new(name.clone(), self.log().epoch(name))))
            .clone()
    }

    pub(crate) fn find_room(&self, name: &Name) -> Option<Arc<Room>> {
        let rooms = self.0.rooms.read().unwrap_or_else(PoisonError::into_inner);
        rooms.get(name).cloned()
    }

    pub(crate) fn all_rooms(&self) -> Vec<Arc<Room>> {
        let rooms = self.0.rooms.read().unwrap_or_else(PoisonError::into_inner);
        rooms.values().cloned().collect()
    }
}

/// Milliseconds between two looks at all rooms.
const SWEEP: u64 = 60_000;

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rooms = self.0.rooms.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Hub").field("rooms", &rooms.len()).finish()
    }
}
