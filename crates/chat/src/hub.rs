//! All rooms and users of a server.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use crate::accounts::Accounts;
use crate::connection::Connection;
use crate::history::{self, TotalBytes};
use crate::holders::Holders;
use crate::log::Log;
use crate::room::Room;
use crate::shared::Shared as SharedStore;
use crate::update::{Parcel, StoreState, Update};
use crate::{Bye, HubOptions, Name, Now, Position};

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
pub struct Hub(Arc<Contents>);

/// A hub that may be gone.
#[derive(Clone)]
pub(crate) struct WeakHub(Weak<Contents>);

struct Contents {
    options: Arc<HubOptions>,
    log: Box<dyn Log>,
    /// What the nodes share, if there are others.
    shared: Option<Box<dyn SharedStore>>,
    is_away: AtomicBool,
    rooms: RwLock<HashMap<Name, Arc<Room>>>,
    /// The names that have passwords, where they can have some.
    accounts: Option<Accounts>,
    holders: Holders,
    stopped: AtomicBool,
    /// When all rooms were looked at last, in milliseconds since 1970.
    swept: AtomicU64,
    total: TotalBytes,
}

impl Hub {
    /// Returns a hub whose entries `log` keeps, with the rooms that it has kept. Blocks while they are read.
    pub fn new(options: HubOptions, log: impl Log) -> Hub {
        let (stored, total) = (log.stored(), TotalBytes::default());
        // Each is dropped as soon as its room has it.
        let rooms = stored.into_iter().map(|stored| {
            let room = Room::restored(&stored, &options, &total);
            (stored.room, Arc::new(room))
        });
        let rooms = rooms.collect();
        let accounts = log.accounts().filter(|_| options.secret.is_none());
        let accounts = accounts.map(Accounts::new);
        Hub::with(options, Box::new(log), None, (rooms, accounts, total))
    }

    /// Returns a hub whose rooms other nodes have too.
    pub(crate) fn sharing<S>(options: HubOptions, store: S) -> Hub
    where
        S: SharedStore + Log + Clone,
    {
        let log = Box::new(store.clone());
        let none = (HashMap::new(), None, TotalBytes::default());
        Hub::with(options, log, Some(Box::new(store)), none)
    }

    fn with(
        options: HubOptions,
        log: Box<dyn Log>,
        shared: Option<Box<dyn SharedStore>>,
        (rooms, accounts, total): (HashMap<Name, Arc<Room>>, Option<Accounts>, TotalBytes),
    ) -> Hub {
        Hub(Arc::new(Contents {
            options: Arc::new(options),
            log,
            shared,
            rooms: RwLock::new(rooms),
            accounts,
            is_away: AtomicBool::new(false),
            holders: Holders::default(),
            stopped: AtomicBool::new(false),
            swept: AtomicU64::new(0),
            total,
        }))
    }

    /// How often [`tick`](Hub::tick) is to be called.
    pub const TICK: Duration = Duration::from_secs(1);

    /// Returns the options.
    pub fn options(&self) -> &HubOptions {
        &self.0.options
    }

    pub(crate) fn shared_options(&self) -> Arc<HubOptions> {
        self.0.options.clone()
    }

    /// Returns the hub's side of a new connection.
    pub fn connect(&self, now: Now) -> Connection {
        Connection::new(self.clone(), now)
    }

    /// Gives free the names whose sessions have not come back, and forgets old entries and empty rooms. To be called
    /// each [`TICK`](Hub::TICK).
    pub fn tick(&self, now: Now) {
        for (nick, rooms) in self.holders().expire(now) {
            self.leave(&nick, rooms);
            if let Some(shared) = self.shared() {
                shared.release(&nick);
            }
        }
        let swept = self.0.swept.load(Ordering::Relaxed);
        if now.unix.saturating_sub(swept) >= SWEEP {
            self.0.swept.store(now.unix, Ordering::Relaxed);
            self.sweep(now);
        }
        if self.0.total.bytes() > self.options().history_memory {
            self.lighten(now);
        }
    }

    /// Has the largest histories forget their oldest entries, until all have three quarters of what they may.
    fn lighten(&self, now: Now) {
        let rooms = self.all_rooms().into_iter();
        let rooms = rooms.map(|room| (room.newest_time(), room.bytes(), room));
        let most = self.options().history_memory / 4 * 3;
        history::shorten_largest(rooms.collect(), most, |room, bytes| {
            room.lighten(bytes, now, self.options());
            room.bytes()
        });
    }

