//! What the server tells, and what becomes of it.

use super::client::{Asked, Client};
use super::event::{Entry, Event, Place};
use super::room::Room;
use super::seen::Return;
use super::updates::{Listed, Present, Update};

/// The most names of a room that are listed when it is entered.
const NAMED: usize = 20;

impl Client {
    /// Takes what the server tells. Fails if there is no use in going on.
    pub(super) fn told(&mut self, json: &str) -> Result<(), String> {
        let update = serde_json::from_str(json);
        let update = update.map_err(|error| format!("the server speaks no chat: {error}"))?;
        match update {
            Update::Welcome { nick, session } => self.welcome(nick, session),
            Update::Joined {
                room,
                epoch,
                offset,
                recovered,
                topic,
                count,
                members,
            } => {
                let before = self.enter(&room, epoch, offset, recovered);
                self.entered(&room, before, topic, count, &members);
            }
            Update::Message(entry) => self.entry(entry),
            Update::Topic(mut entry) => {
                if let Some(room) = self.room(&entry.room) {
                    room.topic.clone_from(&entry.text);
                }
                entry.is_topic = true;
                self.entry(entry);
            }
            Update::Said { id } => self.acknowledged(id.as_deref()),
            Update::Presence { room, nick, state } => self.presence(&room, nick, &state),
            Update::Members {
                room,
                count,
                members,
            } => {
                let names = listed(&members, usize::MAX);
                self.show(Event::News(format!("#{room}: {count} here: {names}")));
                self.know(&room, &members);
            }
            Update::History {
                room,
                complete,
                messages,
            } => self.history(&room, complete, messages),
            Update::Status { store } => self.show(Event::Notice(match &*store {
                "away" => {
                    "the server's store is away: what is said now is kept when it is back".into()
                }
                _ => "the server's store is back".into(),
            })),
            Update::Rooms { rooms } => self.list(&rooms),
            Update::Gap { room, from, to } => self.gap(&room, from, to),
            Update::Error { text, room, id } => return self.refused(text, room, id),
            Update::Other => {}
        }
        Ok(())
    }

    fn welcome(&mut self, nick: String, session: String) {
        self.inbox.name = format!("@{}", nick.to_lowercase());
        if self.was_welcome {
            let text = match self.unsaid.len() {
                0 => "connected again".to_owned(),
                1 => "connected again; 1 message is sent now".to_owned(),
                count => format!("connected again; {count} messages are sent now"),
            };
            self.show(Event::Notice(text));
        }
        (self.nick, self.session) = (nick, Some(session));
        (self.is_welcome, self.was_welcome) = (true, true);
        self.begin();
    }

    /// Enters a room or the inbox. Returns what was seen of it before.
    fn enter(
        &mut self,
        name: &str,
        epoch: u32,
        newest: u64,
        recovered: Option<bool>,
    ) -> Option<Return> {
        let room = self.find(name)?;
        let before = room.seen.enter(epoch, newest, recovered);
        (room.is_joined, room.newest) = (true, newest);
        room.is_fresh = before == Return::New;
        // Nobody is told the older messages to a user.
        room.is_lacking = before == Return::Partly && !name.starts_with('@');
        if before == Return::Anew {
            let place = self.place_of(name);
            self.show(Event::Missing(place, None));
        }
        Some(before)
    }

    fn entered(
        &mut self,
        name: &str,
        before: Option<Return>,
        topic: String,
        count: usize,
        members: &[Present],
    ) {
        self.know(name, members);
        self.resend(|place| place.is_room(name));
        self.enter_next();
        let Some(room) = self.room(name) else { return };
        let changed = room.topic != topic;
        room.topic = topic;
        if before == Some(Return::New) {
            let mut text = match count {
                1 => format!("#{name}: you are alone here"),
                _ => format!("#{name}: {count} here: {}", listed(members, NAMED)),
            };
            if changed {
                text += &format!("; topic: {}", room.topic);
            }
            self.show(Event::News(text));
        }
    }

