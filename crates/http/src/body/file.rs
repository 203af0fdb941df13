//! A part of a file as a body.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

/// The most bytes that one read takes.
const PIECE: u64 = 64 * 1024;

pub(crate) struct FileRange {
    pub(crate) file: File,
    /// What is left.
    pub(crate) range: Range<u64>,
}

impl FileRange {
    pub(crate) fn length(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Reads the next bytes; blocks.
    pub(super) fn read(&mut self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.length().min(PIECE) as usize];
        let read = self.file.read_at(&mut bytes, self.range.start)?;
        if read == 0 {
            let text = "the file has become shorter while it was sent";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        bytes.truncate(read);
        self.range.start += read as u64;
        Ok(bytes.into())
    }
}
