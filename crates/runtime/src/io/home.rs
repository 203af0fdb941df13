//! A source's home: the loop that has a slot for it.
//!
//! A driver that answers "what is done?" has bytes that have come and were not taken yet. When a flow
//! elsewhere uses such a source, its home gives it up, and what had come is kept here until it is taken.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use switchboard_driver::{Completions, Unclaimed};
use switchboard_reactor::{Loop, Remote, Slot, completes, forget, take_over};

pub(crate) struct Inner {
    /// Taken only when it is sent to its loop to be closed there.
    fd: Option<OwnedFd>,
    /// Whether something is kept for it.
    kept: AtomicBool,
    /// Loop number and slot, in one word; zero for none.
    home: AtomicU64,
}

/// What had come for sources that have left their home, by address.
static KEPT: LazyLock<Mutex<HashMap<usize, Unclaimed>>> = LazyLock::new(Mutex::default);

fn all_kept() -> MutexGuard<'static, HashMap<usize, Unclaimed>> {
    // Nothing is left half-done under this lock.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    pub(crate) fn new(fd: OwnedFd) -> Inner {
        Inner {
            fd: Some(fd),
            kept: AtomicBool::new(false),
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

    /// Takes a slot on `lp`, leaving the one on another loop; `None` where that has what comes for this
    /// source, by now, and must give it up first.
    pub(crate) fn settle(self: &Arc<Self>, lp: &Loop) -> Option<Slot> {
        if let Some(slot) = self.slot(lp) {
            return Some(slot);
        }
        let slot = lp.attach(self.fd());
        let home = u64::from(lp.id()) << 32 | u64::from(slot.index());
        // The new one first: whoever is woken by the old one's end finds it.
        let free = |old| split(old).is_none_or(|(id, _)| !completes(id));
        let settled = |old| free(old).then_some(home);
        let left = self
            .home
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, settled);
        match left {
            Ok(left) => {
                if let Some((id, slot)) = split(left) {
                    self.leave(id, slot);
                }
                Some(slot)
            }
            Err(_) => {
                lp.detach(slot);
                None
            }
        }
    }

    /// Has another loop forget this source.
    fn leave(self: &Arc<Self>, id: u32, slot: Slot) {
        if let Some(remote) = Remote::of(id) {
            // Kept open until then, so that its number is nobody else's.
            let kept = self.clone();
            remote.call_soon(move || {
                Loop::with_current(|lp| {
                    let lp = lp?;
                    lp.detach(slot);
                    // It may have come back meanwhile, and the driver has just forgotten it.
                    lp.renew(kept.slot(lp)?);
                    Some(())
                });
                drop(kept);
            });
        }
    }

    /// Whether a flow of `here`, a loop or none, may use this source. While another loop has what has
    /// come for it, that is asked to give it up, and `waker` is woken.
    pub(crate) fn reach(self: &Arc<Self>, here: Option<u32>, waker: &Waker) -> Poll<()> {
        match self.home() {
            Some((id, slot)) if completes(id) && here != Some(id) => self.fetch(id, slot, waker),
            _ => Poll::Ready(()),
        }
    }

    #[cold]
    fn fetch(self: &Arc<Self>, id: u32, slot: Slot, waker: &Waker) -> Poll<()> {
        let (source, wakes) = (self.clone(), Wakes(waker.clone()));
        let ask = move |lp: &Loop| {
            // Another may have asked before.
            if source.home() == Some((id, slot)) {
                lp.release(slot, move |left| {
                    source.arrive((id, slot), left);
                    drop(wakes);
                });
            }
        };
        let take = || take_over(id, slot, |left| self.arrive((id, slot), left), ask);
        let here = Loop::with_current(|lp| lp.filter(|lp| lp.id() == id).cloned());
        let taken = match here {
            // A blocking flow within a task: its loop can't be waited for.
            Some(lp) => lp.pause_all(take),
            None => take(),
        };
        match taken {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Leaves its home, with what had come there.
    fn arrive(&self, (id, slot): (u32, Slot), left: Unclaimed) {
        // Kept first: whoever finds it at home nowhere looks there.
        self.keep(left);
        let home = u64::from(id) << 32 | u64::from(slot.index());
        let _ = self
            .home
            .compare_exchange(home, 0, Ordering::AcqRel, Ordering::Relaxed);
    }

    fn keep(&self, left: Unclaimed) {
        if !left.is_empty() {
            all_kept().entry(self.address()).or_default().append(left);
            self.kept.store(true, Ordering::Release);
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Calls `f` with what is kept for this source, if something is.
    #[inline]
    pub(crate) fn kept<R>(&self, f: impl FnOnce(&mut Unclaimed) -> Option<R>) -> Option<R> {
        match self.kept.load(Ordering::Acquire) {
            true => self.take_kept(f),
            false => None,
        }
    }

    #[cold]
    fn take_kept<R>(&self, f: impl FnOnce(&mut Unclaimed) -> Option<R>) -> Option<R> {
        let mut all = all_kept();
        let left = all.get_mut(&self.address())?;
        let result = f(left);
        if left.is_empty() {
            all.remove(&self.address());
            self.kept.store(false, Ordering::Release);
        }
        result
    }
}

/// Wakes whoever asked when it is answered, or won't be.
struct Wakes(Waker);

impl Drop for Wakes {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}

fn split(home: u64) -> Option<(u32, Slot)> {
    (home != 0).then(|| ((home >> 32) as u32, Slot::from_index(home as u32)))
}

impl Drop for Inner {
    fn drop(&mut self) {
        if *self.kept.get_mut() {
            let kept = all_kept().remove(&self.address());
            drop(kept);
        }
        let Some((id, slot)) = self.home() else {
            return;
        };
        let Some(fd) = self.fd.take() else { return };
        // The driver must forget the descriptor before its number can be used again, and only the
        // loop's own thread may tell it.
        let mut fd = Some(fd);
        Loop::with_current(|lp| {
            if let Some(lp) = lp.filter(|lp| lp.id() == id)
                && let Some(fd) = fd.take()
            {
                lp.close(slot, fd);
            }
        });
        let Some(fd) = fd else { return };
        let forgets = completes(id).then_some(Forgets(id, slot));
        if let Some(remote) = Remote::of(id) {
            remote.call_soon(move || {
                Loop::with_current(|lp| lp.map(|lp| lp.close(slot, fd)));
                drop(forgets);
            });
        }
    }
}

/// Has a loop that does not run any more forget what it has put aside for a source that is gone.
struct Forgets(u32, Slot);

impl Drop for Forgets {
    fn drop(&mut self) {
        forget(self.0, self.1);
    }
}