    /// Ends all connections, whose clients come back elsewhere or later.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
        self.holders().end_all();
    }

    /// Removes a member whose connection has ended from rooms.
    pub(crate) fn leave(&self, nick: &Name, rooms: Vec<Arc<Room>>) {
        for room in rooms {
            room.leave(nick, None, self.options());
            self.stir(&room);
        }
    }

    /// Gives a name away: ends its connection, and has it leave its rooms.
    pub(crate) fn evict(&self, folded: &str, bye: Bye) {
        if let Some((nick, rooms)) = self.holders().evict(folded, bye) {
            self.leave(&nick, rooms);
        }
    }

    /// Tells all connections that the store that nodes share went or came back.
    pub(crate) fn store_is(&self, state: StoreState) {
        let away = state == StoreState::Away;
        if self.0.is_away.swap(away, Ordering::Relaxed) != away {
            let parcel = Parcel::new(&Update::Status { store: state });
            self.holders().tell_all(&parcel);
        }
    }

    pub(crate) fn is_store_away(&self) -> bool {
        self.0.is_away.load(Ordering::Relaxed)
    }

    /// Returns what the nodes share, if there are others.
    pub(crate) fn shared(&self) -> Option<&dyn SharedStore> {
        self.0.shared.as_deref()
    }

    /// Lets other nodes know what has changed in a room, and opens it if it is closed.
    pub(crate) fn stir(&self, room: &Arc<Room>) {
        if let Some(shared) = self.shared() {
            shared.stir(room);
        }
    }

    pub(crate) fn downgrade(&self) -> WeakHub {
        WeakHub(Arc::downgrade(&self.0))
    }

    fn sweep(&self, now: Now) {
        let rooms = self.all_rooms();
        let mut topics = 0;
        for room in rooms {
            // Empty rooms are looked at again under the lock that new members need.
            if room.sweep(now, self.options()) {
                let mut rooms = self.0.rooms.write().unwrap_or_else(PoisonError::into_inner);
                // This list, the map and nobody else hold it.
                let is_over = Arc::strong_count(&room) == 2 && room.sweep(now, self.options());
                let needs_topic = is_over && !self.can_forget_topic(&room);
                topics += usize::from(needs_topic);
                if is_over && (!needs_topic || topics > TOPICS) {
                    rooms.remove(room.name());
                }
            }
        }
    }

    /// Returns whether the topic of a room is kept elsewhere, or there is none.
    fn can_forget_topic(&self, room: &Room) -> bool {
        !room.has_topic() || self.shared().is_some() || self.log().topic(room.name()).is_some()
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn holders(&self) -> &Holders {
        &self.0.holders
    }

    pub(crate) fn accounts(&self) -> Option<&Accounts> {
        self.0.accounts.as_ref()
    }

    /// Returns why names can have no passwords here, for people.
    pub(crate) fn why_no_accounts(&self) -> &'static str {
        if self.options().secret.is_some() {
            "names are proved by tokens here, and have no passwords"
        } else if self.shared().is_some() {
            "this server shares its names with others by Redis, and keeps no passwords"
        } else {
            "this server has no file, and keeps no passwords"
        }
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
        let new = || match self.shared() {
            Some(_) => Room::closed(name.clone(), &self.0.total),
            None => {
                let (position, topic) = (self.log().position(name), self.log().topic(name));
                let new = || Position {
                    epoch: fastrand::u32(1..),
                    offset: 0,
                };
                let position = position.unwrap_or_else(new);
                let topic = topic.unwrap_or_default();
                Room::new(name.clone(), position, topic, &self.0.total)
            }
        };
        room.or_insert_with(|| Arc::new(new())).clone()
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

impl WeakHub {
    pub(crate) fn upgrade(&self) -> Option<Hub> {
        self.0.upgrade().map(Hub)
    }
}

/// How many rooms stay that have nothing but a topic, where no log keeps topics.
const TOPICS: usize = 10_000;

/// Milliseconds between two looks at all rooms.
const SWEEP: u64 = 60_000;

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rooms = self.0.rooms.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Hub").field("rooms", &rooms.len()).finish()
    }
}
