//! Other threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use switchboard_reactor::{Loop, Remote};

use crate::kit::{Bench, OnDrop, lock};

pub(crate) fn eight_threads(bench: &Bench) {
    const THREADS: usize = 8;
    const CALLS: usize = 1000;
    let seen = Arc::new(Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (remote, seen) = (bench.remote(), seen.clone());
            scope.spawn(move || {
                for nth in 0..CALLS {
                    let seen = seen.clone();
                    remote.call_soon(move || {
                        let mut seen = lock(&seen);
                        seen.push((thread, nth));
                        if seen.len() == THREADS * CALLS {
                            Loop::current().expect("this one").stop();
                        }
                    });
                }
            });
        }
        bench.run_forever().expect("a run");
    });
    for thread in 0..THREADS {
        let of = |&&(sender, _): &&(usize, usize)| sender == thread;
        let all = lock(&seen);
        let numbers = all.iter().filter(of).map(|(_, nth)| *nth);
        assert!(numbers.eq(0..CALLS), "in the order they were sent");
    }
}

pub(crate) fn a_thousand_wake_once(bench: &Bench) {
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..1000 {
        let count = count.clone();
        bench.remote().call_soon(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
    }
    bench.run_out();
    assert_eq!(count.load(Ordering::Relaxed), 1000);
    // One that takes them in, one that runs them.
    assert_eq!(bench.spy.turns(), 2);
    assert!(bench.turns_of_an_idle_run() <= 3);
}

pub(crate) fn ends_a_wait(bench: &Bench) {
    for _ in 0..20 {
        thread::scope(|scope| {
            let remote = bench.remote();
            scope.spawn(move || {
                remote.wake();
                remote.call_soon(|| Loop::current().expect("this one").stop());
            });
            bench.run_forever().expect("a run");
        });
    }
}

pub(crate) fn closures_of_a_loop_that_goes(bench: &Bench) {
    let value = Arc::new(());
    let other = bench.another();
    let remote = other.remote();
    let (kept, again, late) = (value.clone(), remote.clone(), value.clone());
    // What is dropped with the loop sends once more.
    let guard = OnDrop(move || {
        let late = late.clone();
        again.call_soon(move || drop(late));
    });
    remote.call_soon(move || drop((kept, guard)));
    assert_eq!(Arc::strong_count(&value), 3);
    drop(other);
    assert_eq!(Arc::strong_count(&value), 1);
}

pub(crate) fn after_the_loop_is_gone(bench: &Bench) {
    let remote = bench.another().remote();
    assert!(Remote::of(remote.id()).is_none());
    let value = Arc::new(());
    let ran = Arc::new(AtomicBool::new(false));
    for thread in [false, true] {
        let (own, kept, ran) = (remote.clone(), value.clone(), ran.clone());
        let send = move || {
            let last = own.clone();
            own.call_soon(move || {
                ran.store(true, Ordering::Relaxed);
                drop((kept, last));
            });
        };
        if thread {
            thread::spawn(send).join().expect("nothing happens");
        } else {
            send();
        }
        assert_eq!(Arc::strong_count(&value), 1);
    }
    remote.wake();
    assert!(!ran.load(Ordering::Relaxed));
}

pub(crate) fn from_the_loop_itself(bench: &Bench) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (remote, inner) = (bench.remote(), seen.clone());
    bench.call_soon(move || {
        let late = inner.clone();
        remote.call_soon(move || lock(&late).push("later"));
        lock(&inner).push("first");
    });
    bench.turn_now();
    assert_eq!(*lock(&seen), ["first"]);
    bench.run_out();
    assert_eq!(*lock(&seen), ["first", "later"]);
}

pub(crate) fn by_number(bench: &Bench) {
    let other = bench.another();
    assert_ne!(bench.id(), other.id());
    let id = bench.id();
    thread::spawn(move || {
        let remote = Remote::of(id).expect("it is there");
        assert_eq!(remote.id(), id);
        remote.call_soon(|| ());
    })
    .join()
    .expect("it sends");
    bench.run_out();
    assert_eq!(bench.spy.turns(), 2);
}
