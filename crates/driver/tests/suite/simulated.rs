//! Guarantees of the simulated kernel beyond the contract.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use switchboard_driver::{Event, Interest, Mode, Poller, Ready, Sim, Step, Token};

use crate::support::{A, drain, exclusive, send, unix};

const MS: Duration = Duration::from_millis(1);

/// Registers ten sockets for reading.
fn register_ten(sim: &mut Sim, mode: Mode) -> Vec<(UnixStream, UnixStream)> {
    let pairs: Vec<_> = (0..10).map(|_| unix()).collect();
    for (nth, (here, _)) in pairs.iter().enumerate() {
        sim.register(here.as_fd(), Token(nth), Interest::READ, mode)
            .expect("registering succeeds");
    }
    pairs
}

/// Returns the events of twenty waits, between which sockets are written to and drained.
fn events_of(seed: u64, mode: Mode) -> Vec<Vec<Event>> {
    let mut sim = Sim::new(seed).expect("the simulated kernel opens");
    assert_eq!(sim.seed(), seed);
    let pairs = register_ten(&mut sim, mode);
    let mut waits = Vec::new();
    for nth in 0..20 {
        send(&pairs[nth % 10].1);
        send(&pairs[(nth * 3) % 10].1);
        let mut events = Vec::new();
        sim.wait(&mut events, Some(MS)).expect("the wait succeeds");
        if nth % 4 == 3 {
            drain(&pairs[nth % 10].0);
        }
        waits.push(events);
    }
    waits
}

#[test]
fn the_same_seed_gives_the_same_events() {
    let _guard = exclusive();
    for mode in [Mode::Level, Mode::Edge] {
        for seed in 0..10 {
            assert_eq!(events_of(seed, mode), events_of(seed, mode), "seed {seed}");
        }
        assert!((1..10).any(|seed| events_of(seed, mode) != events_of(0, mode)));
    }
}

#[test]
fn time_advances_by_the_timeout_when_nothing_is_ready() {
    let _guard = exclusive();
    let mut sim = Sim::new(1).expect("the simulated kernel opens");
    let (real, start) = (Instant::now(), sim.now());
    let mut events = Vec::new();
    for hours in 1..=1000 {
        let hour = Duration::from_secs(3600);
        sim.wait(&mut events, Some(hour))
            .expect("the wait succeeds");
        assert_eq!(events, []);
        assert_eq!(sim.now() - start, hour * hours);
    }
    assert!(real.elapsed() < Duration::from_secs(60));
}

#[test]
fn time_does_not_advance_while_something_is_ready_or_after_a_notification() {
    let _guard = exclusive();
    for seed in 0..20 {
        let mut sim = Sim::new(seed).expect("the simulated kernel opens");
        let pairs = register_ten(&mut sim, Mode::Level);
        let start = sim.now();
        let mut events = Vec::new();
        sim.notifier().notify();
        sim.wait(&mut events, Some(MS)).expect("the wait succeeds");
        assert_eq!(sim.now(), start, "seed {seed}");
        send(&pairs[3].1);
        for _ in 0..20 {
            sim.wait(&mut events, Some(MS)).expect("the wait succeeds");
            assert!(!events.is_empty(), "seed {seed}");
        }
        assert_eq!(sim.now(), start, "seed {seed}");
    }
}

#[test]
fn no_event_is_withheld_for_more_than_the_maximum_of_waits() {
    let _guard = exclusive();
    for mode in [Mode::Level, Mode::Edge] {
        let mut withheld = 0;
        for seed in 0..50 {
            let mut sim = Sim::new(seed).expect("the simulated kernel opens");
            let pairs = register_ten(&mut sim, mode);
            for (_, there) in &pairs {
                send(there);
            }
            let mut missing: Vec<usize> = (0..10).collect();
            let mut events = Vec::new();
            for _ in 0..=Sim::MAX_WITHHELD {
                sim.wait(&mut events, Some(Duration::ZERO))
                    .expect("the wait succeeds");
                missing.retain(|nth| events.iter().all(|event| event.token != Token(*nth)));
                withheld += missing.len();
            }
            assert!(missing.is_empty(), "seed {seed}: {missing:?}");
        }
        assert!(withheld > 0);
    }
}

