//! The store: every address with its fate, and what waits, in one file.
//!
//! All that a batch changes is one transaction. Nothing else writes.

mod explain;
mod open;
mod record;
mod tables;
mod view;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableError};

pub use self::explain::{Explanation, Step, explain};
pub use self::open::StoreError;
use self::record::RecordRow;
pub(crate) use self::record::{Entry, HostState, Identity, Key, Record, Totals, take};
pub(crate) use self::tables::Tables;
use self::tables::{HOST_STATES, HOSTS, OUTPUTS, PAGES, QUEUE, TRAPS, fate, host_state, record};
pub(crate) use self::view::View;
use crate::address::Address;
use crate::error::CrawlError;
use crate::fate::Fate;
use crate::output::Recorded;

/// The name of the store's file in the folder of a crawl.
pub(crate) const FILE: &str = "crawl.redb";

/// The memory that redb may use for pages of its file.
const CACHE: usize = 64 << 20;

/// The open store of a crawl, as it was after the last commit that the keeper has taken the end of.
pub(crate) struct Store {
    folder: PathBuf,
    database: Arc<Database>,
    /// `None` until something is read.
    reader: Option<ReadTransaction>,
}

/// What changes a store, on any thread.
pub(crate) struct Writer {
    folder: PathBuf,
    database: Arc<Database>,
}

/// The records and the hosts of a store.
pub(crate) struct Look {
    pages: ReadOnlyTable<&'static str, RecordRow<'static>>,
    hosts: ReadOnlyTable<&'static str, u32>,
}

impl Writer {
    /// Makes changes in one transaction, which is on disk when this returns.
    ///
    /// # Errors
    /// Those of `change` and of the disk; then nothing has changed.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let transaction = self.database.begin_write()?;
        let mut tables = Tables::open(&transaction)?;
        let result = change(&mut tables)?;
        drop(tables);
        transaction.commit()?;
        Ok(result)
    }

    /// Says that the store cannot be read or written.
    pub(crate) fn broken(&self, error: &redb::Error) -> CrawlError {
        CrawlError::broken(&self.folder, error)
    }
}

impl Look {
    /// Returns the record of an address.
    pub(crate) fn page(&self, address: &str) -> Result<Option<Record>, redb::Error> {
        let row = self.pages.get(address)?;
        row.map(|row| record(row.value())).transpose()
    }

    /// Returns the fate of an address that is known, without the rest of its record.
    pub(crate) fn fate(&self, address: &str) -> Result<Option<Fate>, redb::Error> {
        let row = self.pages.get(address)?;
        row.map(|row| fate(row.value())).transpose()
    }

    /// Returns the number of a host.
    pub(crate) fn host(&self, name: &str) -> Result<Option<u32>, redb::Error> {
        Ok(self.hosts.get(name)?.map(|id| id.value()))
    }
}

