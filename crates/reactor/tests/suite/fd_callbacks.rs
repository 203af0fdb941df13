//! Callbacks of descriptors.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags};
use switchboard_reactor::plumbing::Sockets;
use switchboard_reactor::{CallbackKey, Direction, Ready};

use crate::support::{
    Fixture, Log, OnDrop, WakeCounter, drain, fill, lock, send, take, tcp_pair, unix_pair,
};

pub(crate) fn a_reader_runs_until_its_descriptor_is_drained(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let log = Log::new();
    let (watched, bytes) = (
        here.try_clone().expect("the descriptor is duplicated"),
        log.clone(),
    );
    let registration = fixture
        .add_reader(&here, move |ready: Ready| {
            assert!(ready.is_readable());
            if let Some(count) = take(&watched, 1) {
                bytes.add(count);
            }
        })
        .expect("adding a reader succeeds");
    fixture.run_some_turns();
    assert_eq!(log.len(), 0);
    for round in 1..=2 {
        send(&there);
        fixture.run_turns_until(|| log.len() == 4 * round);
    }
    let events = || -> usize {
        let turns = lock(&fixture.recorder.turns);
        turns.iter().map(|turn| turn.events).sum()
    };
    let before = events();
    fixture.run_some_turns();
    if fixture.is_exact() {
        assert_eq!((before, events()), (8, 8));
    }
    fixture.remove(registration).expect("the callback is there");
    send(&there);
    fixture.run_some_turns();
    assert_eq!(log.all(), [1; 8]);
}

pub(crate) fn a_callback_removed_in_the_same_turn_does_not_run(fixture: &Fixture) {
    let pairs = [unix_pair(), unix_pair()];
    let registrations = Rc::new(RefCell::new(Vec::new()));
    let log = Log::new();
    for (nth, (here, there)) in pairs.iter().enumerate() {
        let (lp, all, log) = (fixture.lp.clone(), registrations.clone(), log.clone());
        let registration = fixture.add_reader(here, move |_| {
            let all: &RefCell<Vec<CallbackKey>> = &all;
            lp.remove(all.borrow()[1 - nth])
                .expect("the callback is there");
            log.add(nth);
        });
        registrations
            .borrow_mut()
            .push(registration.expect("adding a reader succeeds"));
        send(there);
    }
    fixture.run_turns_until(|| log.len() > 0);
    fixture.run_some_turns();
    let first = log.all()[0];
    assert!(log.all().iter().all(|&nth| nth == first));
    fixture
        .remove(registrations.take()[first])
        .expect("the callback is there");
    fixture.run_to_the_end();
}

pub(crate) fn a_turn_within_a_callback_does_not_call_it_again(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let (log, lp) = (Log::new(), fixture.lp.clone());
    let (watched, within) = (
        here.try_clone().expect("the descriptor is duplicated"),
        log.clone(),
    );
    let registration = fixture.add_reader(&here, move |_| {
        within.add("begin");
        lp.turn(Some(Duration::ZERO)).expect("a turn succeeds");
        within.add("end");
        take(&watched, 1);
    });
    send(&there);
    fixture.run_turns_until(|| log.len() == 8);
    // Four bytes were sent, and each call takes one.
    assert_eq!(log.all(), ["begin", "end"].repeat(4));
    let registration = registration.expect("adding a reader succeeds");
    fixture.remove(registration).expect("the callback is there");
    fixture.run_to_the_end();
}

