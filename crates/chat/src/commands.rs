//! The commands of a connection.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::command::Command;
use crate::connection::{Connection, User};
use crate::entry::{Entry, EntryKind};
use crate::log::Pending;
use crate::room::{Room, Taken};
use crate::update::{ErrorCode, Listed, Parcel, Update};
use crate::{Name, Now, Position};

/// The most bytes of a client's number of a message.
const LONGEST_ID: usize = 64;

/// The most bytes of a topic.
const LONGEST_TOPIC: usize = 512;

/// The most rooms in a list.
const LISTED: usize = 1000;

/// What was wrong with a command; the text is for people.
pub(crate) struct Wrong(pub(crate) ErrorCode, pub(crate) Cow<'static, str>);

impl Wrong {
    pub(crate) fn invalid(error: impl fmt::Display) -> Wrong {
        Wrong(ErrorCode::Invalid, error.to_string().into())
    }
}

impl Connection {
    pub(crate) fn carry_out(&mut self, command: Command<'_>, now: Now) -> Result<(), Wrong> {
        if let Command::Hello {
            nick,
            password,
            token,
            session,
            inbox,
        } = command
        {
            let (token, session) = (token.as_deref(), session.as_deref());
            return self.hello((&nick, password.as_deref()), token, session, inbox, now);
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
                room.tell_history(&self.outbox, before, limit);
            }
            Command::Rooms => self.list_rooms()?,
            Command::Register { password } => self.register(&password, now)?,
            Command::Password { old, new } => self.change_password(&old, &new, now)?,
        }
        Ok(())
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
        let is_registered = self
            .hub
            .accounts()
            .is_some_and(|accounts| accounts.has(&to));
        // What nodes share knows the names of all of them, and is asked when the text is to be kept.
        if self.hub.shared().is_none() && !is_registered && !self.hub.holders().has(&to) {
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

    pub(crate) fn user(&self) -> Result<&User, Wrong> {
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
