//! An output that is one file of records, one after another.

use std::io::{self, Write as _};

use super::{Fetched, Output};
use crate::locked::Locked;

/// What is written between two calls of the system; a batch may be larger.
const PIECE: usize = 1 << 20;

/// How rows become bytes. The bytes of a record depend on nothing before it, so that a file may be cut between
/// any two.
pub(super) trait Format: Send {
    /// Writes what stands at the start of a file.
    fn begin(&mut self, into: &mut Vec<u8>) -> io::Result<()>;

    /// Writes the records of a row.
    fn row(&mut self, row: &Fetched, into: &mut Vec<u8>) -> io::Result<()>;
}

/// A file of records in a format.
pub(super) struct Stream<F> {
    /// Opened for appending: each write goes to the end.
    file: Locked,
    length: u64,
    format: F,
}

impl<F: Format> Stream<F> {
    /// Takes a file whose position is its end, whatever its length is.
    pub(super) fn new(file: Locked, format: F) -> Stream<F> {
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        Stream {
            file,
            length,
            format,
        }
    }

    fn write(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        (&*self.file).write_all(bytes)?;
        self.length += bytes.len() as u64;
        bytes.clear();
        Ok(())
    }
}

impl<F: Format> Output for Stream<F> {
    fn append(&mut self, rows: &[Fetched]) -> io::Result<()> {
        let mut bytes = Vec::new();
        if self.length == 0 {
            self.format.begin(&mut bytes)?;
        }
        for row in rows {
            self.format.row(row, &mut bytes)?;
            if bytes.len() >= PIECE {
                self.write(&mut bytes)?;
            }
        }
        self.write(&mut bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn cut(&mut self, length: u64, _seq: u64) -> io::Result<()> {
        let has = self.file.metadata()?.len();
        if has < length {
            let text = format!("it has {has} bytes, and this crawl has written {length}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        if has > length {
            self.file.set_len(length)?;
            self.file.sync_data()?;
        }
        self.length = length;
        Ok(())
    }
}
