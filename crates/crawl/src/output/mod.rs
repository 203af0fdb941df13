//! What a crawl writes: a row for each request, to files that can be cut to what the store has committed.
//!
//! A crawl that was killed may have appended rows that its store knows nothing of. So the store records the
//! length of each file with each batch, and the next start cuts the files to it ([`Outputs::open`]). The order of
//! a batch is: [`Outputs::append`], [`Outputs::sync`], then one transaction of the store with
//! [`Outputs::recorded`]. The lengths of new files (zero) have to be committed before the first batch, so that
//! rows which no transaction knows are never taken for another crawl's.

mod csv;
mod fetched;
mod files;
mod jsonl;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stream;
mod warc;

use std::io;

pub use fetched::{Answer, Fetched, Truncated};
pub use files::{About, Outputs, Recorded};

/// A file of rows that can be cut to an earlier length. All of its calls block on the disk.
pub trait Output: Send {
    /// Appends rows, in the order of their numbers. After an error the file may end in half a row, until
    /// [`cut`](Output::cut) is called.
    ///
    /// # Errors
    /// Those of the disk: [`StorageFull`](io::ErrorKind::StorageFull) and others.
    fn append(&mut self, rows: &[Fetched]) -> io::Result<()>;

    /// Returns when all appended rows are on the disk.
    ///
    /// # Errors
    /// Those of the disk. What was appended since the last call may be lost.
    fn sync(&mut self) -> io::Result<()>;

    /// Returns the length in bytes, with all appended rows.
    fn length(&self) -> u64;

    /// Drops what is behind the first `length` bytes, which are the rows up to number `seq`.
    ///
    /// # Errors
    /// [`InvalidData`](io::ErrorKind::InvalidData) if the file is shorter, and those of the disk.
    fn cut(&mut self, length: u64, seq: u64) -> io::Result<()>;
}

/// Writes a time as RFC 3339 has it, in UTC, with microseconds.
fn date(time: std::time::SystemTime) -> String {
    let date = time::OffsetDateTime::from(time);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second(),
        date.microsecond()
    )
}

/// Returns bytes as text: as UTF-8 if they are, else each byte as the character of its number.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}
