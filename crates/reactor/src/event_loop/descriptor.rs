//! Handing a descriptor from one loop to another.
//!
//! A descriptor is owned by the loop that has its registration, or by nobody:
//!
//! ```text
//!               attach                      release, store
//!   NOBODY'S ──────────► OWNED (by a loop) ───────────────► NOBODY'S, completions unclaimed
//!       ▲                   │                                        │
//!       │                   │ attach of another loop,              claim
//!       │                   ▼ by readiness: the old one forgets      │
//!       │                OWNED (by that)                             │
//!       └────────────────── the last completion is taken ────────────┘
//! ```
//!
//! A readiness driver has nothing of a descriptor, so another loop takes it at once. A completion driver
//! may have bytes that nobody has taken. A flow elsewhere *claims* the descriptor: a loop that runs is
//! asked, *releases* it once the kernel is done with it, and wakes the flow; a loop that does not run has
//! *stored* all its completions in a table, where any thread takes them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

use switchboard_driver::{Completions, Unclaimed};

use crate::event_loop::Loop;
use crate::event_loop::registry::Registration;
use crate::event_loop::remote::{Remote, completes};
use crate::event_loop::sockets::Sockets;
use crate::event_loop::unclaimed::{self, Table, forget_loop, table};

/// A descriptor that flows on any loop or thread may use, one after another.
#[derive(Debug)]
pub struct Descriptor {
    /// Taken only when it is sent to its loop to be closed there.
    fd: Option<OwnedFd>,
    /// An [`Owner`], and whether completions are unclaimed.
    owner: AtomicU64,
}

/// Who has the registration of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Nobody,
    Loop(u32, Registration),
}

/// The bit that says that completions of this descriptor are in [`Table::descriptors`].
const UNCLAIMED: u64 = 1 << 63;

impl Owner {
    fn decode(word: u64) -> Owner {
        match ((word & !UNCLAIMED) >> 32) as u32 {
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
    /// Takes a descriptor over; nobody owns it yet.
    pub fn new(fd: OwnedFd) -> Descriptor {
        Descriptor {
            fd: Some(fd),
            owner: AtomicU64::new(Owner::Nobody.encode()),
        }
    }

    /// The descriptor.
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

    /// Returns the registration on `lp`, if `lp` owns the descriptor and nothing is unclaimed: then the
    /// descriptor can be used without further ado.
    #[inline]
    pub fn registration(&self, lp: &Loop) -> Option<Registration> {
        let word = self.owner.load(Ordering::Acquire);
        (word >> 32 == u64::from(lp.id())).then_some(Registration(word as u32))
    }

    /// Returns whether a loop with a completion driver owns the descriptor.
    #[inline]
    pub fn has_completion_driver(&self) -> bool {
        completes((self.owner.load(Ordering::Acquire) >> 32) as u32)
    }

    /// Returns the registration on `lp`, if `lp` owns the descriptor.
    pub fn registered_on(&self, lp: &Loop) -> Option<Registration> {
        match self.owner() {
            Owner::Loop(id, registration) if id == lp.id() => Some(registration),
            _ => None,
        }
    }

    /// Registers the descriptor on `lp` and has its owner forget it. `None` while a completion driver owns
    /// it, which has to release it first: see [`poll_claim`](Descriptor::poll_claim).
    pub fn register_on(self: &Arc<Self>, lp: &Loop) -> Option<Registration> {
        if let Some(registration) = self.registered_on(lp) {
            return Some(registration);
        }
        let registration = lp.register(self.fd());
        let new = Owner::Loop(lp.id(), registration).encode();
        // The new owner first: whoever is woken by the end of the old registration finds it.
        let attached = self
            .owner
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                let free = match Owner::decode(word) {
                    Owner::Nobody => true,
                    Owner::Loop(id, _) => !completes(id),
                };
                free.then_some(new | word & UNCLAIMED)
            });
        match attached.map(Owner::decode) {
            Ok(Owner::Nobody) => Some(registration),
            Ok(Owner::Loop(id, old)) => {
                self.migrate_from(id, old);
                Some(registration)
            }
            Err(_) => {
                lp.deregister(registration);
                None
            }
        }
    }

