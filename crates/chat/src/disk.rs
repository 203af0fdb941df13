//! Entries in a file of this machine.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use redb::{
    Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};
use serde::{Deserialize, Serialize};

use crate::{Entry, EntryKind, Log, Name, Pending, Stored};

/// Of each room, the epoch and the offset of the newest entry.
const ROOMS: TableDefinition<'_, &str, (u32, u64)> = TableDefinition::new("rooms");
/// Entries in JSON, by room and offset.
const ENTRIES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("entries");

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
/// let disk = Disk::open(&folder.join("chat.redb"), 100)?;
/// let error = Disk::open(&folder.join("chat.redb"), 100).unwrap_err().to_string();
/// assert!(error.ends_with("another server has it open"));
/// let hub = Hub::new(HubOptions::default(), disk);
/// # drop(hub);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Disk {
    stored: Mutex<Vec<Stored>>,
    epochs: Epochs,
    sender: Option<Sender<Pending>>,
    writer: Option<JoinHandle<()>>,
}

/// The runs of the rooms' histories.
type Epochs = Arc<Mutex<HashMap<Name, u32>>>;

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
    /// Opens a file, or makes it, and reads the newest `history` entries of each room. Blocks meanwhile.
    ///
    /// # Errors
    /// If the file cannot be opened, is of another kind, or is open in another process; if no thread can be started.
    pub fn open(path: &Path, history: usize) -> Result<Disk, DiskError> {
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
        let stored = read(&database, history).map_err(|error| wrong(error.to_string()))?;
        let epochs = stored.iter().map(|room| (room.room.clone(), room.epoch));
        let epochs = Epochs::new(Mutex::new(epochs.collect()));
        let lasts = stored.iter().map(|room| (room.room.clone(), room.last));
        let (sender, receiver) = channel();
        let writer = Writer {
            database,
            lasts: lasts.collect(),
            epochs: epochs.clone(),
            history: history as u64,
        };
        let thread = thread::Builder::new().name("chat-log".to_owned());
        let writer = thread.spawn(move || writer.run(&receiver));
        let writer = writer.map_err(|error| wrong(format!("no thread can be started: {error}")))?;
        Ok(Disk {
            stored: Mutex::new(stored),
            epochs,
            sender: Some(sender),
            writer: Some(writer),
        })
    }
}

impl Log for Disk {
    fn append(&self, pending: Pending) {
        if let Some(sender) = &self.sender
            && let Err(refused) = sender.send(pending)
        {
            refused.0.failed("the thread that keeps messages has ended");
        }
    }

    fn epoch(&self, room: &Name) -> u32 {
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        *epochs
            .entry(room.clone())
            .or_insert_with(|| fastrand::u32(1..))
    }

    fn stored(&self) -> Vec<Stored> {
        std::mem::take(&mut *self.stored.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.sender.take());
        // What came before is kept. The thread's panic was reported when it happened.
        if let Some(writer) = self.writer.take()
            && writer.thread().id() != thread::current().id()
        {
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
    database: Database,
    /// The offset of the newest entry of each room.
    lasts: HashMap<Name, u64>,
    epochs: Epochs,
    history: u64,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Pending>) {
        while let Ok(first) = receiver.recv() {
            let more = receiver.try_iter().take(BATCH - 1);
            let batch: Vec<_> = [first].into_iter().chain(more).collect();
            match self.write(&batch) {
                Ok(offsets) => {
                    for (pending, offset) in batch.into_iter().zip(offsets) {
                        self.lasts.insert(pending.room().clone(), offset);
                        pending.kept(offset);
                    }
                }
                Err(error) => {
                    for pending in batch {
                        pending.failed(&format!("the message could not be kept: {error}"));
                    }
                }
            }
        }
    }

    /// Writes entries behind those that there are, and returns their offsets. If it fails, none is written.
    fn write(&self, batch: &[Pending]) -> Result<Vec<u64>, redb::Error> {
        let transaction = self.database.begin_write()?;
        let mut lasts = HashMap::new();
        let mut offsets = Vec::with_capacity(batch.len());
        for pending in batch {
            let room = pending.room();
            let last = lasts.entry(room.clone());
            let last = last.or_insert_with(|| self.lasts.get(room).copied().unwrap_or_default());
            *last += 1;
            offsets.push(*last);
            put(&transaction, room, *last, pending.entry(), self.history)?;
        }
        {
            let mut rooms = transaction.open_table(ROOMS)?;
            let epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
            for (room, last) in &lasts {
                let epoch = epochs.get(room).copied().unwrap_or_default();
                rooms.insert(&**room, (epoch, *last))?;
            }
        }
        transaction.commit()?;
        Ok(offsets)
    }
}

/// Writes an entry, and removes the one that falls out of the history.
fn put(
    transaction: &WriteTransaction,
    room: &str,
    offset: u64,
    entry: &Entry,
    history: u64,
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
    if offset > history {
        entries.remove((room, offset - history))?;
    }
    Ok(())
}

/// Reads the rooms and their newest entries.
fn read(database: &Database, history: usize) -> Result<Vec<Stored>, redb::Error> {
    let transaction = database.begin_read()?;
    let rooms = match transaction.open_table(ROOMS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table?,
    };
    let entries = transaction.open_table(ENTRIES)?;
    let mut stored = Vec::new();
    for room in rooms.iter()? {
        let (name, place) = room?;
        let (epoch, last) = place.value();
        let first = last.saturating_sub(history as u64) + 1;
        let range = entries.range((name.value(), first)..=(name.value(), last))?;
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
