//! Checks of the parking of blocking flows.

use std::sync::Arc;

use loom::thread;

use crate::parker::Parker;
use crate::sync::{AtomicBool, Ordering};

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