pub(crate) fn an_event_of_an_ended_registration_is_ignored(fixture: &Fixture) {
    let pairs = [unix_pair(), unix_pair()];
    let fresh = [unix_pair(), unix_pair()];
    let log = Log::new();
    let registrations = Rc::new(RefCell::new(Vec::new()));
    for (here, there) in &pairs {
        let (lp, all, log) = (fixture.lp.clone(), registrations.clone(), log.clone());
        let fresh = fresh
            .each_ref()
            .map(|(here, _)| here.try_clone().expect("the descriptor is duplicated"));
        let registration = fixture.add_reader(here, move |_| {
            log.add("old");
            all.take()
                .into_iter()
                .for_each(|registration| lp.remove(registration).expect("the callback is there"));
            // The new registrations reuse the places of both old ones; their sockets have received nothing.
            for here in &fresh {
                let log = log.clone();
                let registration = lp.add_reader(here, move |_| log.add("new"));
                all.borrow_mut()
                    .push(registration.expect("adding a reader succeeds"));
            }
        });
        registrations
            .borrow_mut()
            .push(registration.expect("adding a reader succeeds"));
        send(there);
    }
    let mut old: Vec<CallbackKey> = registrations.borrow().iter().copied().collect();
    fixture.run_turns_until(|| log.len() > 0);
    let mut new: Vec<CallbackKey> = registrations.borrow().iter().copied().collect();
    // A key is printed with its place, and a number that no other key has.
    let place = |key: &CallbackKey| format!("{key:?}").split('.').next().map(str::to_owned);
    old.sort_by_key(place);
    new.sort_by_key(place);
    assert!(old.iter().map(place).eq(new.iter().map(place)));
    assert!(old.iter().all(|key| !new.contains(key)));
    assert_eq!(log.all(), ["old"]);
}

pub(crate) fn a_writer_runs_while_its_descriptor_is_writable(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let log = Log::new();
    let (full, ran) = (
        here.try_clone().expect("the descriptor is duplicated"),
        log.clone(),
    );
    let registration = fixture
        .add_writer(&here, move |ready| {
            assert!(ready.is_writable());
            ran.add(());
            fill(&full);
        })
        .expect("adding a writer succeeds");
    fixture.run_turns_until(|| log.len() == 1);
    fixture.run_some_turns();
    if fixture.is_exact() {
        assert_eq!(log.len(), 1);
    }
    let before = log.len();
    drain(&there);
    fixture.run_turns_until(|| log.len() > before);
    fixture.remove(registration).expect("the callback is there");
    fixture.run_to_the_end();
}

pub(crate) fn each_direction_of_a_descriptor_has_a_callback(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let log = Log::new();
    let count = |what| log.all().iter().filter(|&&one| one == what).count();
    let add = |write: bool| {
        let seen = log.clone();
        let registration = if write {
            fixture.add_writer(&here, move |_| seen.add("write"))
        } else {
            fixture.add_reader(&here, move |_| seen.add("read"))
        };
        registration.expect("adding a callback succeeds")
    };
    send(&there);
    // Each callback can be removed and added again without affecting the other.
    let mut registrations = [add(false), add(true)];
    for _ in 0..2 {
        for leaves in [1, 0] {
            let stays = ["write", "read"][leaves];
            let (reads, writes) = (count("read"), count("write"));
            fixture.run_turns_until(|| count("read") > reads && count("write") > writes);
            fixture
                .remove(registrations[leaves])
                .expect("the callback is there");
            let before = (count(stays), log.len());
            fixture.run_turns_until(|| count(stays) > before.0 + 2);
            assert_eq!(count(stays) - before.0, log.len() - before.1);
            registrations[leaves] = add(leaves == 1);
        }
    }
    registrations
        .into_iter()
        .for_each(|registration| fixture.remove(registration).expect("the callback is there"));
    fixture.run_to_the_end();
}

pub(crate) fn a_second_reader_replaces_the_first(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let log = Log::new();
    let value = Rc::new(());
    let (kept, lp, seen) = (value.clone(), fixture.lp.clone(), log.clone());
    let guard = OnDrop(move || {
        // A replaced callback may use the loop when it is dropped.
        lp.call_soon(seen.adds("dropped"));
    });
    let seen = log.clone();
    let old = fixture.add_reader(&here, move |_| {
        let _owned = (&kept, &guard);
        seen.add("old");
    });
    send(&there);
    let seen = log.clone();
    let new = fixture.add_reader(&here, move |_| seen.add("new"));
    assert_eq!(Rc::strong_count(&value), 1);
    let (old, new) = (
        old.expect("adding a reader succeeds"),
        new.expect("adding a reader succeeds"),
    );
    // The old key is not the new reader's.
    let error = fixture
        .remove(old)
        .expect_err("the old reader was replaced");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    fixture.run_turns_until(|| log.len() > 2);
    assert_eq!(log.all()[..3], ["dropped", "new", "new"]);
    // The replaced reader is not registered any more, so this ends the run.
    fixture.remove(new).expect("the callback is there");
    fixture.run_to_the_end();
}

