//! The tables of the file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::Place;
use crate::history::{MOST_SAID, shorten_largest};
use crate::{Account, Entry, EntryKind, Name, Position, Said, Stored};

/// Of each room, the epoch and the offset of the newest entry.
const ROOMS: TableDefinition<'_, &str, (u32, u64)> = TableDefinition::new("rooms");
/// The epoch of rooms in which nothing was said yet. An offset of it is given once, since rooms stay.
const EPOCH: TableDefinition<'_, (), u32> = TableDefinition::new("epoch");
/// Entries in JSON, by room and offset.
const ENTRIES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("entries");
/// Of entries that are no longer there and may be sent again: who said it, the client's number, and when; by room and
/// offset.
const SAID: TableDefinition<'_, (&str, u64), (&str, &str, u64)> = TableDefinition::new("said");
/// The topics of rooms that have one.
const TOPICS: TableDefinition<'_, &str, &str> = TableDefinition::new("topics");

/// The names that have passwords, as their users write them, and the hashes; by the folded name.
const ACCOUNTS: TableDefinition<'_, &str, (&str, &str)> = TableDefinition::new("accounts");

/// An entry as it is written.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    from: Cow<'a, str>,
    kind: EntryKind,
    text: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    time: u64,
}

/// The tables of a transaction.
pub(super) struct Tables<'t> {
    rooms: Table<'t, &'static str, (u32, u64)>,
    entries: Table<'t, (&'static str, u64), &'static [u8]>,
    said: Table<'t, (&'static str, u64), (&'static str, &'static str, u64)>,
    topics: Table<'t, &'static str, &'static str>,
    accounts: Table<'t, &'static str, (&'static str, &'static str)>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Tables<'t>, redb::Error> {
        Ok(Tables {
            rooms: transaction.open_table(ROOMS)?,
            entries: transaction.open_table(ENTRIES)?,
            said: transaction.open_table(SAID)?,
            topics: transaction.open_table(TOPICS)?,
            accounts: transaction.open_table(ACCOUNTS)?,
        })
    }

    /// Writes an entry, and the topic that it sets.
    pub(super) fn put(
        &mut self,
        room: &str,
        offset: u64,
        entry: &Entry,
    ) -> Result<(), redb::Error> {
        let written = Written {
            from: (&*entry.from).into(),
            kind: entry.kind,
            text: (&*entry.text).into(),
            id: entry.id.as_deref().map(Into::into),
            time: entry.time,
        };
        // Texts and numbers are JSON.
        let json = serde_json::to_vec(&written).expect("an entry is JSON");
        self.entries.insert((room, offset), &*json)?;
        if entry.kind == EntryKind::Topic {
            self.topics.insert(room, &*entry.text)?;
        }
        Ok(())
    }

    /// Writes where the history of a room ends.
    pub(super) fn end(&mut self, room: &str, epoch: u32, offset: u64) -> Result<(), redb::Error> {
        self.rooms.insert(room, (epoch, offset))?;
        Ok(())
    }

    pub(super) fn put_account(&mut self, account: &Account) -> Result<(), redb::Error> {
        let (folded, row) = (account.nick.folded(), (&*account.nick, &*account.hash));
        self.accounts.insert(&*folded, row)?;
        Ok(())
    }

    /// Removes an account. Returns whether there was one.
    pub(super) fn remove_account(&mut self, nick: &Name) -> Result<bool, redb::Error> {
        let was = self.accounts.remove(&*nick.folded())?;
        Ok(was.is_some())
    }

    /// Removes the entries of a room up to an offset. That they were said is known still if that was after `repeated`.
    pub(super) fn forget(
        &mut self,
        room: &str,
        last: u64,
        repeated: u64,
    ) -> Result<(), redb::Error> {
        let removed = self
            .entries
            .extract_from_if((room, 0)..=(room, last), |_, _| true)?;
        for row in removed {
            let (key, json) = row?;
            let entry = parse(json.value())?;
            if let Some(id) = entry.id {
                let said = (&*entry.from, &*id, entry.time);
                self.said.insert((room, key.value().1), said)?;
            }
        }
        let too_many = last.saturating_sub(MOST_SAID as u64);
        let mut gone = 0;
        for row in self.said.range((room, 0)..=(room, last))? {
            let (key, said) = row?;
            let (_, offset) = key.value();
            if offset > too_many && said.value().2 >= repeated {
                break;
            }
            gone = offset;
        }
        if gone > 0 {
            self.said
                .retain_in((room, 0)..=(room, gone), |_, _| false)?;
        }
        Ok(())
    }

    /// Removes the entries that are beyond `history`, or were said before `oldest`.
    pub(super) fn prune(
        &mut self,
        history: u64,
        oldest: u64,
        repeated: u64,
    ) -> Result<(), redb::Error> {
        let mut ends = Vec::new();
        for room in self.rooms.iter()? {
            let (name, place) = room?;
            ends.push((name.value().to_owned(), place.value().1));
        }
        for (room, last) in ends {
            let mut forgotten = last.saturating_sub(history);
            let kept = (&*room, forgotten + 1)..=(&*room, last);
            for entry in self.entries.range(kept)? {
                let (key, json) = entry?;
                if parse(json.value())?.time >= oldest {
                    break;
                }
                forgotten = key.value().1;
            }
            self.forget(&room, forgotten, repeated)?;
        }
        Ok(())
    }
}

