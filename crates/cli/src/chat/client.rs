//! What this client is in, has seen and has still to say, over any number of connections.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet, VecDeque};

use switchboard_chat::{Command, Name};

use super::event::{Event, Place};
use super::input::Known;
use super::room::{Ask, Room, Unsaid};
use super::told::shortened;

/// A client without its connection: it is told what a server says, and says what is to be sent and shown.
pub(super) struct Client {
    pub(super) nick: String,
    token: Option<String>,
    password: Option<String>,
    /// What proves the name to the server that has told it.
    pub(super) session: Option<String>,
    pub(super) rooms: Vec<Room>,
    pub(super) inbox: Room,
    /// Where the user speaks.
    pub(super) place: Option<Place>,
    /// What the server has not acknowledged, in order.
    pub(super) unsaid: VecDeque<Unsaid>,
    /// Messages of this client's that are on the screen as they were typed.
    pub(super) typed: HashSet<String>,
    /// Messages of others that are on the screen though they were not kept yet.
    pub(super) early: HashSet<(String, String)>,
    /// Rooms that the server has still to be told of that they were left.
    pub(super) left: Vec<String>,
    /// The users that are known by what they said.
    pub(super) users: BTreeSet<String>,
    /// The server has answered `hello` of this connection.
    pub(super) is_welcome: bool,
    /// The server has answered one at all.
    pub(super) was_welcome: bool,
    /// A question whose answer comes behind all that was told before it.
    pub(super) asked: Asked,
    /// Something that was asked for was not done.
    pub(super) has_failed: bool,
    pub(super) manner: Manner,
    ids: String,
    number: u64,
    out: VecDeque<String>,
    pub(super) events: Vec<Event>,
}

/// How much is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// The most older entries that are shown of a room that is entered.
    pub(super) older: u64,
    /// What the user says stays on the screen as it was typed, so it is not shown again.
    pub(super) hides_own: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    Waits,
    Answered,
}

impl Client {
    pub(super) fn new(
        nick: String,
        token: Option<String>,
        rooms: &[String],
        manner: Manner,
    ) -> Client {
        let mut client = Client {
            nick,
            token,
            password: None,
            session: None,
            rooms: Vec::new(),
            inbox: Room::default(),
            place: None,
            unsaid: VecDeque::new(),
            typed: HashSet::new(),
            early: HashSet::new(),
            left: Vec::new(),
            users: BTreeSet::new(),
            is_welcome: false,
            was_welcome: false,
            asked: Asked::Nothing,
            has_failed: false,
            manner,
            ids: format!("{:016x}", fastrand::u64(..)),
            number: 0,
            out: VecDeque::new(),
            events: Vec::new(),
        };
        rooms.iter().for_each(|room| client.join(room));
        // Lines are said in the first room.
        client.place = rooms.first().cloned().map(Place::Room);
        client
    }

    /// Has the client sign in by a password.
    pub(super) fn with_password(mut self, password: Option<String>) -> Client {
        self.password = password;
        self
    }

    /// Begins a connection.
    pub(super) fn connected(&mut self) {
        self.lost();
        let hello = Command::Hello {
            nick: Cow::Owned(self.nick.clone()),
            password: self.password.clone().map(Cow::Owned),
            token: self.token.clone().map(Cow::Owned),
            session: self.session.clone().map(Cow::Owned),
            inbox: self.inbox.seen.since(),
        };
        self.send(&hello);
    }

    /// Forgets the connection. What was not acknowledged is sent again in the next one.
    pub(super) fn lost(&mut self) {
        self.is_welcome = false;
        self.asked = Asked::Nothing;
        self.out.clear();
        self.give_up();
        let rooms = self.rooms.iter_mut().chain([&mut self.inbox]);
        rooms.for_each(Room::lost);
    }

    /// Enters the rooms, and says to users what was not acknowledged.
    pub(super) fn begin(&mut self) {
        for room in std::mem::take(&mut self.left) {
            let room = Cow::Owned(room);
            self.send(&Command::Leave { room });
        }
        self.resend(|place| matches!(place, Place::User(_)));
        self.enter_next();
    }

    /// Enters the next room, once all that was missed of the others is here: a server that is asked for much at once has
    /// more to send than it lets wait.
    pub(super) fn enter_next(&mut self) {
        let asked =
            |room: &Room| room.is_asked && !room.is_joined || room.asks.contains(&Ask::Missed);
        if !self.is_welcome || self.rooms.iter().any(asked) {
            return;
        }
        if let Some(room) = self.rooms.iter_mut().find(|room| !room.is_joined) {
            room.is_asked = true;
            let join = room.join();
            self.send(&join);
        }
    }

    /// Sends again what was not acknowledged.
    pub(super) fn resend(&mut self, is_meant: impl Fn(&Place) -> bool) {
        for unsaid in self.unsaid.clone() {
            if is_meant(&unsaid.place) {
                self.send(&unsaid.command());
            }
        }
    }

