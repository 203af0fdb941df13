//! SQLite: a table `pages` with a row for each row, by its number.
//!
//! The columns are those of CSV. A batch is a transaction, which is on the disk when it ends. A batch that is appended
//! again takes the place of itself, and rows that the store knows nothing of are deleted at the next start.

use std::io;
use std::path::Path;

use rusqlite::{Connection, params};

use super::jsonl::Facts;
use super::{Fetched, Output};
use crate::locked::Locked;

pub(super) struct Sqlite {
    connection: Connection,
    /// Holds the lock against other crawls.
    file: Locked,
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS pages (
    seq INTEGER PRIMARY KEY, address TEXT NOT NULL, fate TEXT NOT NULL, status INTEGER, type TEXT, location TEXT,
    length INTEGER, received INTEGER, truncated TEXT, title TEXT NOT NULL, links INTEGER NOT NULL,
    depth INTEGER NOT NULL, parent TEXT, started TEXT NOT NULL, took REAL NOT NULL, peer TEXT, cause TEXT
)";

const INSERT: &str = "INSERT OR REPLACE INTO pages VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

impl Sqlite {
    pub(super) fn new(path: &Path, file: Locked) -> io::Result<Sqlite> {
        let connection = Connection::open(path).map_err(error)?;
        connection
            // With less, a power cut can bring back the journal of a batch that was committed, and undo it.
            .pragma_update(None, "synchronous", "EXTRA")
            .map_err(error)?;
        Ok(Sqlite { connection, file })
    }
}

impl Output for Sqlite {
    fn append(&mut self, rows: &[Fetched]) -> io::Result<()> {
        let batch = self.connection.transaction().map_err(error)?;
        batch.execute(TABLE, []).map_err(error)?;
        let mut insert = batch.prepare(INSERT).map_err(error)?;
        for row in rows {
            let facts = Facts::new(row);
            let inserted = insert.execute(params![
                facts.seq as i64,
                facts.address,
                facts.fate,
                facts.status,
                facts.r#type,
                facts.location,
                facts.length.map(|length| length as i64),
                facts.received.map(|length| length as i64),
                facts.truncated,
                facts.title,
                facts.links,
                facts.depth,
                facts.parent,
                facts.started,
                facts.took,
                facts.peer,
                facts.cause,
            ]);
            inserted.map_err(error)?;
        }
        drop(insert);
        batch.commit().map_err(error)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    fn cut(&mut self, length: u64, seq: u64) -> io::Result<()> {
        let has = self.length();
        if has < length {
            let text = format!("it has {has} bytes, and this crawl has written {length}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        if has == 0 {
            return Ok(());
        }
        self.connection.execute(TABLE, []).map_err(error)?;
        let cut = self
            .connection
            .execute("DELETE FROM pages WHERE seq > ?", [seq as i64]);
        cut.map(drop).map_err(error)
    }
}

/// A full disk is told apart, as other outputs tell it.
fn error(error: rusqlite::Error) -> io::Error {
    let kind = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => io::ErrorKind::StorageFull,
        Some(rusqlite::ErrorCode::NotADatabase) => io::ErrorKind::InvalidData,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
