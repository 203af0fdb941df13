//! Callbacks of descriptors.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::rc::Rc;

use rustix::net::{RecvFlags, SendFlags};
use switchboard_reactor::{Ready, Registration};

use crate::kit::{Bench, Log, OnDrop, drain, fill, lock, send, take, tcp, unix};

pub(crate) fn runs_until_drained(bench: &Bench) {
    let (here, there) = unix();
    let log = Log::new();
    let (watched, bytes) = (here.try_clone().expect("a duplicate"), log.clone());
    let registration = bench
        .add_reader(&here, move |ready: Ready| {
            assert!(ready.is_readable());
            if let Some(count) = take(&watched, 1) {
                bytes.add(count);
            }
        })
        .expect("a reader");
    bench.few_turns();
    assert_eq!(log.len(), 0);
    for round in 1..=2 {
        send(&there);
        bench.until(|| log.len() == 4 * round);
    }
    let events = || -> usize {
        let turns = lock(&bench.spy.turns);
        turns.iter().map(|turn| turn.events).sum()
    };
    let before = events();
    bench.few_turns();
    if bench.is_exact() {
        assert_eq!((before, events()), (8, 8));
    }
    bench.remove(registration);
    send(&there);
    bench.few_turns();
    assert_eq!(log.all(), [1; 8]);
}

pub(crate) fn removed_in_the_same_batch(bench: &Bench) {
    let pairs = [unix(), unix()];
    let registrations = Rc::new(RefCell::new(Vec::new()));
    let log = Log::new();
    for (nth, (here, there)) in pairs.iter().enumerate() {
        let (lp, all, log) = (bench.lp.clone(), registrations.clone(), log.clone());
        let registration = bench.add_reader(here, move |_| {
            let all: &RefCell<Vec<Registration>> = &all;
            lp.remove(all.borrow()[1 - nth]);
            log.add(nth);
        });
        registrations
            .borrow_mut()
            .push(registration.expect("a reader"));
        send(there);
    }
    bench.until(|| log.len() > 0);
    bench.few_turns();
    let first = log.all()[0];
    assert!(log.all().iter().all(|&nth| nth == first));
    bench.remove(registrations.take()[first]);
    bench.run_out();
}

pub(crate) fn a_slot_reused_in_the_batch(bench: &Bench) {
    let pairs = [unix(), unix()];
    let fresh = [unix(), unix()];
    let log = Log::new();
    let registrations = Rc::new(RefCell::new(Vec::new()));
    for (here, there) in &pairs {
        let (lp, all, log) = (bench.lp.clone(), registrations.clone(), log.clone());
        let fresh = fresh
            .each_ref()
            .map(|(here, _)| here.try_clone().expect("a duplicate"));
        let registration = bench.add_reader(here, move |_| {
            log.add("old");
            all.take()
                .into_iter()
                .for_each(|registration| lp.remove(registration));
            // These take the places of both; nothing has arrived for them.
            for here in &fresh {
                let log = log.clone();
                let registration = lp.add_reader(here, move |_| log.add("new"));
                all.borrow_mut().push(registration.expect("a reader"));
            }
        });
        registrations
            .borrow_mut()
            .push(registration.expect("a reader"));
        send(there);
    }
    let mut old: Vec<Registration> = registrations.borrow().iter().copied().collect();
    bench.until(|| log.len() > 0);
    let mut new: Vec<Registration> = registrations.borrow().iter().copied().collect();
    old.sort_by_key(|registration| format!("{registration:?}"));
    new.sort_by_key(|registration| format!("{registration:?}"));
    assert_eq!(old, new);
    assert_eq!(log.all(), ["old"]);
}

pub(crate) fn a_writer_runs_while_there_is_room(bench: &Bench) {
    let (here, there) = unix();
    let log = Log::new();
    let (full, ran) = (here.try_clone().expect("a duplicate"), log.clone());
    let registration = bench
        .add_writer(&here, move |ready| {
            assert!(ready.is_writable());
            ran.add(());
            fill(&full);
        })
        .expect("a writer");
    bench.until(|| log.len() == 1);
    bench.few_turns();
    if bench.is_exact() {
        assert_eq!(log.len(), 1);
    }
    let before = log.len();
    drain(&there);
    bench.until(|| log.len() > before);
    bench.remove(registration);
    bench.run_out();
}