pub(crate) fn a_reader_can_replace_itself(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let (lp, again) = (
        fixture.lp.clone(),
        here.try_clone().expect("the descriptor is duplicated"),
    );
    // The reader is replaced by the same number; the duplicate is for reading only.
    let here = Rc::new(here);
    let log = Log::new();
    let (fd, seen) = (here.clone(), log.clone());
    let second: Rc<Cell<Option<CallbackKey>>> = Rc::default();
    let added = second.clone();
    let registration = fixture
        .add_reader(&*here, move |_| {
            seen.add("first");
            let (seen, again) = (
                seen.clone(),
                again.try_clone().expect("the descriptor is duplicated"),
            );
            let next = lp.add_reader(&*fd, move |_| {
                if take(&again, 8).is_some() {
                    seen.add("second");
                }
            });
            added.set(Some(next.expect("adding a reader succeeds")));
        })
        .expect("adding a reader succeeds");
    send(&there);
    fixture.run_turns_until(|| log.len() == 2);
    assert_eq!(log.all(), ["first", "second"]);
    assert!(fixture.remove(registration).is_err());
    let second = second.take().expect("the reader replaced itself");
    fixture.remove(second).expect("the callback is there");
    fixture.run_to_the_end();
}

pub(crate) fn out_of_band_data_runs_the_priority_callback(fixture: &Fixture) {
    let (here, there) = tcp_pair();
    let log = Log::new();
    let (watched, seen) = (
        here.try_clone().expect("the descriptor is duplicated"),
        log.clone(),
    );
    let registration = fixture
        .add_priority(&here, move |ready| {
            assert!(ready.contains(Ready::PRIORITY));
            let mut byte = [0];
            if rustix::net::recv(&watched, &mut byte, RecvFlags::OOB).is_ok() {
                seen.add(byte[0]);
            }
        })
        .expect("adding a callback succeeds");
    send(&there);
    fixture.run_some_turns();
    assert_eq!(log.len(), 0);
    for byte in *b"!?" {
        let before = log.len();
        assert_eq!(rustix::net::send(&there, &[byte], SendFlags::OOB), Ok(1));
        fixture.run_turns_until(|| log.len() > before);
    }
    fixture.run_some_turns();
    assert_eq!(log.all(), b"!?");
    fixture.remove(registration).expect("the callback is there");
    fixture.run_to_the_end();
}

pub(crate) fn a_second_removal_is_an_error_and_affects_no_other(fixture: &Fixture) {
    let [(one, _one), (two, there)] = [unix_pair(), unix_pair()];
    let reader = fixture.add_reader(&one, |_| ());
    let reader = reader.expect("adding a reader succeeds");
    fixture.remove(reader).expect("the callback is there");
    // The socket has the place of the removed callback.
    let socket = fixture.register(two.as_fd());
    let (flag, waker) = WakeCounter::new();
    fixture.drained(socket, Direction::Read, true);
    let waits = fixture.wait_for(socket, two.as_fd(), Direction::Read, &waker);
    waits.expect("waiting succeeds");
    let error = fixture.remove(reader).expect_err("it was removed");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    if fixture.is_exact() {
        fixture.run_some_turns();
        assert_eq!(flag.count(), 0);
    }
    send(&there);
    fixture.run_turns_until(|| flag.count() > 0);
    fixture.deregister(socket);
    fixture.run_to_the_end();
}

/// The descriptor of a callback is closed too early, and its number is used again.
pub(crate) fn removing_a_callback_spares_the_next_file_of_its_number(fixture: &Fixture) {
    let (one, _one) = unix_pair();
    let (two, there) = unix_pair();
    let reader = fixture.add_reader(&one, |_| ());
    let reader = reader.expect("adding a reader succeeds");
    let number = one.as_raw_fd();
    drop(one);
    let two = two.try_clone().expect("the descriptor is duplicated");
    assert_eq!(two.as_raw_fd(), number, "the lowest free number is used");
    let socket = fixture.register(two.as_fd());
    let (flag, waker) = WakeCounter::new();
    fixture.drained(socket, Direction::Read, true);
    let waits = fixture.wait_for(socket, two.as_fd(), Direction::Read, &waker);
    waits.expect("waiting succeeds");
    fixture.remove(reader).expect("the callback is there");
    send(&there);
    fixture.run_turns_until(|| flag.count() > 0);
    fixture.deregister(socket);
    fixture.run_to_the_end();
}

