//! Switchboard's wake-ups, checked in every order that their steps can happen in.
//!
//! The files are the real ones; what they take from `crate::sync` is loom's here.

#![allow(dead_code, reason = "the models use a part of what loops use")]

#[path = "../../crates/reactor/src/inbox.rs"]
mod inbox;
#[path = "../../crates/runtime/src/blocking/parker.rs"]
mod parker;
mod sync;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::inbox::Inbox;
    use crate::parker::Parker;
    use crate::sync::{AtomicBool, NotifyFd, Ordering, thread};

    /// A loop that waits when nobody has rung, and two threads that send. It must see both items; one
    /// that waited for a ring that doesn't come would be a deadlock, which the checker reports.
    #[test]
    fn an_inbox_loses_nothing() {
        loom::model(|| {
            let shared = Arc::new((Inbox::new(), NotifyFd::new().unwrap()));
            let senders: Vec<_> = (0..2)
                .map(|item| {
                    let shared = shared.clone();
                    thread::spawn(move || shared.0.send(item, || shared.1.notify()))
                })
                .collect();
            let mut seen = Vec::new();
            while seen.len() < 2 {
                shared.1.wait();
                shared.1.drain();
                if shared.0.was_notified() {
                    shared.0.drain(&mut seen);
                }
            }
            for sender in senders {
                assert_eq!(sender.join().unwrap(), None);
            }
        });
    }

    /// A loop that goes: what is sent is either taken by it or comes back.
    #[test]
    fn an_inbox_that_closes_gives_back() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new());
            let other = inbox.clone();
            let sender = thread::spawn(move || other.send(7, || ()));
            let mut taken = Vec::new();
            while let Some(mut items) = inbox.drain_or_close() {
                taken.append(&mut items);
            }
            let back = sender.join().unwrap();
            assert_eq!(taken.len() + usize::from(back.is_some()), 1);
        });
    }

    /// A blocking flow whose future waits for two others to be done. With three threads there are more
    /// orders than patience: those with up to three switches that nobody asked for.
    #[test]
    fn a_parked_flow_is_woken() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let parker = Parker::new();
            let done = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
            let wakers: Vec<_> = (0..2)
                .map(|which| {
                    let (parker, done) = (parker.clone(), done.clone());
                    thread::spawn(move || {
                        done[which].store(true, Ordering::SeqCst);
                        parker.notify();
                    })
                })
                .collect();
            loop {
                parker.clear();
                if done.iter().all(|done| done.load(Ordering::SeqCst)) {
                    break;
                }
                parker.park(|bell| {
                    let bell = bell.unwrap();
                    bell.wait();
                    bell.drain();
                });
            }
            wakers.into_iter().for_each(|waker| waker.join().unwrap());
        });
    }

    /// Cancelled, it ends.
    #[test]
    fn a_parked_flow_is_cancelled() {
        loom::model(|| {
            let parker = Parker::new();
            let other = parker.clone();
            let canceller = thread::spawn(move || other.cancel());
            loop {
                parker.clear();
                if parker.is_cancelled() {
                    break;
                }
                parker.park(|bell| bell.unwrap().wait());
            }
            canceller.join().unwrap();
        });
    }
}