/// Returns the epoch of rooms in which nothing was said yet, which the file has from its begin.
pub(super) fn epoch(transaction: &WriteTransaction) -> Result<u32, redb::Error> {
    let mut table = transaction.open_table(EPOCH)?;
    if let Some(epoch) = table.get(())? {
        return Ok(epoch.value());
    }
    let epoch = fastrand::u32(1..);
    table.insert((), epoch)?;
    Ok(epoch)
}

/// Reads where the history of each room ends, and its topic.
pub(super) fn places(database: &Database) -> Result<HashMap<Name, Place>, redb::Error> {
    let transaction = database.begin_read()?;
    let rooms = transaction.open_table(ROOMS)?;
    let topics = transaction.open_table(TOPICS)?;
    let places = rooms.iter()?.map(|room| {
        let (name, place) = room?;
        let (epoch, offset) = place.value();
        let topic = topics.get(name.value())?;
        let place = Place {
            position: Position { epoch, offset },
            topic: topic.map_or_else(|| Arc::from(""), |topic| topic.value().into()),
        };
        Ok((Name::stored(name.value()), place))
    });
    places.collect()
}

/// Reads the rooms at `places` with their entries. Where those have more than `memory` bytes, the oldest ones of the largest rooms are
/// left out, but it is known what was said since `repeated`.
pub(super) fn read(
    database: &Database,
    places: &HashMap<Name, Place>,
    memory: usize,
    repeated: u64,
) -> Result<Vec<Stored>, redb::Error> {
    let transaction = database.begin_read()?;
    let entries = transaction.open_table(ENTRIES)?;
    let said = transaction.open_table(SAID)?;
    let (mut stored, mut bytes): (Vec<Stored>, usize) = (Vec::new(), 0);
    for (room, place) in places {
        let Position {
            epoch,
            offset: last,
        } = place.position;
        let all = (&**room, 0)..=(&**room, last);
        let entries = entries.range(all.clone())?;
        let entries = entries.map(|entry| parse(entry?.1.value()));
        let said = said.range(all)?.map(|row| {
            let (key, said) = row?;
            let (from, id, time) = said.value();
            Ok(Said {
                offset: key.value().1,
                from: Name::stored(from),
                id: id.into(),
                time,
            })
        });
        stored.push(Stored {
            room: room.clone(),
            epoch,
            last,
            topic: place.topic.clone(),
            entries: entries.collect::<Result<_, redb::Error>>()?,
            said: said.collect::<Result<_, redb::Error>>()?,
        });
        bytes += stored.last().map_or(0, Stored::bytes);
        if bytes > memory {
            let rooms = stored.iter_mut();
            let rooms = rooms.map(|room| (room.newest_time(), room.bytes(), room));
            shorten_largest(rooms.collect(), memory / 4 * 3, |room, bytes| {
                room.shorten(bytes, repeated);
                room.bytes()
            });
            bytes = stored.iter().map(Stored::bytes).sum();
        }
    }
    Ok(stored)
}

/// Reads the accounts, in the order of their folded names.
pub(super) fn read_accounts(database: &Database) -> Result<Vec<Account>, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(ACCOUNTS) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table?,
    };
    let mut accounts = Vec::new();
    for row in table.iter()? {
        let (_, account) = row?;
        let (nick, hash) = account.value();
        accounts.push(Account {
            nick: Name::stored(nick),
            hash: hash.into(),
        });
    }
    Ok(accounts)
}

fn parse(json: &[u8]) -> Result<Entry, redb::Error> {
    let written: Written<'_> = serde_json::from_slice(json)
        .map_err(|error| redb::Error::Corrupted(format!("an entry cannot be read: {error}")))?;
    Ok(Entry {
        from: Name::stored(&written.from),
        kind: written.kind,
        text: (&*written.text).into(),
        id: written.id.as_deref().map(Into::into),
        time: written.time,
    })
}
