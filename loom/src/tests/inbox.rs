//! Checks of the inbox through which other threads reach a loop.

use std::sync::Arc;

use loom::thread;

use crate::inbox::Inbox;
use crate::sync::{AtomicBool, NotifyFd, Ordering};

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

/// Two threads wake one task of a loop, each after it has set a flag. The second of two equal wakes is left
/// out, and yet the loop must poll the task after each flag was set; if it waited without a notification to
/// come, the checker would report a deadlock. The flags are relaxed, so the inbox must order them.
#[test]
fn a_wake_that_repeats_the_last_one_is_not_lost() {
    loom::model(|| {
        let shared = Arc::new((Inbox::new(), NotifyFd::new().unwrap()));
        let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let wakers: Vec<_> = (0..2)
            .map(|which| {
                let (shared, flags) = (shared.clone(), flags.clone());
                thread::spawn(move || {
                    flags[which].store(true, Ordering::Relaxed);
                    let (inbox, notifier) = &*shared;
                    inbox.send_unless(|last| *last == "wake", "wake", || notifier.notify());
                })
            })
            .collect();
        let (inbox, notifier) = &*shared;
        let (mut wakes, mut finished) = (0, false);
        while !finished {
            notifier.wait();
            notifier.drain();
            if inbox.was_notified() {
                let mut received = Vec::new();
                inbox.drain(&mut received);
                for _wake in received {
                    wakes += 1;
                    finished = flags.iter().all(|flag| flag.load(Ordering::Relaxed));
                }
            }
        }
        assert!(wakes <= 2);
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
    });
}