pub(crate) fn both_directions_of_one_descriptor(bench: &Bench) {
    let (here, there) = unix();
    let log = Log::new();
    let count = |what| log.all().iter().filter(|&&one| one == what).count();
    let add = |write: bool| {
        let seen = log.clone();
        let registration = if write {
            bench.add_writer(&here, move |_| seen.add("write"))
        } else {
            bench.add_reader(&here, move |_| seen.add("read"))
        };
        registration.expect("a callback")
    };
    send(&there);
    // Whichever goes, the other stays; and it may come back.
    let mut registrations = [add(false), add(true)];
    for _ in 0..2 {
        for leaves in [1, 0] {
            let stays = ["write", "read"][leaves];
            let (reads, writes) = (count("read"), count("write"));
            bench.until(|| count("read") > reads && count("write") > writes);
            bench.remove(registrations[leaves]);
            let before = (count(stays), log.len());
            bench.until(|| count(stays) > before.0 + 2);
            assert_eq!(count(stays) - before.0, log.len() - before.1);
            registrations[leaves] = add(leaves == 1);
        }
    }
    registrations
        .into_iter()
        .for_each(|registration| bench.remove(registration));
    bench.run_out();
}

pub(crate) fn a_reader_is_replaced(bench: &Bench) {
    let (here, there) = unix();
    let log = Log::new();
    let value = Rc::new(());
    let (kept, lp, seen) = (value.clone(), bench.lp.clone(), log.clone());
    let guard = OnDrop(move || {
        // What is replaced may use the loop as it goes.
        lp.call_soon(seen.adds("dropped"));
    });
    let seen = log.clone();
    let old = bench.add_reader(&here, move |_| {
        let _owned = (&kept, &guard);
        seen.add("old");
    });
    send(&there);
    let seen = log.clone();
    let new = bench.add_reader(&here, move |_| seen.add("new"));
    assert_eq!(Rc::strong_count(&value), 1);
    let (old, new) = (old.expect("a reader"), new.expect("a reader"));
    assert_eq!(old, new);
    bench.until(|| log.len() > 2);
    assert_eq!(log.all()[..3], ["dropped", "new", "new"]);
    // There was only one to remove.
    bench.remove(new);
    bench.run_out();
}

pub(crate) fn a_reader_replaces_itself(bench: &Bench) {
    let (here, there) = unix();
    let (lp, again) = (bench.lp.clone(), here.try_clone().expect("a duplicate"));
    // The same number, since the duplicate is another.
    let here = Rc::new(here);
    let log = Log::new();
    let (fd, seen) = (here.clone(), log.clone());
    let registration = bench
        .add_reader(&*here, move |_| {
            seen.add("first");
            let (seen, again) = (seen.clone(), again.try_clone().expect("a duplicate"));
            let next = lp.add_reader(&*fd, move |_| {
                if take(&again, 8).is_some() {
                    seen.add("second");
                }
            });
            next.expect("a reader");
        })
        .expect("a reader");
    send(&there);
    bench.until(|| log.len() == 2);
    assert_eq!(log.all(), ["first", "second"]);
    bench.remove(registration);
    bench.run_out();
}

pub(crate) fn out_of_band(bench: &Bench) {
    let (here, there) = tcp();
    let log = Log::new();
    let (watched, seen) = (here.try_clone().expect("a duplicate"), log.clone());
    let registration = bench
        .add_priority(&here, move |ready| {
            assert!(ready.contains(Ready::PRIORITY));
            let mut byte = [0];
            if rustix::net::recv(&watched, &mut byte, RecvFlags::OOB).is_ok() {
                seen.add(byte[0]);
            }
        })
        .expect("a watch");
    send(&there);
    bench.few_turns();
    assert_eq!(log.len(), 0);
    for byte in *b"!?" {
        let before = log.len();
        assert_eq!(rustix::net::send(&there, &[byte], SendFlags::OOB), Ok(1));
        bench.until(|| log.len() > before);
    }
    bench.few_turns();
    assert_eq!(log.all(), b"!?");
    bench.remove(registration);
    bench.run_out();
}

