//! Entries of rooms and of the inbox.

use super::client::{Asked, Client};
use super::event::{Entry, Event, Place};
use super::seen::Taken;
use super::updates::{self, Update};

impl Client {
    /// Takes an entry of a room or the inbox.
    pub(super) fn entry(&mut self, told: updates::Entry, event: fn(Entry) -> Event) {
        let (older, own) = (self.manner.older, told.from == self.nick);
        let Some(room) = self.find(&told.room) else {
            return;
        };
        let Some(offset) = told.offset else {
            return self.early(told, event);
        };
        let taken = room.seen.take(offset);
        let is_old = room.is_fresh && offset <= room.newest;
        let is_too_old = is_old && offset.saturating_add(older) <= room.newest;
        if taken == Taken::Again {
            return;
        }
        if let Taken::Behind(count) = taken {
            let place = self.place_of(&told.room);
            self.show(Event::Missing(place, Some(count)));
        }
        let id = told.id.clone().unwrap_or_default();
        let typed = own && self.typed.remove(&id);
        let early = self.early.remove(&(told.from.clone(), id));
        if own {
            let id = told.id.as_deref();
            self.unsaid.retain(|unsaid| Some(&*unsaid.id) != id);
        }
        if typed || early || is_too_old {
            return;
        }
        let entry = self.shown(told);
        if let Some(room) = self.find_place(&entry) {
            room.oldest.get_or_insert(offset);
            if entry.is_elsewhere && !is_old && !own {
                room.unread += 1;
            }
        }
        self.show(event(entry));
    }

    /// Takes what is not kept yet. It comes again.
    fn early(&mut self, told: updates::Entry, event: fn(Entry) -> Event) {
        let Some(id) = told.id.clone().filter(|_| self.manner.hides_own) else {
            return;
        };
        if told.from != self.nick && self.early.insert((told.from.clone(), id)) {
            let entry = self.shown(told);
            self.show(event(entry));
        }
    }

    fn shown(&mut self, told: updates::Entry) -> Entry {
        let place = match told.room.starts_with('@') {
            true => Place::User(told.from.clone()),
            false => Place::Room(told.room),
        };
        self.users.insert(told.from.clone());
        Entry {
            is_elsewhere: self.place.as_ref() != Some(&place),
            is_own: told.from == self.nick,
            place,
            from: told.from,
            text: told.text,
            time: told.time,
        }
    }

    pub(super) fn history(&mut self, name: &str, complete: bool, messages: Vec<Update>) {
        if self.asked == Asked::Waits && messages.is_empty() {
            self.asked = Asked::Answered;
            return;
        }
        let entries = messages.into_iter().filter_map(|update| match update {
            Update::Message(entry) => Some((entry, Event::Said as fn(Entry) -> Event)),
            Update::Topic(entry) => Some((entry, Event::Topic as _)),
            _ => None,
        });
        let entries: Vec<_> = entries.collect();
        let Some(room) = self.room(name) else { return };
        if let Some(first) = entries.first() {
            room.oldest = first.0.offset;
        }
        let text = match (entries.len(), complete) {
            (0, _) => format!("#{name}: nothing older is kept"),
            (_, true) => format!("#{name}: all that is kept and older:"),
            (_, false) => format!("#{name}: older messages:"),
        };
        let some = !entries.is_empty();
        self.show(Event::News(text));
        for (entry, event) in entries {
            let mut entry = self.shown(entry);
            entry.is_elsewhere = false;
            self.show(event(entry));
        }
        if some {
            self.show(Event::News(format!("#{name}: end of the older messages")));
        }
    }

    pub(super) fn gap(&mut self, name: &str, from: u64, to: u64) {
        let Some(room) = self.find(name) else { return };
        let missing = room.seen.skip(from, to);
        if missing > 0 {
            let place = self.place_of(name);
            self.show(Event::Missing(place, Some(missing)));
        }
    }
}
