//! Descriptors that flows on several loops wait for at the same time.
//!
//! Ownership would go back and forth between such loops, since each release wakes the flows of the last owner,
//! which claim the descriptor again. A descriptor is therefore *shared* once it was claimed while flows waited
//! for it on its owner, and stays so. It has no owner then: each loop has a registration of its own, waits for
//! readiness and leaves the bytes in the socket, where the flow that is first finds them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{BY_READINESS, Descriptor, FLAGS, Owner, SHARED};
use crate::event_loop::Loop;
use crate::event_loop::registry::Registration;
use crate::event_loop::remote::{Remote, completes};
use crate::event_loop::sockets::Sockets;
use crate::event_loop::unclaimed::table;

impl Descriptor {
    /// Returns whether each loop has a registration of its own.
    pub fn is_shared(&self) -> bool {
        self.owner.load(Ordering::Acquire) & SHARED != 0
    }

    /// Returns the registration of this shared descriptor on the loop `id`.
    #[cold]
    pub(super) fn shared_registration(&self, id: u32) -> Option<Registration> {
        let table = table();
        let all = table.shared.get(&self.address())?;
        all.iter()
            .find(|(lp, _)| *lp == id)
            .map(|(_, registration)| *registration)
    }

    /// Adds the registration of another loop to this shared descriptor, and removes those of loops that were dropped.
    #[cold]
    pub(super) fn share_with(&self, id: u32, registration: Registration) {
        let all = table().shared.get(&self.address()).cloned();
        let dropped = |id: &u32| Remote::of(*id).is_none();
        let loops = all.into_iter().flatten().map(|(id, _)| id);
        // Without the lock of the table, since the last handle of a loop may end here.
        let dropped: Vec<u32> = loops.filter(dropped).collect();
        let mut table = table();
        let all = table.shared.entry(self.address()).or_default();
        all.retain(|(id, _)| !dropped.contains(id));
        all.push((id, registration));
    }

    /// Shares the descriptor, with the registration that the loop `id` had before another loop became the
    /// owner. Returns false, and changes nothing, if the new owner has a completion driver: it has to release
    /// the descriptor first.
    pub(super) fn share(&self, id: u32, registration: Registration) -> bool {
        let mut table = table();
        let update = |word: u64| match Owner::decode(word) {
            Owner::Loop(id, _) if completes(id) => None,
            _ => Some(word & FLAGS | SHARED | BY_READINESS),
        };
        let Ok(word) = self
            .owner
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, update)
        else {
            return false;
        };
        let all = table.shared.entry(self.address()).or_default();
        if let Owner::Loop(owner, current) = Owner::decode(word) {
            all.push((owner, current));
        }
        all.push((id, registration));
        true
    }

    /// Ends the registrations of a shared descriptor, and closes it when the last of them has ended.
    pub(super) fn close_shared(&mut self) {
        let all = table().shared.remove(&self.address());
        let fd = Arc::new(self.fd.take());
        for (id, registration) in all.into_iter().flatten() {
            let here = Loop::with_current(|lp| {
                let lp = lp.filter(|lp| lp.id() == id)?;
                lp.deregister(registration);
                Some(())
            });
            if here.is_none()
                && let Some(remote) = Remote::of(id)
            {
                let fd = fd.clone();
                remote.call_soon(move || {
                    Loop::with_current(|lp| lp.map(|lp| lp.deregister(registration)));
                    drop(fd);
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use switchboard_driver::Driver;

    use super::*;

    #[test]
    fn registrations_of_loops_that_were_dropped_are_forgotten() {
        let (stream, _peer) = UnixStream::pair().unwrap();
        let descriptor = Arc::new(Descriptor::new(OwnedFd::from(stream)));
        descriptor
            .owner
            .store(SHARED | BY_READINESS, Ordering::Release);
        let kept = Loop::new(Driver::Poll).unwrap();
        descriptor.register_on(&kept).unwrap();
        for _ in 0..100 {
            let lp = Loop::new(Driver::Poll).unwrap();
            descriptor.register_on(&lp).unwrap();
        }
        let loops = table().shared[&descriptor.address()].len();
        assert_eq!(loops, 2, "the one that is kept, and the last one");
        assert!(descriptor.registered_on(&kept).is_some());
    }
}
