//! Entries of rooms and of the inbox.

use std::borrow::Cow;

use switchboard_chat::Command;

use super::client::{Asked, Client};
use super::event::{Entry, Event, Place};
use super::room::{Ask, Held, Hold};
use super::seen::Taken;
use super::updates::{self, Update};

/// The most older entries that are asked for at once; a server sends no more.
const ASKED: usize = 300;

impl Client {
    /// Takes an entry of a room or the inbox.
    pub(super) fn entry(&mut self, told: updates::Entry) {
        let name = told.room.clone();
        let Some(room) = self.find(&name) else { return };
        let Some(offset) = told.offset else {
            return self.early(told);
        };
        let taken = room.seen.take(offset);
        if taken == Taken::Again {
            return;
        }
        let is_lacking = std::mem::take(&mut room.is_lacking);
        match (taken, &mut room.hold) {
            (Taken::Behind(count), Some(hold)) => {
                hold.newer.push(Held::Missing(count));
                hold.newer.push(Held::Entry(told));
            }
            (_, Some(hold)) => hold.newer.push(Held::Entry(told)),
            (Taken::Behind(count), None) if is_lacking => {
                room.hold = Some(Hold {
                    from: offset - count,
                    before: offset,
                    older: Vec::new(),
                    newer: vec![Held::Entry(told)],
                });
                self.ask_missed(&name);
            }
            (Taken::Behind(count), None) => {
                self.missing(&name, count);
                self.present(told);
            }
            (_, None) => self.present(told),
        }
    }

    /// Asks for what was missed and does not come by itself.
    fn ask_missed(&mut self, name: &str) {
        let Some(room) = self.room(name) else { return };
        let Some(hold) = &room.hold else { return };
        let (before, limit) = (Some(hold.before), Some(ASKED));
        room.asks.push_back(Ask::Missed);
        let room = Cow::Borrowed(name);
        self.send(&Command::History {
            room,
            before,
            limit,
        });
    }

    /// Takes entries that were missed. Shows what is held once there are no more.
    fn missed(&mut self, name: &str, complete: bool, mut entries: Vec<updates::Entry>) {
        let Some(room) = self.room(name) else { return };
        let Some(hold) = &mut room.hold else { return };
        let first = entries.first().and_then(|entry| entry.offset);
        entries.retain(|entry| entry.offset.is_some_and(|offset| offset >= hold.from));
        entries.append(&mut hold.older);
        hold.older = entries;
        // No entry comes while too much waits for this client, which has read all of that when the answer is here.
        if !complete && first.is_none_or(|first| first > hold.from) {
            hold.before = first.unwrap_or(hold.before);
            return self.ask_missed(name);
        }
        let Some(hold) = room.hold.take() else { return };
        self.enter_next();
        let mut next = hold.from;
        let newest = hold.newer.first().and_then(|held| match held {
            Held::Entry(entry) => entry.offset,
            Held::Missing(_) => None,
        });
        for entry in hold.older {
            let offset = entry.offset.unwrap_or(next);
            self.missing(name, offset - next);
            self.present(entry);
            next = offset + 1;
        }
        self.missing(name, newest.map_or(0, |newest| newest - next));
        for held in hold.newer {
            match held {
                Held::Entry(entry) => self.present(entry),
                Held::Missing(count) => self.missing(name, count),
            }
        }
    }

    fn missing(&mut self, name: &str, count: u64) {
        if count > 0 {
            let place = self.place_of(name);
            self.show(Event::Missing(place, Some(count)));
        }
    }

    /// Shows an entry, unless it is on the screen already.
    fn present(&mut self, told: updates::Entry) {
        let (older, own) = (self.manner.older, told.from == self.nick);
        let offset = told.offset.unwrap_or_default();
        let id = told.id.clone().unwrap_or_default();
        let typed = own && self.typed.remove(&id);
        let early = self.early.remove(&(told.from.clone(), id));
        if own {
            let id = told.id.as_deref();
            self.unsaid.retain(|unsaid| Some(&*unsaid.id) != id);
        }
        let Some(room) = self.find(&told.room) else {
            return;
        };
        let is_old = room.is_fresh && offset <= room.newest;
        let is_too_old = is_old && offset.saturating_add(older) <= room.newest;
        if typed || early || is_too_old {
            return;
        }
        let event = self.shown(told);
        if let Event::Said(entry) | Event::Topic(entry) = &event
            && let Some(room) = self.find_place(entry)
        {
            room.oldest.get_or_insert(offset);
            if entry.is_elsewhere && !is_old && !own {
                room.unread += 1;
            }
        }
        self.show(event);
    }

    /// Takes what is not kept yet. It comes again.
    fn early(&mut self, told: updates::Entry) {
        let Some(id) = told.id.clone().filter(|_| self.manner.hides_own) else {
            return;
        };
        if told.from != self.nick && self.early.insert((told.from.clone(), id)) {
            let event = self.shown(told);
            self.show(event);
        }
    }

    fn shown(&mut self, told: updates::Entry) -> Event {
        let place = match told.room.starts_with('@') {
            true => Place::User(told.from.clone()),
            false => Place::Room(told.room),
        };
        self.users.insert(told.from.clone());
        let entry = Entry {
            is_elsewhere: self.place.as_ref() != Some(&place),
            is_own: told.from == self.nick,
            place,
            from: told.from,
            text: told.text,
            time: told.time,
        };
        match told.is_topic {
            true => Event::Topic(entry),
            false => Event::Said(entry),
        }
    }

    pub(super) fn history(&mut self, name: &str, complete: bool, messages: Vec<Update>) {
        let entries = messages.into_iter().filter_map(|update| match update {
            Update::Message(entry) => Some(entry),
            Update::Topic(mut entry) => {
                entry.is_topic = true;
                Some(entry)
            }
            _ => None,
        });
        let entries: Vec<_> = entries.collect();
        let Some(room) = self.room(name) else { return };
        match room.asks.pop_front() {
            Some(Ask::User) => self.older_entries(name, complete, entries),
            Some(Ask::Missed) => self.missed(name, complete, entries),
            None if self.asked == Asked::Waits => self.asked = Asked::Answered,
            None => {}
        }
    }

    fn older_entries(&mut self, name: &str, complete: bool, entries: Vec<updates::Entry>) {
        let text = match (entries.len(), complete) {
            (0, _) => format!("#{name}: nothing older is kept"),
            (_, true) => format!("#{name}: all that is kept and older:"),
            (_, false) => format!("#{name}: older messages:"),
        };
        self.show(Event::News(text));
        let Some(first) = entries.first().map(|entry| entry.offset) else {
            return;
        };
        if let Some(room) = self.room(name) {
            room.oldest = first;
        }
        for told in entries {
            let event = self.shown(told);
            self.show(event);
        }
        let text = format!("#{name}: end of the older messages");
        self.show(Event::News(text));
    }

    pub(super) fn gap(&mut self, name: &str, from: u64, to: u64) {
        let Some(room) = self.find(name) else { return };
        let missing = room.seen.skip(from, to);
        match &mut room.hold {
            Some(hold) if missing > 0 => hold.newer.push(Held::Missing(missing)),
            _ => self.missing(name, missing),
        }
    }
}
