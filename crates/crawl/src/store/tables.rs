//! The tables of the store, in one transaction.

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::record::{Entry, HostState, Key, QueueRow, Record, RecordRow, Totals};
use crate::address::Address;
use crate::check::Checked;
use crate::fate::Fate;

pub(super) const PAGES: TableDefinition<'_, &str, RecordRow<'static>> =
    TableDefinition::new("pages");
pub(super) const QUEUE: TableDefinition<'_, Key, QueueRow> = TableDefinition::new("queue");
/// `scheme://host:port` → the host's number.
pub(super) const HOSTS: TableDefinition<'_, &str, u32> = TableDefinition::new("hosts");
pub(super) const HOST_STATES: TableDefinition<'_, u32, &str> = TableDefinition::new("hosts_state");
/// File name → its length.
pub(super) const OUTPUTS: TableDefinition<'_, &str, u64> = TableDefinition::new("outputs");
/// Of a check, page → its links, packed.
pub(super) const LINKS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("links");
/// Of a check, page → its places, packed.
pub(super) const ANCHORS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("anchors");
/// What the traps have counted: key → count.
pub(super) const TRAPS: TableDefinition<'_, u64, u32> = TableDefinition::new("traps");
pub(super) const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

/// The tables that a commit changes.
pub(crate) struct Tables<'t> {
    transaction: &'t WriteTransaction,
    pages: Table<'t, &'static str, RecordRow<'static>>,
    queue: Table<'t, Key, QueueRow>,
    hosts: Table<'t, &'static str, u32>,
    states: Table<'t, u32, &'static str>,
    outputs: Table<'t, &'static str, u64>,
    meta: Table<'t, &'static str, &'static str>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Tables<'t>, redb::Error> {
        Ok(Tables {
            transaction,
            pages: transaction.open_table(PAGES)?,
            queue: transaction.open_table(QUEUE)?,
            hosts: transaction.open_table(HOSTS)?,
            states: transaction.open_table(HOST_STATES)?,
            outputs: transaction.open_table(OUTPUTS)?,
            meta: transaction.open_table(META)?,
        })
    }

    pub(crate) fn put_page(&mut self, address: &str, record: &Record) -> Result<(), redb::Error> {
        self.pages.insert(address, record.row())?;
        Ok(())
    }

    pub(crate) fn enqueue(&mut self, entry: &Entry) -> Result<(), redb::Error> {
        let row = (
            entry.address.as_str(),
            entry.parent.as_ref().map_or("", Address::as_str),
            entry.depth,
            entry.hops,
            entry.tries.saturating_sub(entry.waits),
        );
        self.queue.insert(entry.key, row)?;
        Ok(())
    }

    pub(crate) fn dequeue(&mut self, key: Key) -> Result<(), redb::Error> {
        self.queue.remove(key)?;
        Ok(())
    }

    pub(crate) fn put_host(&mut self, name: &str, id: u32) -> Result<(), redb::Error> {
        self.hosts.insert(name, id)?;
        Ok(())
    }

    /// Changes what is known of a host.
    pub(crate) fn change_state(
        &mut self,
        id: u32,
        change: impl FnOnce(&mut HostState),
    ) -> Result<(), redb::Error> {
        let text = self.states.get(id)?.map(|text| text.value().to_owned());
        let mut state = text.map_or_else(|| Ok(HostState::default()), |text| host_state(&text))?;
        change(&mut state);
        self.put_state(id, &state)
    }

    fn put_state(&mut self, id: u32, state: &HostState) -> Result<(), redb::Error> {
        self.states.insert(id, &*json(state)?)?;
        Ok(())
    }

    pub(crate) fn put_output(&mut self, name: &str, length: u64) -> Result<(), redb::Error> {
        self.outputs.insert(name, length)?;
        Ok(())
    }

    /// Keeps the links and places of pages. Only a check has these tables.
    pub(crate) fn put_checked(&mut self, pages: &[(Address, Checked)]) -> Result<(), redb::Error> {
        if pages.is_empty() {
            return Ok(());
        }
        let mut links = self.transaction.open_table(LINKS)?;
        let mut anchors = self.transaction.open_table(ANCHORS)?;
        for (address, checked) in pages {
            if !checked.links.is_empty() {
                links.insert(address.as_str(), &*checked.links)?;
            }
            if let Some(names) = &checked.anchors {
                anchors.insert(address.as_str(), &**names)?;
            }
        }
        Ok(())
    }

    /// Keeps what the traps have counted; zero forgets a key.
    pub(crate) fn put_counted(&mut self, counted: &[(u64, u32)]) -> Result<(), redb::Error> {
        if counted.is_empty() {
            return Ok(());
        }
        let mut traps = self.transaction.open_table(TRAPS)?;
        for (key, count) in counted {
            match count {
                0 => drop(traps.remove(key)?),
                count => drop(traps.insert(key, count)?),
            }
        }
        Ok(())
    }

    pub(crate) fn put_totals(&mut self, totals: &Totals) -> Result<(), redb::Error> {
        self.put_meta("totals", &json(totals)?)
    }

    pub(super) fn put_meta(&mut self, name: &str, text: &str) -> Result<(), redb::Error> {
        self.meta.insert(name, text)?;
        Ok(())
    }
}

/// Reads what is known of a host.
pub(super) fn host_state(text: &str) -> Result<HostState, redb::Error> {
    serde_json::from_str(text).map_err(|error| redb::Error::Corrupted(format!("a host: {error}")))
}

fn json(value: &impl serde::Serialize) -> Result<String, redb::Error> {
    serde_json::to_string(value).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

/// Returns the record that a row of the store is.
pub(super) fn record(row: RecordRow<'_>) -> Result<Record, redb::Error> {
    Record::from_row(row).map_err(no_fate)
}

/// Returns the fate that a row of the store tells.
pub(super) fn fate(row: RecordRow<'_>) -> Result<Fate, redb::Error> {
    Fate::from_number(row.0).ok_or_else(|| no_fate(row.0))
}

fn no_fate(number: u8) -> redb::Error {
    redb::Error::Corrupted(format!("no fate has the number {number}"))
}
