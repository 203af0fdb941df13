//! A look at the folder of a check that has ended.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableError};

use super::open::{failed, read_meta, refused};
use super::tables::{ANCHORS, LINKS, PAGES, record};
use super::{FILE, Record, StoreError};

/// What a folder had when it was opened.
pub(crate) struct View {
    /// Keeps other processes out.
    _database: Database,
    seeds: Vec<String>,
    pages: redb::ReadOnlyTable<&'static str, super::record::RecordRow<'static>>,
    links: Option<redb::ReadOnlyTable<&'static str, &'static [u8]>>,
    anchors: Option<redb::ReadOnlyTable<&'static str, &'static [u8]>>,
}

impl View {
    /// Opens the folder of a check, which nothing else may have open.
    pub(crate) fn open(folder: &Path) -> Result<View, StoreError> {
        // Not read-only: after a crash redb has to repair the file first.
        let database = Database::open(folder.join(FILE)).map_err(|error| refused(folder, error))?;
        let identity = read_meta(folder, &database)?.identity;
        if identity.check.is_none() {
            return Err(StoreError::new(
                folder,
                "holds a crawl, and no check of links",
            ));
        }
        let opened = || -> Result<View, redb::Error> {
            let read = database.begin_read()?;
            // A check that has come to no page has no such tables.
            let optional = |table| match read.open_table(table) {
                Ok(table) => Ok(Some(table)),
                Err(TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(error),
            };
            let (pages, links) = (read.open_table(PAGES)?, optional(LINKS)?);
            let anchors = optional(ANCHORS)?;
            Ok(View {
                seeds: identity.seeds,
                pages,
                links,
                anchors,
                _database: database,
            })
        };
        opened().map_err(|error| failed(folder, &error))
    }

    /// Returns the addresses that the check began with.
    pub(crate) fn seeds(&self) -> &[String] {
        &self.seeds
    }

    /// Returns the record of an address.
    pub(crate) fn page(&self, address: &str) -> Result<Option<Record>, redb::Error> {
        let row = self.pages.get(address)?;
        row.map(|row| record(row.value())).transpose()
    }

    /// Returns the packed places of a page, if they are known.
    pub(crate) fn anchors(&self, address: &str) -> Result<Option<Vec<u8>>, redb::Error> {
        let Some(anchors) = &self.anchors else {
            return Ok(None);
        };
        let row = anchors.get(address)?;
        Ok(row.map(|row| row.value().to_vec()))
    }

    /// Calls `each` with every page that has links, and with these, packed.
    pub(crate) fn each_page(
        &self,
        mut each: impl FnMut(&str, &[u8]) -> Result<(), redb::Error>,
    ) -> Result<(), redb::Error> {
        let Some(links) = &self.links else {
            return Ok(());
        };
        for row in links.iter()? {
            let (page, bytes) = row?;
            each(page.value(), bytes.value())?;
        }
        Ok(())
    }
}