    /// Returns the next command that is to be sent.
    pub(super) fn next_command(&mut self) -> Option<String> {
        self.out.pop_front()
    }

    pub(super) fn has_commands(&self) -> bool {
        !self.out.is_empty()
    }

    pub(super) fn send(&mut self, command: &Command<'_>) {
        // A command is made of texts and numbers, which JSON has.
        let json = serde_json::to_string(command).expect("a command is JSON");
        self.out.push_back(json);
    }

    pub(super) fn show(&mut self, event: Event) {
        self.has_failed |= matches!(event, Event::Failed(_));
        self.events.push(event);
    }

    /// Enters a room, in which the user speaks then.
    pub(super) fn join(&mut self, name: &str) {
        let place = Place::Room(name.to_owned());
        if self.room(name).is_none() {
            self.left.retain(|left| left != name);
            let room = Room {
                name: name.to_owned(),
                ..Room::default()
            };
            self.rooms.push(room);
            self.enter_next();
        }
        self.speak(place);
    }

    /// Has the user speak in a place from now on.
    pub(super) fn speak(&mut self, place: Place) {
        if let Place::Room(name) = &place
            && let Some(room) = self.room(name)
        {
            room.unread = 0;
        }
        self.place = Some(place);
    }

    /// Leaves a room. Returns whether this client was in it.
    pub(super) fn part(&mut self, name: &str) -> bool {
        let Some(at) = self.rooms.iter().position(|room| room.name == name) else {
            return false;
        };
        // What was sent to a room before it is left is acknowledged all the same.
        if !self.rooms.remove(at).is_joined {
            self.give_up();
        }
        match self.is_welcome {
            true => self.send(&Command::Leave { room: name.into() }),
            false => self.left.push(name.to_owned()),
        }
        if self.place.as_ref().is_some_and(|place| place.is_room(name)) {
            let next = self.rooms.get(at.min(self.rooms.len().saturating_sub(1)));
            match next.map(|room| Place::Room(room.name.clone())) {
                Some(place) => self.speak(place),
                None => self.place = None,
            }
        }
        true
    }

    /// Tells of what waits for a room that was left, where it is sent no more.
    fn give_up(&mut self) {
        let rooms = &self.rooms;
        let is_over = |place: &Place| match place {
            Place::Room(name) => rooms.iter().all(|room| room.name != *name),
            Place::User(_) => false,
        };
        let unsaid = std::mem::take(&mut self.unsaid);
        let (over, unsaid): (Vec<_>, _) = unsaid.into_iter().partition(|it| is_over(&it.place));
        self.unsaid = unsaid.into();
        for Unsaid { id, place, text } in over {
            self.typed.remove(&id);
            let said = shortened(&text);
            self.show(Event::Failed(format!(
                "not said: “{said}”: you are not in {place}"
            )));
        }
    }

    /// Says something, now or as soon as there is a connection.
    pub(super) fn say(&mut self, place: Place, text: String) {
        self.number += 1;
        let id = format!("{}-{}", self.ids, self.number);
        if self.manner.hides_own {
            self.typed.insert(id.clone());
        }
        let is_open = match &place {
            Place::User(_) => self.is_welcome,
            Place::Room(name) => self.room(name).is_some_and(|room| room.is_joined),
        };
        let unsaid = Unsaid { id, place, text };
        if is_open {
            self.send(&unsaid.command());
        }
        self.unsaid.push_back(unsaid);
    }

    /// Asks for an answer that comes behind all that the server has told before.
    pub(super) fn ask(&mut self) {
        self.asked = Asked::Waits;
        let room = self.rooms.first().map(|room| room.name.clone());
        match room {
            Some(room) => self.send(&Command::History {
                room: Cow::Owned(room),
                before: None,
                limit: Some(0),
            }),
            None => self.send(&Command::Rooms),
        }
    }

    /// Returns whether all rooms are entered, and all that is to be said is acknowledged.
    pub(super) fn is_settled(&self) -> bool {
        self.is_welcome
            && self.out.is_empty()
            && self.unsaid.is_empty()
            && self
                .rooms
                .iter()
                .all(|room| room.is_joined && room.hold.is_none())
    }

    pub(super) fn room(&mut self, name: &str) -> Option<&mut Room> {
        self.rooms.iter_mut().find(|room| room.name == name)
    }

    /// Returns the names that are completed, and nothing else that a server tells as one: the editor prints it as it is.
    pub(super) fn known(&self) -> Known {
        let rooms = self.rooms.iter().map(|room| room.name.clone());
        let members = self.rooms.iter().flat_map(|room| &room.members);
        let users = members.chain(&self.users);
        let users = users.filter(|user| **user != self.nick && user.parse::<Name>().is_ok());
        Known {
            rooms: rooms.collect(),
            users: users.cloned().collect(),
        }
    }
}
