//! Handing a descriptor from one loop to another.
//!
//! A descriptor is owned by the loop that has its registration, or by nobody:
//!
//! ```text
//!               attach                      release, park
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
//! *parked* all its completions here, where any thread takes them.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use switchboard_driver::{Completions, Token, Unclaimed};

use crate::event_loop::Loop;
use crate::plumbing::Sockets;
use crate::registry::Registration;
use crate::remote::{Remote, completes};

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

/// The bit that says that completions of this descriptor are in [`Parked::descriptors`].
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

/// Completions that are with no driver.
#[derive(Default)]
struct Parked {
    /// Those of loops that exist and do not run.
    loops: HashMap<u32, ParkedLoop>,
    /// Those of descriptors that have left their loop, by the descriptor's address.
    descriptors: HashMap<usize, Unclaimed>,
}

#[derive(Default)]
struct ParkedLoop {
    unclaimed: HashMap<Registration, Unclaimed>,
    /// Registrations whose descriptors were claimed meanwhile.
    claimed: Vec<Registration>,
}

static PARKED: LazyLock<Mutex<Parked>> = LazyLock::new(Mutex::default);

fn parked() -> MutexGuard<'static, Parked> {
    // Nothing is left half-done under this lock.
    PARKED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Parked {
    /// Forgets a loop that is gone, unless it has something that may still be claimed.
    fn forget_loop(&mut self, id: u32) {
        let empty = |lp: &ParkedLoop| lp.unclaimed.is_empty();
        if self.loops.get(&id).is_some_and(empty) {
            self.loops.remove(&id);
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
    pub fn attach(self: &Arc<Self>, lp: &Loop) -> Option<Registration> {
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
            Some(lp) => lp.parked(|| self.claim_from(id, registration, waker)),
            None => self.claim_from(id, registration, waker),
        }
    }

    fn claim_from(
        self: &Arc<Self>,
        id: u32,
        registration: Registration,
        waker: &Waker,
    ) -> Poll<()> {
        let mut parked = parked();
        let remote = Remote::of(id);
        let unclaimed = match (parked.loops.get_mut(&id), &remote) {
            (Some(lp), _) => {
                lp.claimed.push(registration);
                lp.unclaimed.remove(&registration)
            }
            (None, Some(remote)) => {
                let (this, wake) = (self.clone(), WakeOnDrop(waker.clone()));
                let owner = Owner::Loop(id, registration);
                // Under the lock, so that the loop finds the request when it parks.
                let refused = remote.request(move |lp| {
                    // Another flow may have claimed it before.
                    if this.owner() == owner {
                        lp.release(registration, move |unclaimed| {
                            this.leave(owner, &mut self::parked(), unclaimed);
                            drop(wake);
                        });
                    }
                });
                // Dropped without the lock: a waker is code of a user.
                drop(parked);
                drop(refused);
                return Poll::Pending;
            }
            (None, None) => None,
        };
        let owner = Owner::Loop(id, registration);
        self.leave(owner, &mut parked, unclaimed.unwrap_or_default());
        if remote.is_none() {
            parked.forget_loop(id);
        }
        Poll::Ready(())
    }

    /// Leaves `owner`, unless it has left before, with what was unclaimed there.
    fn leave(&self, owner: Owner, parked: &mut Parked, unclaimed: Unclaimed) {
        let mut flag = 0;
        if !unclaimed.is_empty() {
            let all = parked.descriptors.entry(self.address()).or_default();
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
        let mut parked = parked();
        let unclaimed = parked.descriptors.get_mut(&self.address())?;
        let result = f(unclaimed);
        if unclaimed.is_empty() {
            parked.descriptors.remove(&self.address());
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
            let unclaimed = parked().descriptors.remove(&self.address());
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

/// Forgets what a loop has parked for a descriptor that is gone.
struct ForgetOnDrop(u32, Registration);

impl Drop for ForgetOnDrop {
    fn drop(&mut self) {
        let unclaimed = {
            let mut parked = parked();
            let lp = parked.loops.get_mut(&self.0);
            lp.and_then(|lp| lp.unclaimed.remove(&self.1))
        };
        drop(unclaimed);
        forget_loop(self.0);
    }
}

/// Forgets a loop if it is gone, but for what may still be claimed.
pub(crate) fn forget_loop(id: u32) {
    let mut parked = parked();
    if Remote::of(id).is_none() {
        parked.forget_loop(id);
    }
}

/// Records that a loop with a completion driver exists and does not run yet.
pub(crate) fn announce(id: u32) {
    parked().loops.insert(id, ParkedLoop::default());
}

/// A socket that its loop is about to release, and who wants it.
pub(crate) struct Releasing {
    registration: Registration,
    token: Token,
    then: Box<dyn FnOnce(Unclaimed)>,
}

impl Loop {
    /// Has the flows that wait in a registration come again, and the driver told of the descriptor again.
    fn renew(&self, registration: Registration) {
        let fired = self.0.registry.borrow_mut().renew(registration);
        fired.wake();
    }

    /// Ends a registration, wakes whoever waits in it, and closes its descriptor.
    pub(crate) fn close(&self, registration: Registration, fd: OwnedFd) {
        let token = self.0.registry.borrow().token(registration);
        // The driver must forget the descriptor before its number can be used again.
        self.deregister(registration);
        match self.0.poller.borrow_mut().completion_driver().zip(token) {
            Some((driver, token)) => driver.close(token, fd),
            None => drop(fd),
        }
    }

    /// Gives a registration up. `then` is called with the completions of its socket, once the kernel is
    /// done with it.
    fn release(&self, registration: Registration, then: impl FnOnce(Unclaimed) + 'static) {
        let Some(token) = self.0.registry.borrow().token(registration) else {
            return then(Unclaimed::default());
        };
        self.0.releasing.borrow_mut().push(Releasing {
            registration,
            token,
            then: Box::new(then),
        });
        self.finish_releases();
    }

    /// Releases the sockets that the kernel is done with by now.
    pub(crate) fn finish_releases(&self) {
        let releasing = self.0.releasing.take();
        for one in releasing {
            let released =
                self.complete(one.registration, |driver, token| match token == one.token {
                    true => driver.release(token),
                    false => Some(Unclaimed::default()),
                });
            match released {
                Some(None) => self.0.releasing.borrow_mut().push(one),
                released => {
                    (one.then)(released.flatten().unwrap_or_default());
                    if self.0.registry.borrow().token(one.registration) == Some(one.token) {
                        self.deregister(one.registration);
                    }
                }
            }
        }
    }

    /// Calls `f` as if this loop did not run: with everything parked.
    fn parked<R>(&self, f: impl FnOnce() -> R) -> R {
        self.park();
        let result = f();
        self.unpark();
        result
    }

    /// Takes back what was parked, and forgets what was claimed.
    pub(crate) fn unpark(&self) {
        let Some(mine) = parked().loops.remove(&self.id()) else {
            return;
        };
        for registration in mine.claimed {
            // Nothing of it is in flight.
            self.complete(registration, |driver, token| drop(driver.release(token)));
            self.deregister(registration);
        }
        for (registration, unclaimed) in mine.unclaimed {
            self.complete(registration, |driver, token| {
                driver.restore(token, unclaimed);
            });
        }
    }

    /// Parks every completion.
    pub(crate) fn park(&self) {
        let unclaimed = match self.0.poller.borrow_mut().completion_driver() {
            Some(driver) => driver.quiesce(),
            None => return,
        };
        let mut mine = ParkedLoop::default();
        for (token, unclaimed) in unclaimed {
            let releasing = |one: &Releasing| one.token == token;
            let registration = self.0.registry.borrow().registration(token);
            match registration {
                Some(_) if self.0.releasing.borrow().iter().any(releasing) => {
                    if let Some(driver) = self.0.poller.borrow_mut().completion_driver() {
                        driver.restore(token, unclaimed);
                    }
                }
                Some(registration) => drop(mine.unclaimed.insert(registration, unclaimed)),
                None => {}
            }
        }
        // Nothing of them is in flight.
        self.finish_releases();
        parked().loops.insert(self.id(), mine);
        // A request that was not answered in time is dropped, which wakes the flow to look here.
        self.receive(|request| drop(request));
    }
}