pub(crate) fn the_end_of_input_runs_the_reader(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let own: Rc<Cell<Option<CallbackKey>>> = Rc::default();
    let log = Log::new();
    let (lp, watched) = (
        fixture.lp.clone(),
        here.try_clone().expect("the descriptor is duplicated"),
    );
    let (seen, registration) = (log.clone(), own.clone());
    let added = fixture.add_reader(&here, move |_| {
        let Some(count) = take(&watched, 3) else {
            return;
        };
        seen.add(count);
        if count == 0 {
            lp.remove(registration.take().expect("the reader is registered"))
                .expect("the callback is there");
        }
    });
    own.set(Some(added.expect("adding a reader succeeds")));
    send(&there);
    drop(there);
    fixture.run_to_the_end();
    assert_eq!(log.all(), [3, 1, 0]);
}

pub(crate) fn a_removed_callback_may_use_the_loop_when_dropped(fixture: &Fixture) {
    let [(one, _one), (two, _two)] = [unix_pair(), unix_pair()];
    let second = fixture
        .add_reader(&two, |_| ())
        .expect("adding a reader succeeds");
    let lp = fixture.lp.clone();
    let guard = OnDrop(move || lp.remove(second).expect("the callback is there"));
    let first = fixture.add_reader(&one, move |_| {
        let _owned = &guard;
    });
    fixture
        .remove(first.expect("adding a reader succeeds"))
        .expect("the callback is there");
    fixture.run_to_the_end();
}

/// Some drivers reject regular files. The callback is dropped whether or not this driver does.
pub(crate) fn a_callback_that_the_driver_rejects_is_dropped(fixture: &Fixture) {
    let file = File::open(std::env::current_exe().expect("the executable has a path"))
        .expect("the executable opens");
    let lp = fixture.lp.clone();
    let value = Rc::new(());
    let kept = value.clone();
    let guard = OnDrop(move || {
        lp.call_soon(|| ());
    });
    let added = fixture.add_reader(&file, move |_| {
        let _owned = (&kept, &guard);
    });
    if let Ok(registration) = added {
        fixture.remove(registration).expect("the callback is there");
    }
    assert_eq!(Rc::strong_count(&value), 1);
    fixture.run_to_the_end();
}

/// Adds and removes readers at random while bytes are sent.
pub(crate) fn random_traffic_is_read_completely(fixture: &Fixture) {
    const PAIRS: usize = 10;
    let rng = Rc::new(RefCell::new(fastrand::Rng::with_seed(fixture.seed)));
    let pairs: Vec<_> = (0..PAIRS).map(|_| unix_pair()).collect();
    let got = Rc::new(Cell::new(0));
    let mut registrations: [Option<CallbackKey>; PAIRS] = [None; PAIRS];
    let mut sent = 0;
    let watch = |nth: usize| {
        let watched = pairs[nth]
            .0
            .try_clone()
            .expect("the descriptor is duplicated");
        let (rng, got) = (rng.clone(), got.clone());
        let registration = fixture.add_reader(&pairs[nth].0, move |_| {
            let limit = rng.borrow_mut().usize(1..8);
            got.set(got.get() + take(&watched, limit).unwrap_or(0));
        });
        registration.expect("adding a reader succeeds")
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
                    fixture.remove(registration).expect("the callback is there");
                }
            }
            _ => registrations[nth] = Some(watch(nth)),
        }
        fixture.run_turn();
    }
    let registrations: Vec<CallbackKey> = (0..PAIRS).map(watch).collect();
    fixture.run_turns_until(|| got.get() == sent);
    registrations
        .into_iter()
        .for_each(|registration| fixture.remove(registration).expect("the callback is there"));
    fixture.run_to_the_end();
    assert_eq!(lock(&fixture.recorder.panics).len(), 0);
}