    fn know(&mut self, name: &str, members: &[Present]) {
        if let Some(room) = self.room(name) {
            room.members = members.iter().map(|member| member.nick.clone()).collect();
        }
    }

    fn presence(&mut self, name: &str, nick: String, state: &str) {
        let Some(room) = self.room(name) else { return };
        let text = match state {
            "gone" if room.members.remove(&nick) => format!("#{name}: {nick} has left"),
            "here" if room.members.insert(nick.clone()) => format!("#{name}: {nick} has come"),
            _ => return,
        };
        self.show(Event::News(text));
    }

    fn list(&mut self, rooms: &[Listed]) {
        if self.asked == Asked::Waits {
            self.asked = Asked::Answered;
            return;
        }
        let other = rooms
            .iter()
            .filter(|listed| self.rooms.iter().all(|room| room.name != listed.room));
        let other: Vec<_> = other
            .map(|listed| format!("#{} ({})", listed.room, listed.count))
            .collect();
        let text = match other.is_empty() {
            true => "there are no other rooms: /join ROOM makes one".to_owned(),
            false => format!("other rooms: {}", other.join(", ")),
        };
        self.show(Event::News(text));
    }

    fn acknowledged(&mut self, id: Option<&str>) {
        let at = self.unsaid.iter().position(|it| Some(&*it.id) == id);
        let Some(unsaid) = at.and_then(|at| self.unsaid.remove(at)) else {
            return;
        };
        // What is said to another user does not come back.
        if let Place::User(to) = unsaid.place
            && to.to_lowercase() != self.nick.to_lowercase()
        {
            self.typed.remove(&unsaid.id);
        }
    }

    fn refused(
        &mut self,
        text: String,
        room: Option<String>,
        id: Option<String>,
    ) -> Result<(), String> {
        if !self.is_welcome {
            return Err(text);
        }
        if let Some(id) = id {
            let at = self.unsaid.iter().position(|unsaid| unsaid.id == id);
            let Some(at) = at else { return Ok(()) };
            let unsaid = self.unsaid.remove(at);
            let said = unsaid.map_or_else(String::new, |unsaid| shortened(&unsaid.text));
            self.typed.remove(&id);
            self.show(Event::Failed(format!("not said: “{said}”: {text}")));
            return Ok(());
        }
        let Some(room) = room else {
            self.show(Event::Failed(text));
            return Ok(());
        };
        match self.room(&room).map(|room| room.is_joined) {
            // A room that was left is not known.
            None => {}
            Some(true) => self.show(Event::Failed(format!("#{room}: {text}"))),
            Some(false) => {
                self.part(&room);
                self.left.retain(|left| *left != room);
                self.show(Event::Failed(format!("#{room} was not entered: {text}")));
                self.enter_next();
            }
        }
        Ok(())
    }

    /// Returns a room, or the inbox.
    pub(super) fn find(&mut self, name: &str) -> Option<&mut Room> {
        match name.starts_with('@') {
            true => (self.inbox.name == name).then_some(&mut self.inbox),
            false => self.room(name),
        }
    }

    pub(super) fn find_place(&mut self, entry: &Entry) -> Option<&mut Room> {
        match &entry.place {
            Place::Room(name) => self.room(name),
            Place::User(_) => Some(&mut self.inbox),
        }
    }

    pub(super) fn place_of(&self, name: &str) -> Place {
        match name.strip_prefix('@') {
            Some(user) => Place::User(user.to_owned()),
            None => Place::Room(name.to_owned()),
        }
    }
}

/// Returns the beginning of a text.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn listed(members: &[Present], most: usize) -> String {
    let names = members.iter().take(most);
    let names = names.map(|member| match member.away {
        true => format!("{} (away)", member.nick),
        false => member.nick.clone(),
    });
    let mut text = names.collect::<Vec<_>>().join(", ");
    if members.len() > most {
        text += ", …";
    }
    text
}
