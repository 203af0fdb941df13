//! Access to a loop from other threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use switchboard_reactor::{Loop, Remote};

use crate::support::{Fixture, OnDrop, lock};

pub(crate) fn the_calls_of_each_thread_run_in_order(fixture: &Fixture) {
    const THREADS: usize = 8;
    const CALLS: usize = 1000;
    let seen = Arc::new(Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (remote, seen) = (fixture.remote(), seen.clone());
            scope.spawn(move || {
                for nth in 0..CALLS {
                    let seen = seen.clone();
                    remote.call_soon(move || {
                        let mut seen = lock(&seen);
                        seen.push((thread, nth));
                        if seen.len() == THREADS * CALLS {
                            Loop::current().expect("a loop runs on this thread").stop();
                        }
                    });
                }
            });
        }
        fixture.run_forever().expect("the run succeeds");
    });
    for thread in 0..THREADS {
        let of = |&&(sender, _): &&(usize, usize)| sender == thread;
        let all = lock(&seen);
        let numbers = all.iter().filter(of).map(|(_, nth)| *nth);
        assert!(numbers.eq(0..CALLS), "in the order they were sent");
    }
}

pub(crate) fn a_thousand_calls_end_one_wait(fixture: &Fixture) {
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..1000 {
        let count = count.clone();
        fixture.remote().call_soon(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
    }
    fixture.run_to_the_end();
    assert_eq!(count.load(Ordering::Relaxed), 1000);
    // One turn receives the calls, the next runs them.
    assert_eq!(fixture.recorder.turns(), 2);
    assert!(fixture.turns_of_an_idle_run() <= 3);
}

pub(crate) fn a_remote_handle_ends_a_wait(fixture: &Fixture) {
    for _ in 0..20 {
        thread::scope(|scope| {
            let remote = fixture.remote();
            scope.spawn(move || {
                remote.wake();
                remote.call_soon(|| Loop::current().expect("a loop runs on this thread").stop());
            });
            fixture.run_forever().expect("the run succeeds");
        });
    }
}

pub(crate) fn dropping_a_loop_drops_its_remote_calls(fixture: &Fixture) {
    let value = Arc::new(());
    let other = fixture.another_loop();
    let remote = other.remote();
    let (kept, again, late) = (value.clone(), remote.clone(), value.clone());
    // The destructor of a call sends another call.
    let guard = OnDrop(move || {
        let late = late.clone();
        again.call_soon(move || drop(late));
    });
    remote.call_soon(move || drop((kept, guard)));
    assert_eq!(Arc::strong_count(&value), 3);
    drop(other);
    assert_eq!(Arc::strong_count(&value), 1);
}

pub(crate) fn calls_to_a_dropped_loop_are_dropped(fixture: &Fixture) {
    let remote = fixture.another_loop().remote();
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
            thread::spawn(send).join().expect("the thread ends");
        } else {
            send();
        }
        assert_eq!(Arc::strong_count(&value), 1);
    }
    remote.wake();
    assert!(!ran.load(Ordering::Relaxed));
}

pub(crate) fn a_remote_call_of_the_loop_itself_runs_later(fixture: &Fixture) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (remote, inner) = (fixture.remote(), seen.clone());
    fixture.call_soon(move || {
        let late = inner.clone();
        remote.call_soon(move || lock(&late).push("later"));
        lock(&inner).push("first");
    });
    fixture.run_turn();
    assert_eq!(*lock(&seen), ["first"]);
    fixture.run_to_the_end();
    assert_eq!(*lock(&seen), ["first", "later"]);
}

pub(crate) fn a_loop_is_found_by_its_number(fixture: &Fixture) {
    let other = fixture.another_loop();
    assert_ne!(fixture.id(), other.id());
    let id = fixture.id();
    thread::spawn(move || {
        let remote = Remote::of(id).expect("the loop exists");
        assert_eq!(remote.id(), id);
        remote.call_soon(|| ());
    })
    .join()
    .expect("the thread sends");
    fixture.run_to_the_end();
    assert_eq!(fixture.recorder.turns(), 2);
}
