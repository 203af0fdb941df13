//! Entries in a file of this machine.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::{Entry, EntryKind, HubOptions, Log, Name, Now, Pending, Position, Stored};

/// Of each room, the epoch and the offset of the newest entry.
const ROOMS: TableDefinition<'_, &str, (u32, u64)> = TableDefinition::new("rooms");
/// Entries in JSON, by room and offset.
const ENTRIES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("entries");

/// The most entries that wait for the disk.
const QUEUED: usize = 65_536;

/// The most entries that are kept by one commit.
const BATCH: usize = 4096;

/// Keeps entries in a file of this machine, by [redb](https://docs.rs/redb).
///
/// A thread of its own writes what has come meanwhile in one transaction, and tells of it when the file is in sync with
/// the disk. So what anybody was told survives the end of the process, and of the machine, at any moment; a message takes
/// as long as the disk does.
///
/// ```
/// use switchboard_chat::{Disk, Hub, HubOptions};
///
/// let folder = std::env::temp_dir().join(format!("chat-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let options = HubOptions::default();
/// let disk = Disk::open(&folder.join("chat.redb"), &options)?;
/// let error = Disk::open(&folder.join("chat.redb"), &options).unwrap_err().to_string();
/// assert!(error.ends_with("another server has it open"));
/// let hub = Hub::new(options, disk);
/// # drop(hub);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Disk {
    stored: Mutex<Vec<Stored>>,
    positions: Positions,
    sender: Option<SyncSender<Pending>>,
    writer: Option<JoinHandle<()>>,
}

/// Where the history of each room in the file ends.
type Positions = Arc<Mutex<HashMap<Name, Position>>>;

/// The error for a file that cannot be opened. The message names it.
#[derive(Debug)]
pub struct DiskError {
    path: PathBuf,
    why: String,
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for DiskError {}

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

impl Disk {
    /// Opens a file, or makes it, and reads the newest entries of each room, as many as `options` keep. Older ones are
    /// removed. Blocks meanwhile.
    ///
    /// # Errors
    /// If the file cannot be opened, is of another kind, or is open in another process; if no thread can be started.
    pub fn open(path: &Path, options: &HubOptions) -> Result<Disk, DiskError> {
        let wrong = |why: String| DiskError {
            path: path.to_owned(),
            why,
        };
        let database = Database::create(path).map_err(|error| {
            wrong(match error {
                redb::DatabaseError::DatabaseAlreadyOpen => "another server has it open".to_owned(),
                other => other.to_string(),
            })
        })?;
        let history = options.history as u64;
        let oldest = options.oldest(Now::read());
        let stored = prune(&database, history, oldest).and_then(|()| read(&database));
        let stored = stored.map_err(|error| wrong(error.to_string()))?;
        let positions = Positions::new(Mutex::new(positions(&stored)));
        let (sender, receiver) = sync_channel(QUEUED);
        let writer = Writer {
            path: path.to_owned(),
            database: Some(database),
            positions: positions.clone(),
            history,
        };
        let thread = thread::Builder::new().name("chat-log".to_owned());
        let writer = thread.spawn(move || writer.run(&receiver));
        let writer = writer.map_err(|error| wrong(format!("no thread can be started: {error}")))?;
        Ok(Disk {
            stored: Mutex::new(stored),
            positions,
            sender: Some(sender),
            writer: Some(writer),
        })
    }
}

impl Log for Disk {
    fn append(&self, pending: Pending) {
        match self.sender.as_ref().map(|sender| sender.try_send(pending)) {
            Some(Err(TrySendError::Full(pending))) => {
                pending.failed("too many messages wait for the disk: send it again later");
            }
            Some(Err(TrySendError::Disconnected(pending))) => {
                pending.failed("the thread that keeps messages has ended");
            }
            Some(Ok(())) | None => {}
        }
    }

    fn position(&self, room: &Name) -> Option<Position> {
        lock(&self.positions).get(room).copied()
    }

