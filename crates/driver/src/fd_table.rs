//! A table of registrations: a dense list with an index by descriptor.

use std::io;
use std::os::fd::RawFd;

use crate::error;

/// A table with one entry per descriptor.
///
/// ```text
///   index, by descriptor      entries, dense
///   0 ─ none
///   1 ─ none                  0 ─ (3, …)
///   2 ─ 1 ──────────────┐     1 ─ (2, …)
///   3 ─ 0               └──▶
/// ```
///
/// Every operation takes constant time: descriptors are small numbers, so the index is an array, and
/// a removal moves the last entry into the gap.
pub(crate) struct FdTable<T> {
    entries: Vec<(RawFd, T)>,
    index: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl<T> FdTable<T> {
    pub(crate) fn new() -> FdTable<T> {
        FdTable {
            entries: Vec::new(),
            index: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the position of the entry of `fd`.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub(crate) fn find(&self, fd: RawFd) -> io::Result<usize> {
        self.position(fd).ok_or_else(|| error::not_registered(fd))
    }

    fn position(&self, fd: RawFd) -> Option<usize> {
        let at = *self.index.get(usize::try_from(fd).ok()?)?;
        (at != NONE).then_some(at as usize)
    }

    pub(crate) fn fd(&self, at: usize) -> RawFd {
        self.entries[at].0
    }

    pub(crate) fn get(&self, at: usize) -> &T {
        &self.entries[at].1
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> &mut T {
        &mut self.entries[at].1
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// Replaces the entry of `fd`, or appends one; returns its position.
    pub(crate) fn insert(&mut self, fd: RawFd, value: T) -> usize {
        if let Some(at) = self.position(fd) {
            self.entries[at].1 = value;
            return at;
        }
        let at = self.entries.len();
        self.entries.push((fd, value));
        let fd = fd as usize;
        if fd >= self.index.len() {
            self.index.resize(fd + 1, NONE);
        }
        self.index[fd] = at as u32;
        at
    }

    /// Removes the entry at a position and moves the last one there, as [`Vec::swap_remove`] does.
    pub(crate) fn swap_remove(&mut self, at: usize) -> T {
        let (fd, value) = self.entries.swap_remove(at);
        self.index[fd as usize] = NONE;
        if let Some((moved, _)) = self.entries.get(at) {
            self.index[*moved as usize] = at as u32;
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_moves_the_last_entry_into_the_gap() {
        let mut table = FdTable::new();
        for fd in [5, 9, 2] {
            table.insert(fd, fd * 10);
        }
        assert_eq!(table.insert(9, 91), 1);
        assert_eq!(table.swap_remove(0), 50);
        assert_eq!(table.find(2).unwrap(), 0);
        assert_eq!((table.fd(1), *table.get(1)), (9, 91));
        assert_eq!(table.swap_remove(1), 91);
        assert_eq!(table.len(), 1);
        for fd in [-1, 5, 9, 1000] {
            assert_eq!(table.find(fd).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }
}
