//! Model checks of Switchboard's wake-ups, in every order of their steps.
//!
//! The checked files are those of the runtime. Their `crate::sync` is replaced by loom's types here.

#![allow(dead_code, reason = "the checks use a part of the files")]

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

    /// Two threads send to a loop that waits for notifications. The loop must receive both items; if it
    /// waited without a notification to come, the checker would report a deadlock.
    #[test]
    fn an_inbox_delivers_every_item() {
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

    /// An item sent to a loop that ends is either received or returned to its sender.
    #[test]
    fn a_closed_inbox_returns_items_to_the_sender() {
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

    /// A blocking flow waits until two other threads are done. Three threads have too many orders to check
    /// all, so the check covers those with at most three preemptions.
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
                parker.park(|notifier| {
                    let notifier = notifier.unwrap();
                    notifier.wait();
                    notifier.drain();
                });
            }
            wakers.into_iter().for_each(|waker| waker.join().unwrap());
        });
    }

    /// A flow that is cancelled while it is parked continues and ends.
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
                parker.park(|notifier| notifier.unwrap().wait());
            }
            canceller.join().unwrap();
        });
    }
}