impl Store {
    fn new(folder: &Path, database: Database) -> Store {
        Store {
            folder: folder.to_owned(),
            database: Arc::new(database),
            reader: None,
        }
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns what changes the store. [`Store::refresh`] has its changes be read.
    pub(crate) fn writer(&self) -> Writer {
        Writer {
            folder: self.folder.clone(),
            database: self.database.clone(),
        }
    }

    /// Makes changes in one transaction, which is on disk when this returns, and reads on with them.
    ///
    /// # Errors
    /// Those of `change` and of the disk; then nothing has changed.
    pub(crate) fn write<T>(
        &mut self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        self.refresh();
        self.writer().write(change)
    }

    /// Reads on with what is committed by now.
    pub(crate) fn refresh(&mut self) {
        self.reader = None;
    }

    /// Returns the records and hosts, and stays with what is committed by now until [`Store::refresh`].
    pub(crate) fn look(&mut self) -> Result<Look, redb::Error> {
        let reader = self.reader()?;
        Ok(Look {
            pages: reader.open_table(PAGES)?,
            hosts: reader.open_table(HOSTS)?,
        })
    }

    fn reader(&mut self) -> Result<&ReadTransaction, redb::Error> {
        if self.reader.is_none() {
            self.reader = Some(self.database.begin_read()?);
        }
        // It was made above.
        Ok(self.reader.as_ref().expect("there is a reader"))
    }

    /// Returns the record of an address.
    pub(crate) fn page(&mut self, address: &str) -> Result<Option<Record>, redb::Error> {
        self.look()?.page(address)
    }

    /// Reads entries of a host up to a level, behind `after`, but for those that `skip` names, until `into` has `most`.
    /// Returns the key of the last entry that was looked at, and whether there are more.
    pub(crate) fn load(
        &mut self,
        host: u32,
        after: Option<Key>,
        level: u32,
        skip: impl Fn(u64) -> bool,
        most: usize,
        into: &mut VecDeque<Entry>,
    ) -> Result<(Option<Key>, bool), redb::Error> {
        let queue = self.reader()?.open_table(QUEUE)?;
        let begin = after.map_or((host, 0, 0, 0), |(host, level, priority, seq)| {
            (host, level, priority, seq + 1)
        });
        let mut last = after;
        for row in queue.range(begin..=(host, level, u8::MAX, u64::MAX))? {
            if into.len() >= most {
                return Ok((last, true));
            }
            let (key, value) = row?;
            let key = key.value();
            last = Some(key);
            if skip(key.3) {
                continue;
            }
            let (address, parent, depth, hops, tries) = value.value();
            into.push_back(Entry {
                key,
                address: parse(address)?,
                parent: match parent {
                    "" => None,
                    parent => Some(parse(parent)?),
                },
                depth,
                hops,
                tries,
                waits: 0,
            });
        }
        Ok((last, false))
    }

    /// Returns the next host from `from` on that has an entry up to a level, and its name.
    pub(crate) fn next_host(
        &mut self,
        from: u32,
        level: u32,
        skip: impl Fn(u32) -> bool,
    ) -> Result<Option<(u32, String)>, redb::Error> {
        let queue = self.reader()?.open_table(QUEUE)?;
        let mut from = from;
        loop {
            let begin: Key = (from, 0, 0, 0);
            let Some(first) = queue.range(begin..)?.next() else {
                return Ok(None);
            };
            let (key, row) = first?;
            let (host, at, ..) = key.value();
            if at <= level && !skip(host) {
                let address = parse(row.value().0)?;
                return Ok(Some((host, address.origin().to_owned())));
            }
            let Some(next) = host.checked_add(1) else {
                return Ok(None);
            };
            from = next;
        }
    }

    /// Returns the number of a host.
    pub(crate) fn host(&mut self, name: &str) -> Result<Option<u32>, redb::Error> {
        self.look()?.host(name)
    }

    /// Returns what is known of a host from earlier.
    pub(crate) fn host_state(&mut self, id: u32) -> Result<HostState, redb::Error> {
        let states = self.reader()?.open_table(HOST_STATES)?;
        match states.get(id)? {
            None => Ok(HostState::default()),
            Some(text) => host_state(text.value()),
        }
    }

    /// Returns what the traps have counted.
    pub(crate) fn counted(&mut self) -> Result<Vec<(u64, u32)>, redb::Error> {
        let traps = match self.reader()?.open_table(TRAPS) {
            Ok(traps) => traps,
            // Nothing has been counted yet.
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let rows = traps.iter()?.map(|row| {
            let (key, count) = row?;
            Ok((key.value(), count.value()))
        });
        rows.collect()
    }

    /// Returns how much of each output the last transaction has recorded.
    pub(crate) fn outputs(&mut self) -> Result<Vec<Recorded>, redb::Error> {
        let outputs = self.reader()?.open_table(OUTPUTS)?;
        let rows = outputs.iter()?.map(|row| {
            let (name, length) = row?;
            Ok(Recorded {
                name: name.value().to_owned(),
                length: length.value(),
            })
        });
        rows.collect()
    }
}

fn parse(text: &str) -> Result<Address, redb::Error> {
    Address::stored(text)
        .ok_or_else(|| redb::Error::Corrupted(format!("`{text}` is no address of a crawl")))
}