#[test]
fn events_come_in_any_order() {
    let _guard = exclusive();
    let mut firsts: Vec<usize> = (0..50)
        .map(|seed| {
            let mut sim = Sim::new(seed).expect("the simulated kernel opens");
            let pairs = register_ten(&mut sim, Mode::Level);
            for (_, there) in &pairs {
                send(there);
            }
            let mut events = Vec::new();
            sim.wait(&mut events, None).expect("the wait succeeds");
            events[0].token.0
        })
        .collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert!(firsts.len() > 5, "{firsts:?}");
}

#[test]
fn some_events_are_spurious() {
    let _guard = exclusive();
    let mut spurious = 0;
    for seed in 0..50 {
        let mut sim = Sim::new(seed).expect("the simulated kernel opens");
        let pairs = register_ten(&mut sim, Mode::Level);
        let mut events = Vec::new();
        for _ in 0..10 {
            sim.wait(&mut events, Some(Duration::ZERO))
                .expect("the wait succeeds");
            for event in &events {
                assert_eq!(event.ready, Ready::READ, "seed {seed}");
                let read = (&pairs[event.token.0].0).read(&mut [0; 8]);
                let error = read.expect_err("there is nothing to read");
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "seed {seed}");
                spurious += 1;
            }
        }
    }
    assert!(spurious > 0);
}

#[test]
fn each_step_of_the_script_is_reported_at_its_time() {
    let _guard = exclusive();
    let (here, _there) = unix();
    let fd = here.as_raw_fd();
    let step = |at, ready| Step {
        at: MS * at,
        fd,
        ready,
    };
    for seed in 0..20 {
        let steps = vec![
            step(30, Ready::HANG_UP),
            step(10, Ready::READ | Ready::READ_CLOSED),
            // Outside the interest.
            step(20, Ready::WRITE),
            Step {
                at: MS * 25,
                fd: 4000,
                ready: Ready::ERROR,
            },
        ];
        let mut sim = Sim::scripted(seed, steps).expect("the simulated kernel opens");
        sim.register(here.as_fd(), A, Interest::READ, Mode::Level)
            .expect("registering succeeds");
        let start = sim.now();
        let mut reported = Vec::new();
        let mut events = Vec::new();
        while sim.now() - start < MS * 50 {
            let left = MS * 50 - (sim.now() - start);
            sim.wait(&mut events, Some(left))
                .expect("the wait succeeds");
            for event in &events {
                assert_eq!(event.token, A);
                // READ alone is a spurious event.
                if event.ready != Ready::READ {
                    reported.push((sim.now() - start, event.ready));
                }
            }
        }
        let expected = [
            (MS * 10, Ready::READ | Ready::READ_CLOSED),
            (MS * 30, Ready::HANG_UP),
        ];
        assert_eq!(reported, expected, "seed {seed}");
    }
}

#[test]
fn a_wait_without_a_timeout_advances_to_the_next_step() {
    let _guard = exclusive();
    let (here, _there) = unix();
    let step = Step {
        at: Duration::from_secs(86_400),
        fd: here.as_raw_fd(),
        ready: Ready::ERROR,
    };
    let mut sim = Sim::scripted(3, vec![step]).expect("the simulated kernel opens");
    sim.register(here.as_fd(), A, Interest::NONE, Mode::Level)
        .expect("registering succeeds");
    let start = sim.now();
    let mut events = Vec::new();
    sim.wait(&mut events, None).expect("the wait succeeds");
    assert_eq!(sim.now() - start, step.at);
    assert_eq!(events[0].ready, Ready::ERROR);
}
