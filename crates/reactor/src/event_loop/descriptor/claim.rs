//! Claims: a flow elsewhere takes a descriptor from the loop that has its completions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use switchboard_driver::{Completions, Unclaimed};

use super::{BY_READINESS, Descriptor, FLAGS, Owner, SHARED, UNCLAIMED};
use crate::event_loop::Loop;
use crate::event_loop::registry::Registration;
use crate::event_loop::remote::{Remote, completes};
use crate::event_loop::unclaimed::{self, Table, table};

impl Descriptor {
    /// Waits until a flow may use this descriptor on the loop `here`, or without a loop. If another loop with
    /// a completion driver owns the descriptor, this method asks that loop to release it and returns
    /// `Pending`; `waker` is woken after the release.
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
            // A blocking flow within a task: its loop cannot answer a request while the flow blocks.
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
        // Read again under the lock: another flow may have claimed the descriptor meanwhile, and the number
        // of the registration may be another descriptor's.
        let owner = Owner::Loop(id, registration);
        if self.owner() != owner {
            waker.wake_by_ref();
            return Poll::Pending;
        }
        let remote = Remote::of(id);
        let unclaimed = match (table.loops.get_mut(&id), &remote) {
            (Some(lp), _) => {
                lp.claimed.push(registration);
                lp.unclaimed.remove(&registration)
            }
            (None, Some(remote)) => {
                let (this, wake) = (self.clone(), WakeOnDrop(waker.clone()));
                // Sent under the lock, so that a loop that stops finds the request after it has stored its
                // completions.
                let refused = remote.request(move |lp| {
                    // Another flow may have claimed the descriptor before.
                    if this.owner() == owner {
                        let flags = match lp.has_waiters(registration) {
                            true => SHARED | BY_READINESS,
                            false => 0,
                        };
                        lp.release(registration, move |unclaimed| {
                            this.end_ownership(owner, &mut unclaimed::table(), unclaimed, flags);
                            drop(wake);
                        });
                    }
                });
                // Dropped after the lock, because a waker is code of a user.
                drop(table);
                drop(refused);
                return Poll::Pending;
            }
            (None, None) => None,
        };
        self.end_ownership(owner, &mut table, unclaimed.unwrap_or_default(), 0);
        if remote.is_none() {
            table.forget_loop(id);
        }
        Poll::Ready(())
    }

    /// Removes the owner and sets `flags`, if it is still `owner`, and puts the completions from there into
    /// the table.
    fn end_ownership(&self, owner: Owner, table: &mut Table, unclaimed: Unclaimed, flags: u64) {
        let mut flag = 0;
        if !unclaimed.is_empty() {
            let all = table.descriptors.entry(self.address()).or_default();
            all.append(unclaimed);
            flag = UNCLAIMED;
        }
        let update = |old: u64| {
            let now = match Owner::decode(old) == owner {
                true => Owner::Nobody.encode() | old & FLAGS | flags,
                false => old,
            };
            Some(now | flag)
        };
        let _ = self
            .owner
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, update);
    }
}

/// A guard that wakes the flow that claims a descriptor when its request is answered or dropped.
struct WakeOnDrop(Waker);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}
