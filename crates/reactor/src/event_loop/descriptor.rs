//! The owner of a descriptor, and its migration from one loop to another.
//!
//! The owner of a descriptor is the loop that has its registration; a descriptor may have none:
//!
//! ```text
//!              register_on             release
//!   NO OWNER ──────────────► OWNED ──────────────► NO OWNER
//!                            │   ▲
//!                            └───┘ register_on another loop, if the owner has a readiness driver
//! ```
//!
//! A flag, [`UNCLAIMED`], is set by a release that leaves completions, and cleared when the last of them is
//! taken.
//!
//! A readiness driver holds no data of a descriptor, so another loop registers the descriptor at once. A
//! completion driver may hold completions that no flow has taken. A flow on another loop or thread therefore
//! *claims* the descriptor first. If the owner runs, it *releases* the descriptor as soon as no operation of
//! the kernel is in flight, and wakes the flow. If the owner does not run, its completions are in the table
//! of [`unclaimed`], from which any thread takes them.
//!
//! A descriptor that flows on several loops wait for at once is [`shared`] from then on, and has no owner.

mod claim;
mod shared;

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use switchboard_driver::{Completions, Unclaimed};

use crate::event_loop::Loop;
use crate::event_loop::activity::Activity;
use crate::event_loop::peers;
use crate::event_loop::registry::Registration;
use crate::event_loop::remote::{Remote, completes};
use crate::event_loop::sockets::Sockets;
use crate::event_loop::unclaimed::{forget_loop, table};

/// A descriptor that flows on any loop or thread may use, one at a time.
#[derive(Debug)]
pub struct Descriptor {
    /// `None` only while the descriptor is dropped.
    fd: Option<OwnedFd>,
    /// The number of the address for which the peer speaks, if it does; 0 otherwise. It fills a gap.
    peer: AtomicU32,
    /// An encoded [`Owner`], and the flags in [`FLAGS`].
    owner: AtomicU64,
    /// Where operations are noted, if somebody looks at them.
    activity: Option<Arc<Activity>>,
}

/// The owner of a descriptor, with the registration there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Nobody,
    /// The loop with this number.
    Loop(u32, Registration),
}

/// The bit that is set while completions of the descriptor are in [`Table::descriptors`]. The bits below
/// are the loop's number, which has 28 bits, and the registration.
const UNCLAIMED: u64 = 1 << 63;

/// The bit that is set where operations are noted. With a flag set [`Descriptor::registration`] finds none,
/// so that only the unusual way of an operation has to look for an activity.
const OBSERVED: u64 = 1 << 62;

/// The bit that is set where reads go by readiness, and a short read has not drained the socket.
const BY_READINESS: u64 = 1 << 61;

/// The bit that is set once several loops have registrations of their own, which are in [`Table::shared`].
/// There is no owner then, and [`BY_READINESS`] is set.
const SHARED: u64 = 1 << 60;

const FLAGS: u64 = UNCLAIMED | OBSERVED | BY_READINESS | SHARED;

impl Owner {
    fn decode(word: u64) -> Owner {
        match ((word & !FLAGS) >> 32) as u32 {
            0 => Owner::Nobody,
            id => Owner::Loop(id, Registration(word as u32)),
        }
    }

    fn encode(self) -> u64 {
        match self {
            Owner::Nobody => 0,
            Owner::Loop(id, registration) => u64::from(id) << 32 | u64::from(registration.0),
        }
    }
}

impl Descriptor {
    /// Wraps a descriptor, which has no owner yet.
    pub fn new(fd: OwnedFd) -> Descriptor {
        Descriptor {
            fd: Some(fd),
            peer: AtomicU32::new(0),
            owner: AtomicU64::new(Owner::Nobody.encode()),
            activity: None,
        }
    }

    /// Has all operations noted in `activity` from now on.
    pub fn observe(&mut self, activity: Arc<Activity>) {
        self.activity = Some(activity);
        *self.owner.get_mut() |= OBSERVED;
    }

