//! The commands of a connection.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::command::Command;
use crate::connection::{Connection, Greeting, User, Welcome};
use crate::entry::{Entry, EntryKind};
use crate::holders::Claim;
use crate::log::Pending;
use crate::room::{Room, Taken};
use crate::shared::Claiming;
use crate::token;
use crate::update::{ErrorCode, Listed, Parcel, StoreState, Update};
use crate::{Bye, Name, Now, Position};

/// The most bytes of a client's number of a message.
const LONGEST_ID: usize = 64;

/// The bytes of a session: enough that nobody guesses it.
const SESSION: RangeInclusive<usize> = 16..=64;

/// The most bytes of a topic.
const LONGEST_TOPIC: usize = 512;

/// The most rooms in a list.
const LISTED: usize = 1000;

/// What was wrong with a command; the text is for people.
pub(crate) struct Wrong(pub(crate) ErrorCode, pub(crate) Cow<'static, str>);

impl Wrong {
    fn invalid(error: impl fmt::Display) -> Wrong {
        Wrong(ErrorCode::Invalid, error.to_string().into())
    }
}

impl Connection {
    pub(crate) fn carry_out(&mut self, command: Command<'_>, now: Now) -> Result<(), Wrong> {
        if let Command::Hello {
            nick,
            token,
            session,
            inbox,
        } = command
        {
            return self.hello(&nick, token.as_deref(), session.as_deref(), inbox, now);
        }
        match command {
            Command::Hello { .. } => {}
            Command::Join { room, since } => self.join(&room, since)?,
            Command::Leave { room } => self.leave(&room)?,
            Command::Say { room, text, id } => {
                let room = self.member_of(&room)?.clone();
                self.say(room, EntryKind::Message, &text, id.as_deref(), now)?;
            }
            Command::Tell { to, text, id } => self.tell(&to, &text, id.as_deref(), now)?,
            Command::Topic { room, text } => {
                if text.len() > LONGEST_TOPIC {
                    return Err(Wrong::invalid(format_args!(
                        "a topic has at most {LONGEST_TOPIC} bytes"
                    )));
                }
                let room = self.member_of(&room)?.clone();
                self.say(room, EntryKind::Topic, &text, None, now)?;
            }
            Command::Typing { room } => {
                let (room, nick) = (self.member_of(&room)?, &self.user()?.nick);
                room.typing(nick);
                if let Some(shared) = self.hub.shared() {
                    shared.typing(room, nick);
                }
            }
            Command::Who { room } => self.member_of(&room)?.tell_members(&self.outbox),
            Command::History {
                room,
                before,
                limit,
            } => {
                let room = self.member_of(&room)?;
                room.tell_history(&self.outbox, before, limit, self.hub.options());
            }
            Command::Rooms => self.list_rooms()?,
        }
        Ok(())
    }

    fn hello(
        &mut self,
        nick: &str,
        token: Option<&str>,
        session: Option<&str>,
        inbox: Option<Position>,
        now: Now,
    ) -> Result<(), Wrong> {
        if self.user.is_some() || self.greeting.is_some() {
            let text = "`hello` comes once: this connection has a name";
            return Err(Wrong(ErrorCode::OutOfOrder, text.into()));
        }
        let nick: Name = nick.parse().map_err(Wrong::invalid)?;
        if session.is_some_and(|session| !SESSION.contains(&session.len())) {
            return Err(Wrong::invalid("a session has 16 to 64 bytes"));
        }
        let secret = self.hub.options().secret.as_deref();
        let proof = secret.map(|secret| {
            let token = token.ok_or(Bye::Unauthorized)?;
            token::verify(secret, token, &nick, now)
        });
        let until = match proof.transpose() {
            Ok(until) => until,
            Err(bye) => {
                self.end(bye);
                return Ok(());
            }
        };
        let holders = self.hub.holders();
        let Claim::Granted {
            nick,
            session,
            resumed,
        } = holders.claim(&nick, session, until.is_some(), &self.outbox)
        else {
            return Err(Wrong(ErrorCode::NickTaken, taken(&nick).into()));
        };
        // One that has come since the stop was told to all.
        if self.hub.has_stopped() {
            self.end(Bye::Restart);
        }
        let (proved, claimed) = (until.is_some(), session.clone());
        let welcome = Welcome {
            nick,
            session,
            resumed: resumed.is_some(),
            rooms: resumed.unwrap_or_default(),
            inbox,
            until,
        };
        let Some(shared) = self.hub.shared() else {
            self.welcome(welcome);
            return Ok(());
        };
        let nick = welcome.nick.clone();
        let claim = Claiming::new(nick, claimed, proved, self.outbox.clone());
        self.greeting = Some(Box::new(Greeting {
            welcome,
            claim: claim.clone(),
            deferred: Vec::new(),
        }));
        shared.claim(claim);
        Ok(())
    }

    /// Tells the client that the name is its own, and lets it into its inbox.
    pub(crate) fn welcome(&mut self, welcome: Welcome) {
        let nick = welcome.nick;
        let inbox = self.hub.room(&nick.inbox());
        let mut rooms = welcome.rooms;
        rooms.retain(|room| !Arc::ptr_eq(room, &inbox));
        self.outbox.push(&Parcel::new(&Update::Welcome {
            nick: &nick,
            session: &welcome.session,
            resumed: welcome.resumed,
        }));
        if self.hub.is_store_away() {
            let store = StoreState::Away;
            self.outbox.push(&Parcel::new(&Update::Status { store }));
        }
        inbox.join(&nick, &self.outbox, welcome.inbox, self.hub.options());
        self.hub.stir(&inbox);
        rooms.push(inbox);
        let until = welcome.until;
        self.user = Some(Box::new(User { nick, rooms, until }));
    }

    fn join(&mut self, room: &str, since: Option<Position>) -> Result<(), Wrong> {
        let name: Name = room.parse().map_err(Wrong::invalid)?;
        let most = self.hub.options().rooms;
        let user = self.user()?;
        let known = user.rooms.iter().any(|room| *room.name() == name);
        // The inbox is one of them, and does not count.
        if !known && user.rooms.len() > most {
            let text = format!("nobody is in more than {most} rooms: leave one first");
            return Err(Wrong(ErrorCode::TooManyRooms, text.into()));
        }
        let (hub, outbox) = (self.hub.clone(), self.outbox.clone());
        let room = hub.room(&name);
        let user = self.user_mut()?;
        if !known {
            user.rooms.push(room.clone());
        }
        room.join(&user.nick, &outbox, since, hub.options());
        hub.stir(&room);
        Ok(())
    }

    fn leave(&mut self, room: &str) -> Result<(), Wrong> {
        let room = self.member_of(room)?.clone();
        let user = self.user_mut()?;
        user.rooms.retain(|other| !Arc::ptr_eq(other, &room));
        let (nick, options) = (&self.user()?.nick, self.hub.options());
        room.leave(nick, Some(&self.outbox), options);
        self.hub.stir(&room);
        let room = room.name();
        self.outbox.push(&Parcel::new(&Update::Left { room }));
        Ok(())
    }

    fn tell(&mut self, to: &str, text: &str, id: Option<&str>, now: Now) -> Result<(), Wrong> {
        let to: Name = to.parse().map_err(Wrong::invalid)?;
        self.user()?;
        // What nodes share knows the names of all of them, and is asked when the text is to be kept.
        if self.hub.shared().is_none() && !self.hub.holders().has(&to) {
            return Err(Wrong(ErrorCode::NobodyThere, nobody(&to).into()));
        }
        let inbox = self.hub.room(&to.inbox());
        self.say(inbox, EntryKind::Message, text, id, now)
    }

    fn say(
        &mut self,
        room: Arc<Room>,
        kind: EntryKind,
        text: &str,
        id: Option<&str>,
        now: Now,
    ) -> Result<(), Wrong> {
        let most = self.hub.options().text;
        if text.len() > most {
            return Err(Wrong::invalid(format_args!(
                "a text has at most {most} bytes"
            )));
        }
        if text.is_empty() && kind == EntryKind::Message {
            return Err(Wrong::invalid("there is no text to say"));
        }
        if id.is_some_and(|id| id.len() > LONGEST_ID || id.is_empty()) {
            return Err(Wrong::invalid(format_args!(
                "an id has 1 to {LONGEST_ID} bytes"
            )));
        }
        // A store that was away is sent an entry again, and has to know it.
        let number = self.hub.shared().map(|shared| shared.number());
        let id = id.map(Arc::from).or(number);
        let entry = Entry {
            from: self.user()?.nick.clone(),
            kind,
            text: text.into(),
            id,
            time: now.unix,
        };
        match room.take(&entry, &self.outbox) {
            Taken::Underway => {}
            Taken::Kept(offset) => {
                let (room, id) = (room.name(), entry.id.as_deref());
                self.outbox
                    .push(&Parcel::new(&Update::Said { room, offset, id }));
            }
            Taken::New => {
                let (options, sender) = (self.hub.shared_options(), self.outbox.clone());
                let pending = Pending::new(options, room, entry, sender, now);
                self.hub.log().append(pending);
            }
        }
        Ok(())
    }

    fn list_rooms(&self) -> Result<(), Wrong> {
        self.user()?;
        let mut rooms = self.hub.all_rooms();
        rooms.retain(|room| room.name().inbox_of().is_none());
        rooms.sort_by(|a, b| a.name().cmp(b.name()));
        let listed = rooms.iter().take(LISTED).map(|room| Listed {
            room: room.name(),
            count: room.count(),
        });
        let rooms = &*listed.collect::<Vec<_>>();
        self.outbox.push(&Parcel::new(&Update::Rooms { rooms }));
        Ok(())
    }

    fn user(&self) -> Result<&User, Wrong> {
        self.user.as_deref().ok_or_else(too_early)
    }

    fn user_mut(&mut self) -> Result<&mut User, Wrong> {
        self.user.as_deref_mut().ok_or_else(too_early)
    }

    fn member_of(&self, room: &str) -> Result<&Arc<Room>, Wrong> {
        let mut rooms = self.user()?.rooms.iter();
        let found =
            rooms.find(|found| **found.name() == *room && found.name().inbox_of().is_none());
        found.ok_or_else(|| {
            let text = "enter the room first, by `join`";
            Wrong(ErrorCode::NotAMember, text.into())
        })
    }
}

/// Returns what the client is told whose name is somebody else's.
pub(crate) fn taken(nick: &Name) -> String {
    format!("the name `{}` is in use: take another one", &**nick)
}

/// Returns what the client is told that speaks to a name that nobody has.
pub(crate) fn nobody(nick: &str) -> String {
    format!("nobody here is called `{nick}`")
}

fn too_early() -> Wrong {
    Wrong(ErrorCode::OutOfOrder, "`hello` comes first".into())
}