    /// Has the loop that owned this descriptor forget it.
    fn migrate_from(self: &Arc<Self>, id: u32, old: Registration) {
        if let Some(remote) = Remote::of(id) {
            // Kept open until then, so that no other descriptor has its number.
            let this = self.clone();
            remote.call_soon(move || {
                Loop::with_current(|lp| {
                    let lp = lp?;
                    lp.deregister(old);
                    // It may have come back meanwhile, and the driver has just forgotten it.
                    lp.renew(this.registered_on(lp)?);
                    Some(())
                });
                drop(this);
            });
        }
    }

    /// Waits until a flow of `here`, a loop or none, may use this descriptor: while another loop's
    /// completion driver owns it, that loop is asked to release it, and `waker` is woken then.
    #[inline]
    pub fn poll_claim(self: &Arc<Self>, here: Option<u32>, waker: &Waker) -> Poll<()> {
        match self.owner() {
            Owner::Loop(id, registration) if completes(id) && here != Some(id) => {
                self.claim(id, registration, waker)
            }
            _ => Poll::Ready(()),
        }
    }

    #[cold]
    fn claim(self: &Arc<Self>, id: u32, registration: Registration, waker: &Waker) -> Poll<()> {
        let here = Loop::with_current(|lp| lp.filter(|lp| lp.id() == id).cloned());
        match here {
            // A blocking flow within a task: waiting for its loop would never end.
            Some(lp) => lp.as_if_stopped(|| self.claim_from(id, registration, waker)),
            None => self.claim_from(id, registration, waker),
        }
    }

    fn claim_from(
        self: &Arc<Self>,
        id: u32,
        registration: Registration,
        waker: &Waker,
    ) -> Poll<()> {
        let mut table = table();
        let remote = Remote::of(id);
        let unclaimed = match (table.loops.get_mut(&id), &remote) {
            (Some(lp), _) => {
                lp.claimed.push(registration);
                lp.unclaimed.remove(&registration)
            }
            (None, Some(remote)) => {
                let (this, wake) = (self.clone(), WakeOnDrop(waker.clone()));
                let owner = Owner::Loop(id, registration);
                // Under the lock, so that the loop finds the request when it stops.
                let refused = remote.request(move |lp| {
                    // Another flow may have claimed it before.
                    if this.owner() == owner {
                        lp.release(registration, move |unclaimed| {
                            this.leave(owner, &mut unclaimed::table(), unclaimed);
                            drop(wake);
                        });
                    }
                });
                // Dropped without the lock: a waker is code of a user.
                drop(table);
                drop(refused);
                return Poll::Pending;
            }
            (None, None) => None,
        };
        let owner = Owner::Loop(id, registration);
        self.leave(owner, &mut table, unclaimed.unwrap_or_default());
        if remote.is_none() {
            table.forget_loop(id);
        }
        Poll::Ready(())
    }

    /// Leaves `owner`, unless it has left before, with what was unclaimed there.
    fn leave(&self, owner: Owner, table: &mut Table, unclaimed: Unclaimed) {
        let mut flag = 0;
        if !unclaimed.is_empty() {
            let all = table.descriptors.entry(self.address()).or_default();
            all.append(unclaimed);
            flag = UNCLAIMED;
        }
        let left = |old: u64| {
            let now = match Owner::decode(old) == owner {
                true => Owner::Nobody.encode() | old & UNCLAIMED,
                false => old,
            };
            Some(now | flag)
        };
        let _ = self
            .owner
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, left);
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Calls `f` with the unclaimed completions of this descriptor, if there are any.
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

/// Wakes the flow that claims a descriptor when the request is answered, or dropped.
struct WakeOnDrop(Waker);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if *self.owner.get_mut() & UNCLAIMED != 0 {
            let unclaimed = table().descriptors.remove(&self.address());
            drop(unclaimed);
        }
        let (Owner::Loop(id, registration), Some(fd)) = (self.owner(), self.fd.take()) else {
            return;
        };
        // The driver must forget the descriptor before its number can be used again, and only the loop's
        // own thread may tell it.
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

/// Forgets what a loop has stored for a descriptor that is gone.
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