    /// Returns where operations are noted.
    #[inline]
    pub fn activity(&self) -> Option<&Activity> {
        self.activity.as_deref()
    }

    /// Sets the address for which the peer speaks, as a proxy does. Only the first one is kept.
    pub fn set_peer(&self, peer: SocketAddr) {
        let number = peers::add(peer);
        let order = Ordering::AcqRel;
        let set = self
            .peer
            .compare_exchange(0, number, order, Ordering::Relaxed);
        if set.is_err() {
            peers::remove(number);
        }
    }

    /// Returns the address for which the peer speaks, if it does.
    pub fn peer(&self) -> Option<SocketAddr> {
        peers::get(self.peer.load(Ordering::Acquire))
    }

    /// Has all reads go by readiness from now on, without requests of a completion driver and without
    /// conclusions from a short read: for a socket through which descriptors are passed, which a request
    /// would lose, and at which a read stops.
    pub fn set_by_readiness(&self) {
        self.owner.fetch_or(BY_READINESS, Ordering::AcqRel);
    }

    /// Returns whether reads go by readiness.
    pub fn is_by_readiness(&self) -> bool {
        self.owner.load(Ordering::Acquire) & BY_READINESS != 0
    }

    /// Returns the descriptor.
    #[inline]
    pub fn fd(&self) -> BorrowedFd<'_> {
        match &self.fd {
            Some(fd) => fd.as_fd(),
            None => unreachable!("the descriptor is taken in drop only"),
        }
    }

    fn owner(&self) -> Owner {
        Owner::decode(self.owner.load(Ordering::Acquire))
    }

    /// Returns the registration on `lp`, if `lp` owns the descriptor and no flag is set.
    #[inline]
    pub fn registration(&self, lp: &Loop) -> Option<Registration> {
        let word = self.owner.load(Ordering::Acquire);
        (word >> 32 == u64::from(lp.id())).then_some(Registration(word as u32))
    }

    /// Returns the registration on `lp`, if `lp` owns the descriptor and no flag but that of an activity is
    /// set.
    pub fn observed_registration(&self, lp: &Loop) -> Option<Registration> {
        let word = self.owner.load(Ordering::Acquire) & !OBSERVED;
        (word >> 32 == u64::from(lp.id())).then_some(Registration(word as u32))
    }

    /// Returns whether a loop with a completion driver owns the descriptor.
    #[inline]
    pub fn has_completion_driver(&self) -> bool {
        completes(((self.owner.load(Ordering::Acquire) & !FLAGS) >> 32) as u32)
    }

    /// Returns whether a completion driver has, or may have, completions of the descriptor, or nobody has
    /// taken them.
    pub fn may_have_completions(&self) -> bool {
        self.has_completion_driver() || self.owner.load(Ordering::Acquire) & UNCLAIMED != 0
    }

    /// Returns the registration on `lp`, if `lp` owns or shares the descriptor.
    pub fn registered_on(&self, lp: &Loop) -> Option<Registration> {
        match self.owner() {
            Owner::Loop(id, registration) if id == lp.id() => Some(registration),
            Owner::Nobody if self.is_shared() => self.shared_registration(lp.id()),
            _ => None,
        }
    }

    /// Registers the descriptor on `lp`, which becomes its owner; the old owner ends its registration.
    /// Returns `None` while a loop with a completion driver owns the descriptor, which has to release it
    /// first: see [`poll_claim`](Descriptor::poll_claim).
    pub fn register_on(self: &Arc<Self>, lp: &Loop) -> Option<Registration> {
        if let Some(registration) = self.registered_on(lp) {
            return Some(registration);
        }
        let registration = lp.register(self.fd());
        let new = Owner::Loop(lp.id(), registration).encode();
        // The owner changes first, so that flows that the end of the old registration wakes find the new
        // owner.
        let old = self
            .owner
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                let free = match Owner::decode(word) {
                    Owner::Nobody => word & SHARED == 0,
                    Owner::Loop(id, _) => !completes(id),
                };
                free.then_some(new | word & FLAGS)
            });
        match old {
            Ok(word) => {
                if let Owner::Loop(id, old) = Owner::decode(word) {
                    self.migrate_from(id, old);
                }
            }
            Err(word) if word & SHARED != 0 => self.share_with(lp.id(), registration),
            Err(_) => {
                lp.deregister(registration);
                return None;
            }
        }
        Some(registration)
    }

    /// Ends the registration on the loop that owned this descriptor before, unless flows wait there.
    fn migrate_from(self: &Arc<Self>, id: u32, old: Registration) {
        if let Some(remote) = Remote::of(id) {
            // The descriptor stays open until then, so that its number is not reused.
            let this = self.clone();
            remote.call_soon(move || {
                Loop::with_current(|lp| {
                    let lp = lp?;
                    let waited_for = this.registered_on(lp).is_none() && lp.has_waiters(old);
                    if waited_for && this.share(id, old) {
                        // The end of an even older registration may have deregistered the descriptor.
                        lp.renew(old);
                        return None;
                    }
                    lp.deregister(old);
                    // If the descriptor has returned to this loop meanwhile, the driver has just forgotten it.
                    lp.renew(this.registered_on(lp)?);
                    Some(())
                });
                drop(this);
            });
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Calls `f` with the unclaimed completions of this descriptor; `None` if there are none.
    #[inline]
    pub fn unclaimed<R>(&self, f: impl FnOnce(&mut Unclaimed) -> Option<R>) -> Option<R> {
        match self.owner.load(Ordering::Acquire) & UNCLAIMED {
            0 => None,
            _ => self.take_unclaimed(f),
        }
    }

    #[cold]
    fn take_unclaimed<R>(&self, f: impl FnOnce(&mut Unclaimed) -> Option<R>) -> Option<R> {
        let mut table = table();
        let unclaimed = table.descriptors.get_mut(&self.address())?;
        let result = f(unclaimed);
        if unclaimed.is_empty() {
            table.descriptors.remove(&self.address());
            self.owner.fetch_and(!UNCLAIMED, Ordering::AcqRel);
        }
        result
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let peer = *self.peer.get_mut();
        if peer != 0 {
            peers::remove(peer);
        }
        if *self.owner.get_mut() & UNCLAIMED != 0 {
            let unclaimed = table().descriptors.remove(&self.address());
            drop(unclaimed);
        }
        if self.is_shared() {
            return self.close_shared();
        }
        let (Owner::Loop(id, registration), Some(fd)) = (self.owner(), self.fd.take()) else {
            return;
        };
        // The descriptor must be deregistered before its number can be reused, and only the loop's own
        // thread can deregister it.
        let mut fd = Some(fd);
        Loop::with_current(|lp| {
            if let Some(lp) = lp.filter(|lp| lp.id() == id)
                && let Some(fd) = fd.take()
            {
                lp.close(registration, fd);
            }
        });
        let Some(fd) = fd else { return };
        let forget = completes(id).then_some(ForgetOnDrop(id, registration));
        if let Some(remote) = Remote::of(id) {
            remote.call_soon(move || {
                Loop::with_current(|lp| lp.map(|lp| lp.close(registration, fd)));
                drop(forget);
            });
        }
    }
}

/// A guard that removes the completions of a dropped descriptor from those of a stopped loop.
struct ForgetOnDrop(u32, Registration);

impl Drop for ForgetOnDrop {
    fn drop(&mut self) {
        let unclaimed = {
            let mut table = table();
            let lp = table.loops.get_mut(&self.0);
            lp.and_then(|lp| lp.unclaimed.remove(&self.1))
        };
        drop(unclaimed);
        forget_loop(self.0);
    }
}
