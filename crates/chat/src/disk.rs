//! Entries in a file of this machine.

mod accounts;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use redb::Database;

use self::tables::Tables;
use crate::accounts::lock;
use crate::{
    Account, EntryKind, HubOptions, Log, Name, Now, Pending, PendingAccount, Position, Stored,
};

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
    accounts: Mutex<Vec<Account>>,
    /// That of rooms in which nothing was said yet.
    epoch: u32,
    places: Places,
    sender: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
}

/// What the thread is to keep.
enum Job {
    Entry(Pending),
    Account(PendingAccount),
}

/// What is known of each room in the file.
type Places = Arc<Mutex<HashMap<Name, Place>>>;

#[derive(Clone)]
struct Place {
    /// Where the history ends.
    position: Position,
    topic: Arc<str>,
}

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
        let prepared = prepare(&database, options);
        let (epoch, places, stored) = prepared.map_err(|error| wrong(error.to_string()))?;
        let accounts =
            tables::read_accounts(&database).map_err(|error| wrong(error.to_string()))?;
        let places = Places::new(Mutex::new(places));
        let (sender, receiver) = sync_channel(QUEUED);
        let writer = Writer {
            path: path.to_owned(),
            database: Some(database),
            places: places.clone(),
            skipped: HashMap::new(),
            options: options.clone(),
        };
        let thread = thread::Builder::new().name("chat-log".to_owned());
        let writer = thread.spawn(move || writer.run(&receiver));
        let writer = writer.map_err(|error| wrong(format!("no thread can be started: {error}")))?;
        Ok(Disk {
            stored: Mutex::new(stored),
            accounts: Mutex::new(accounts),
            epoch,
            places,
            sender: Some(sender),
            writer: Some(writer),
        })
    }
}

impl Job {
    fn failed(self, why: &str) {
        match self {
            Job::Entry(pending) => pending.failed(why),
            Job::Account(pending) => pending.failed(why),
        }
    }
}

impl Disk {
    fn ask(&self, job: Job) {
        match self.sender.as_ref().map(|sender| sender.try_send(job)) {
            Some(Err(TrySendError::Full(job))) => {
                job.failed("too many messages wait for the disk: send it again later");
            }
            Some(Err(TrySendError::Disconnected(job))) => {
                job.failed("the thread that keeps messages has ended");
            }
            Some(Ok(())) | None => {}
        }
    }
}

impl Log for Disk {
    fn append(&self, pending: Pending) {
        self.ask(Job::Entry(pending));
    }

    fn accounts(&self) -> Option<Vec<Account>> {
        Some(std::mem::take(&mut *lock(&self.accounts)))
    }

    fn keep_account(&self, pending: PendingAccount) {
        self.ask(Job::Account(pending));
    }

    fn position(&self, room: &Name) -> Option<Position> {
        let new = Position {
            epoch: self.epoch,
            offset: 0,
        };
        let places = lock(&self.places);
        Some(places.get(room).map_or(new, |place| place.position))
    }

    fn topic(&self, room: &Name) -> Option<Arc<str>> {
        let topic = lock(&self.places)
            .get(room)
            .map(|place| place.topic.clone());
        Some(topic.unwrap_or_default())
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
    places: Places,
    /// Up to where rooms have entries in the file that failed for their senders.
    skipped: HashMap<Name, u64>,
    options: HubOptions,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Job>) {
        while let Ok(first) = receiver.recv() {
            let more = receiver.try_iter().take(BATCH - 1);
            let (mut batch, mut accounts) = (Vec::new(), Vec::new());
            for job in [first].into_iter().chain(more) {
                match job {
                    Job::Entry(pending) => batch.push(pending),
                    Job::Account(pending) => accounts.push(pending),
                }
            }
            match self.write(&batch, &accounts) {
                Ok(offsets) => {
                    accounts.into_iter().for_each(PendingAccount::kept);
                    for (pending, offset) in batch.into_iter().zip(offsets) {
                        if let Some(last) = self.skipped.remove(pending.room()) {
                            pending.skip(last);
                        }
                        pending.kept(offset);
                    }
                }
                Err(error) => {
                    // After a failure it writes nothing more.
                    self.database = None;
                    for pending in accounts {
                        pending.failed(&format!("the password could not be kept: {error}"));
                    }
                    for pending in batch {
                        pending.failed(&format!("the message could not be kept: {error}"));
                    }
                }
            }
        }
    }

    /// Writes entries behind those that there are, and returns their offsets.
    fn write(
        &mut self,
        batch: &[Pending],
        accounts: &[PendingAccount],
    ) -> Result<Vec<u64>, redb::Error> {
        if self.database.is_none() {
            let database = Database::create(&self.path)?;
            // What was written when it failed may be in the file all the same.
            let there = tables::places(&database)?;
            let mut places = lock(&self.places);
            for (room, place) in &there {
                let (last, known) = (place.position.offset, places.get(room));
                if known.is_none_or(|known| known.position.offset < last) {
                    self.skipped.insert(room.clone(), last);
                }
            }
            *places = there;
            drop(places);
            self.database = Some(database);
        }
        let Some(database) = &self.database else {
            return Ok(Vec::new());
        };
        let transaction = database.begin_write()?;
        let repeated = self.options.repeats_since(Now::read().unix);
        let mut ends: HashMap<&Name, Place> = HashMap::new();
        let mut written = Vec::with_capacity(batch.len());
        let mut tables = Tables::open(&transaction)?;
        for pending in batch {
            let (room, entry) = (pending.room(), pending.entry());
            let end = ends.entry(room).or_insert_with(|| {
                let epoch = pending.epoch();
                let new = || Place {
                    position: Position { epoch, offset: 0 },
                    topic: "".into(),
                };
                lock(&self.places).get(room).cloned().unwrap_or_else(new)
            });
            end.position.offset += 1;
            let offset = end.position.offset;
            written.push(offset);
            tables.put(room, offset, entry)?;
            if entry.kind == EntryKind::Topic {
                end.topic = entry.text.clone();
            }
            let forgotten = offset.saturating_sub(self.options.history as u64);
            tables.forget(room, forgotten, repeated)?;
        }
        for pending in accounts {
            tables.put_account(pending.account())?;
        }
        for (room, end) in &ends {
            tables.end(room, end.position.epoch, end.position.offset)?;
        }
        drop(tables);
        transaction.commit()?;
        let ends = ends.into_iter().map(|(room, end)| (room.clone(), end));
        lock(&self.places).extend(ends);
        Ok(written)
    }
}

/// The epoch of new rooms, where all histories end, and the rooms with what is kept of them.
type Prepared = (u32, HashMap<Name, Place>, Vec<Stored>);

/// Removes what `options` do not keep, and reads the rest.
fn prepare(database: &Database, options: &HubOptions) -> Result<Prepared, redb::Error> {
    let now = Now::read();
    let transaction = database.begin_write()?;
    let epoch = tables::epoch(&transaction)?;
    let mut tables = Tables::open(&transaction)?;
    let (oldest, repeated) = (options.oldest(now), options.repeats_since(now.unix));
    tables.prune(options.history as u64, oldest, repeated)?;
    drop(tables);
    transaction.commit()?;
    let places = tables::places(database)?;
    let stored = tables::read(database, &places, options.history_memory, repeated)?;
    Ok((epoch, places, stored))
}
