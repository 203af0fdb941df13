//! A dense list of what is registered, with an index by descriptor.

use std::io;
use std::os::fd::RawFd;

use crate::refuse;

/// ```text
///   place, by descriptor      items, dense
///   0 ─ none
///   1 ─ none                  0 ─ (3, …)
///   2 ─ 1 ──────────────┐     1 ─ (2, …)
///   3 ─ 0               └──▶
/// ```
///
/// Every operation takes the same time, however many there are: descriptors are small numbers, so
/// the index is a list, and a removal moves the last item into the gap.
pub(crate) struct Slots<T> {
    items: Vec<(RawFd, T)>,
    place: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl<T> Slots<T> {
    pub(crate) fn new() -> Slots<T> {
        Slots {
            items: Vec::new(),
            place: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The slot of `fd`.
    ///
    /// # Errors
    /// `NotFound` if it has none.
    pub(crate) fn find(&self, fd: RawFd) -> io::Result<usize> {
        self.lookup(fd).ok_or_else(|| refuse::unknown(fd))
    }

    fn lookup(&self, fd: RawFd) -> Option<usize> {
        let place = *self.place.get(usize::try_from(fd).ok()?)?;
        (place != NONE).then_some(place as usize)
    }

    pub(crate) fn fd(&self, slot: usize) -> RawFd {
        self.items[slot].0
    }

    pub(crate) fn get(&self, slot: usize) -> &T {
        &self.items[slot].1
    }

    pub(crate) fn get_mut(&mut self, slot: usize) -> &mut T {
        &mut self.items[slot].1
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut().map(|(_, item)| item)
    }

    /// Puts `item` into the slot of `fd`, or into a new last slot.
    pub(crate) fn put(&mut self, fd: RawFd, item: T) -> usize {
        if let Some(slot) = self.lookup(fd) {
            self.items[slot].1 = item;
            return slot;
        }
        let slot = self.items.len();
        self.items.push((fd, item));
        let fd = fd as usize;
        if fd >= self.place.len() {
            self.place.resize(fd + 1, NONE);
        }
        self.place[fd] = slot as u32;
        slot
    }

    /// Empties `slot` and moves the last one into it, as [`Vec::swap_remove`] does.
    pub(crate) fn swap_remove(&mut self, slot: usize) -> T {
        let (fd, item) = self.items.swap_remove(slot);
        self.place[fd as usize] = NONE;
        if let Some((moved, _)) = self.items.get(slot) {
            self.place[*moved as usize] = slot as u32;
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_fills_the_gap() {
        let mut slots = Slots::new();
        for fd in [5, 9, 2] {
            slots.put(fd, fd * 10);
        }
        assert_eq!(slots.put(9, 91), 1);
        assert_eq!(slots.swap_remove(0), 50);
        assert_eq!(slots.find(2).unwrap(), 0);
        assert_eq!((slots.fd(1), *slots.get(1)), (9, 91));
        assert_eq!(slots.swap_remove(1), 91);
        assert_eq!(slots.len(), 1);
        for fd in [-1, 5, 9, 1000] {
            assert_eq!(slots.find(fd).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }
}