    fn stored(&self) -> Vec<Stored> {
        std::mem::take(&mut *lock(&self.stored))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.sender.take());
        // What came before is kept. The thread's panic was reported when it happened.
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

/// What the thread writes with.
struct Writer {
    path: PathBuf,
    /// `None` after a failure, until the file can be opened again.
    database: Option<Database>,
    positions: Positions,
    history: u64,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Pending>) {
        while let Ok(first) = receiver.recv() {
            let more = receiver.try_iter().take(BATCH - 1);
            let batch: Vec<_> = [first].into_iter().chain(more).collect();
            match self.write(&batch) {
                Ok(positions) => {
                    let kept = batch.iter().map(|pending| pending.room().clone());
                    lock(&self.positions).extend(kept.zip(positions.iter().copied()));
                    for (pending, position) in batch.into_iter().zip(positions) {
                        pending.kept(position.offset);
                    }
                }
                Err(error) => {
                    // After a failure it writes nothing more.
                    self.database = None;
                    for pending in batch {
                        pending.failed(&format!("the message could not be kept: {error}"));
                    }
                }
            }
        }
    }

    /// Writes entries behind those that there are, and returns their positions.
    fn write(&mut self, batch: &[Pending]) -> Result<Vec<Position>, redb::Error> {
        if self.database.is_none() {
            let database = Database::create(&self.path)?;
            // What was written when it failed may be in the file all the same.
            *lock(&self.positions) = positions(&read(&database)?);
            self.database = Some(database);
        }
        let Some(database) = &self.database else {
            return Ok(Vec::new());
        };
        let transaction = database.begin_write()?;
        let mut ends = HashMap::new();
        let mut written = Vec::with_capacity(batch.len());
        for pending in batch {
            let room = pending.room();
            let end = ends.entry(room).or_insert_with(|| {
                let new = Position {
                    epoch: pending.epoch(),
                    offset: 0,
                };
                lock(&self.positions).get(room).copied().unwrap_or(new)
            });
            end.offset += 1;
            written.push(*end);
            put(&transaction, room, end.offset, pending.entry())?;
            let forgotten = end.offset.saturating_sub(self.history);
            remove_until(&mut transaction.open_table(ENTRIES)?, room, forgotten)?;
        }
        let mut rooms = transaction.open_table(ROOMS)?;
        for (room, end) in ends {
            rooms.insert(&**room, (end.epoch, end.offset))?;
        }
        drop(rooms);
        transaction.commit()?;
        Ok(written)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn positions(stored: &[Stored]) -> HashMap<Name, Position> {
    let positions = stored.iter().map(|room| {
        let (epoch, offset) = (room.epoch, room.last);
        (room.room.clone(), Position { epoch, offset })
    });
    positions.collect()
}

/// Writes an entry.
fn put(
    transaction: &WriteTransaction,
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
    let mut entries = transaction.open_table(ENTRIES)?;
    entries.insert((room, offset), &*json)?;
    Ok(())
}

/// Removes the entries of a room up to an offset.
fn remove_until(
    entries: &mut Table<'_, (&str, u64), &[u8]>,
    room: &str,
    last: u64,
) -> Result<(), redb::Error> {
    let removed = entries.extract_from_if((room, 0)..=(room, last), |_, _| true)?;
    for entry in removed {
        entry?;
    }
    Ok(())
}

/// Removes the entries that are beyond `history`, or were said before `oldest`.
fn prune(database: &Database, history: u64, oldest: u64) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let rooms = transaction.open_table(ROOMS)?;
        let mut entries = transaction.open_table(ENTRIES)?;
        for room in rooms.iter()? {
            let (name, place) = room?;
            let (_, last) = place.value();
            let mut forgotten = last.saturating_sub(history);
            for entry in entries.range((name.value(), forgotten + 1)..=(name.value(), last))? {
                let (key, json) = entry?;
                if parse(json.value())?.time >= oldest {
                    break;
                }
                forgotten = key.value().1;
            }
            remove_until(&mut entries, name.value(), forgotten)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Reads the rooms and their entries.
fn read(database: &Database) -> Result<Vec<Stored>, redb::Error> {
    let transaction = database.begin_read()?;
    let rooms = transaction.open_table(ROOMS)?;
    let entries = transaction.open_table(ENTRIES)?;
    let mut stored = Vec::new();
    for room in rooms.iter()? {
        let (name, place) = room?;
        let (epoch, last) = place.value();
        let range = entries.range((name.value(), 0)..=(name.value(), last))?;
        let read = range.map(|entry| parse(entry?.1.value()));
        stored.push(Stored {
            room: Name::stored(name.value()),
            epoch,
            last,
            entries: read.collect::<Result<_, redb::Error>>()?,
        });
    }
    Ok(stored)
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
