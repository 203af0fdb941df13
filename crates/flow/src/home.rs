//! A source's home: the loop that has a slot for it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use switchboard_reactor::{Loop, Remote, Slot};

pub(crate) struct Inner {
    /// Taken only when it is sent to its loop to be closed there.
    fd: Option<OwnedFd>,
    /// Loop number and slot, in one word; zero for none.
    home: AtomicU64,
}

impl Inner {
    pub(crate) fn new(fd: OwnedFd) -> Inner {
        Inner {
            fd: Some(fd),
            home: AtomicU64::new(0),
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match &self.fd {
            Some(fd) => fd.as_fd(),
            None => unreachable!("the descriptor is taken in drop only"),
        }
    }

    pub(crate) fn home(&self) -> Option<(u32, Slot)> {
        split(self.home.load(Ordering::Acquire))
    }

    /// This source's slot on `lp`, if it has one there.
    pub(crate) fn slot(&self, lp: &Loop) -> Option<Slot> {
        let (id, slot) = self.home()?;
        (id == lp.id()).then_some(slot)
    }

    /// Takes a slot on `lp`, leaving the one on another loop.
    pub(crate) fn settle(self: &Arc<Self>, lp: &Loop) -> Slot {
        if let Some(slot) = self.slot(lp) {
            return slot;
        }
        let slot = lp.attach(self.fd());
        let home = u64::from(lp.id()) << 32 | u64::from(slot.index());
        // The new one first: whoever is woken by the old one's end finds it.
        let left = split(self.home.swap(home, Ordering::AcqRel));
        if let Some((id, slot)) = left
            && let Some(remote) = Remote::of(id)
        {
            // Kept open until then, so that its number is nobody else's.
            let kept = self.clone();
            remote.call_soon(move || {
                Loop::with_current(|lp| lp.map(|lp| lp.detach(slot)));
                drop(kept);
            });
        }
        slot
    }
}

fn split(home: u64) -> Option<(u32, Slot)> {
    (home != 0).then(|| ((home >> 32) as u32, Slot::from_index(home as u32)))
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some((id, slot)) = self.home() else {
            return;
        };
        // The driver must forget the descriptor before its number can be used again, and only the
        // loop's own thread may tell it.
        let here = Loop::with_current(|lp| {
            lp.filter(|lp| lp.id() == id)
                .map(|lp| lp.detach(slot))
                .is_some()
        });
        if !here && let Some(remote) = Remote::of(id) {
            let fd = self.fd.take();
            remote.call_soon(move || {
                Loop::with_current(|lp| lp.map(|lp| lp.detach(slot)));
                drop(fd);
            });
        }
    }
}