pub(crate) fn the_end_of_input(bench: &Bench) {
    let (here, there) = unix();
    let own: Rc<Cell<Option<Registration>>> = Rc::default();
    let log = Log::new();
    let (lp, watched) = (bench.lp.clone(), here.try_clone().expect("a duplicate"));
    let (seen, registration) = (log.clone(), own.clone());
    let added = bench.add_reader(&here, move |_| {
        let Some(count) = take(&watched, 3) else {
            return;
        };
        seen.add(count);
        if count == 0 {
            lp.remove(registration.take().expect("itself"));
        }
    });
    own.set(Some(added.expect("a reader")));
    send(&there);
    drop(there);
    bench.run_out();
    assert_eq!(log.all(), [3, 1, 0]);
}

pub(crate) fn what_a_removed_callback_owns_may_use_the_loop(bench: &Bench) {
    let [(one, _one), (two, _two)] = [unix(), unix()];
    let second = bench.add_reader(&two, |_| ()).expect("a reader");
    let lp = bench.lp.clone();
    let guard = OnDrop(move || lp.remove(second));
    let first = bench.add_reader(&one, move |_| {
        let _owned = &guard;
    });
    bench.remove(first.expect("a reader"));
    bench.run_out();
}

/// Some kernels don't watch plain files; then nothing is left behind.
pub(crate) fn refused_by_the_driver(bench: &Bench) {
    let file = File::open(std::env::current_exe().expect("a path")).expect("this very file");
    let lp = bench.lp.clone();
    let value = Rc::new(());
    let kept = value.clone();
    let guard = OnDrop(move || {
        lp.call_soon(|| ());
    });
    let added = bench.add_reader(&file, move |_| {
        let _owned = (&kept, &guard);
    });
    if let Ok(registration) = added {
        bench.remove(registration);
    }
    assert_eq!(Rc::strong_count(&value), 1);
    bench.run_out();
}

/// Everything that is sent arrives, whoever comes and goes.
pub(crate) fn random_traffic(bench: &Bench) {
    const PAIRS: usize = 10;
    let rng = Rc::new(RefCell::new(fastrand::Rng::with_seed(bench.seed)));
    let pairs: Vec<_> = (0..PAIRS).map(|_| unix()).collect();
    let got = Rc::new(Cell::new(0));
    let mut registrations: [Option<Registration>; PAIRS] = [None; PAIRS];
    let mut sent = 0;
    let watch = |nth: usize| {
        let watched = pairs[nth].0.try_clone().expect("a duplicate");
        let (rng, got) = (rng.clone(), got.clone());
        let registration = bench.add_reader(&pairs[nth].0, move |_| {
            let limit = rng.borrow_mut().usize(1..8);
            got.set(got.get() + take(&watched, limit).unwrap_or(0));
        });
        registration.expect("a reader")
    };
    for _ in 0..1000 {
        let nth = rng.borrow_mut().usize(..PAIRS);
        match rng.borrow_mut().u8(..4) {
            0 => {
                send(&pairs[nth].1);
                sent += 4;
            }
            1 => {
                if let Some(registration) = registrations[nth].take() {
                    bench.remove(registration);
                }
            }
            _ => registrations[nth] = Some(watch(nth)),
        }
        bench.turn_now();
    }
    let registrations: Vec<Registration> = (0..PAIRS).map(watch).collect();
    bench.until(|| got.get() == sent);
    registrations
        .into_iter()
        .for_each(|registration| bench.remove(registration));
    bench.run_out();
    assert_eq!(lock(&bench.spy.panics).len(), 0);
}
