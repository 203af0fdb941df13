//! Wake-ups from other threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use switchboard_driver::{Driver, Interest, Ready};

use crate::kit::{A, Bench, send, unix};

const WHILE: Duration = Duration::from_millis(20);

/// A wait without a timeout, which only the notifier can end, with no event of its own.
fn is_woken(bench: &mut Bench) {
    let mut events = Vec::new();
    bench.poller.wait(&mut events, None).expect("a wait");
    assert_eq!(events, []);
}

pub(crate) fn before_a_wait(driver: Driver) {
    let mut bench = Bench::new(driver);
    let notifier = bench.poller.notifier();
    for _ in 0..3 {
        notifier.clone().notify();
        is_woken(&mut bench);
        bench.lasts(WHILE);
    }
}

pub(crate) fn during_a_wait(driver: Driver) {
    let mut bench = Bench::new(driver);
    let notifier = bench.poller.notifier();
    for _ in 0..20 {
        thread::scope(|scope| {
            scope.spawn(|| notifier.notify());
            is_woken(&mut bench);
        });
    }
    bench.lasts(WHILE);
}

pub(crate) fn a_thousand_are_one(driver: Driver) {
    let mut bench = Bench::new(driver);
    let notifier = bench.poller.notifier();
    for _ in 0..1000 {
        notifier.notify();
    }
    is_woken(&mut bench);
    bench.lasts(WHILE);
}

pub(crate) fn beside_an_event(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, there) = unix();
    bench.register(&here, A, Interest::READ);
    send(&there);
    for _ in 0..3 {
        bench.poller.notifier().notify();
        assert!(bench.find(A, Ready::is_readable).contains(Ready::READ));
    }
}

/// Four threads say something and wake; the waiting one hears all of it.
pub(crate) fn none_is_lost(driver: Driver) {
    let mut bench = Bench::new(driver);
    let notifier = bench.poller.notifier();
    let said = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    said.fetch_add(1, Ordering::Release);
                    notifier.notify();
                }
            });
        }
        while said.load(Ordering::Acquire) < 4000 {
            is_woken(&mut bench);
        }
    });
}

pub(crate) fn outlives_the_poller(driver: Driver) {
    let bench = Bench::new(driver);
    let notifier = bench.poller.notifier();
    notifier.notify();
    drop(bench);
    notifier.notify();
    thread::spawn(move || notifier.clone().notify())
        .join()
        .expect("nothing happens");
}
