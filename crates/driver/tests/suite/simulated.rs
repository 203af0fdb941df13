//! What the simulated kernel promises beyond the contract.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use switchboard_driver::{Event, Interest, Mode, Poller, Ready, Sim, Step, Token};

use crate::kit::{A, drain, send, turn, unix};

const MS: Duration = Duration::from_millis(1);

/// Ten sockets to read from, registered.
fn ten(sim: &mut Sim, mode: Mode) -> Vec<(UnixStream, UnixStream)> {
    let pairs: Vec<_> = (0..10).map(|_| unix()).collect();
    for (nth, (here, _)) in pairs.iter().enumerate() {
        sim.register(here.as_fd(), Token(nth), Interest::READ, mode)
            .expect("it registers");
    }
    pairs
}

/// The events of twenty waits over sockets of which some are written to and drained.
fn story(seed: u64, mode: Mode) -> Vec<Vec<Event>> {
    let mut sim = Sim::new(seed).expect("it opens");
    assert_eq!(sim.seed(), seed);
    let pairs = ten(&mut sim, mode);
    let mut story = Vec::new();
    for nth in 0..20 {
        send(&pairs[nth % 10].1);
        send(&pairs[(nth * 3) % 10].1);
        let mut events = Vec::new();
        sim.wait(&mut events, Some(MS)).expect("a wait");
        if nth % 4 == 3 {
            drain(&pairs[nth % 10].0);
        }
        story.push(events);
    }
    story
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let _turn = turn();
    for mode in [Mode::Level, Mode::Edge] {
        for seed in 0..10 {
            assert_eq!(story(seed, mode), story(seed, mode), "seed {seed}");
        }
        assert!((1..10).any(|seed| story(seed, mode) != story(0, mode)));
    }
}

#[test]
fn time_jumps_when_nothing_is_ready() {
    let _turn = turn();
    let mut sim = Sim::new(1).expect("it opens");
    let (real, start) = (Instant::now(), sim.now());
    let mut events = Vec::new();
    for hours in 1..=1000 {
        let hour = Duration::from_secs(3600);
        sim.wait(&mut events, Some(hour)).expect("a wait");
        assert_eq!(events, []);
        assert_eq!(sim.now() - start, hour * hours);
    }
    assert!(real.elapsed() < Duration::from_secs(60));
}

#[test]
fn time_stands_still_while_something_is_ready_or_the_waker_was_used() {
    let _turn = turn();
    for seed in 0..20 {
        let mut sim = Sim::new(seed).expect("it opens");
        let pairs = ten(&mut sim, Mode::Level);
        let start = sim.now();
        let mut events = Vec::new();
        sim.notifier().notify();
        sim.wait(&mut events, Some(MS)).expect("a wait");
        assert_eq!(sim.now(), start, "seed {seed}");
        send(&pairs[3].1);
        for _ in 0..20 {
            sim.wait(&mut events, Some(MS)).expect("a wait");
            assert!(!events.is_empty(), "seed {seed}");
        }
        assert_eq!(sim.now(), start, "seed {seed}");
    }
}

#[test]
fn nothing_is_withheld_for_long() {
    let _turn = turn();
    for mode in [Mode::Level, Mode::Edge] {
        let mut withheld = 0;
        for seed in 0..50 {
            let mut sim = Sim::new(seed).expect("it opens");
            let pairs = ten(&mut sim, mode);
            for (_, there) in &pairs {
                send(there);
            }
            let mut missing: Vec<usize> = (0..10).collect();
            let mut events = Vec::new();
            for _ in 0..=Sim::MAX_WITHHELD {
                sim.wait(&mut events, Some(Duration::ZERO)).expect("a wait");
                missing.retain(|nth| events.iter().all(|event| event.token != Token(*nth)));
                withheld += missing.len();
            }
            assert!(missing.is_empty(), "seed {seed}: {missing:?}");
        }
        assert!(withheld > 0);
    }
}

#[test]
fn the_order_is_any() {
    let _turn = turn();
    let mut firsts: Vec<usize> = (0..50)
        .map(|seed| {
            let mut sim = Sim::new(seed).expect("it opens");
            let pairs = ten(&mut sim, Mode::Level);
            for (_, there) in &pairs {
                send(there);
            }
            let mut events = Vec::new();
            sim.wait(&mut events, None).expect("a wait");
            events[0].token.0
        })
        .collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert!(firsts.len() > 5, "{firsts:?}");
}

#[test]
fn some_events_are_for_nothing() {
    let _turn = turn();
    let mut spurious = 0;
    for seed in 0..50 {
        let mut sim = Sim::new(seed).expect("it opens");
        let pairs = ten(&mut sim, Mode::Level);
        let mut events = Vec::new();
        for _ in 0..10 {
            sim.wait(&mut events, Some(Duration::ZERO)).expect("a wait");
            for event in &events {
                assert_eq!(event.ready, Ready::READ, "seed {seed}");
                let read = (&pairs[event.token.0].0).read(&mut [0; 8]);
                let error = read.expect_err("there is nothing");
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "seed {seed}");
                spurious += 1;
            }
        }
    }
    assert!(spurious > 0);
}

#[test]
fn the_script_is_played_at_its_times() {
    let _turn = turn();
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
            // Not asked for.
            step(20, Ready::WRITE),
            Step {
                at: MS * 25,
                fd: 4000,
                ready: Ready::ERROR,
            },
        ];
        let mut sim = Sim::scripted(seed, steps).expect("it opens");
        sim.register(here.as_fd(), A, Interest::READ, Mode::Level)
            .expect("it registers");
        let start = sim.now();
        let mut heard = Vec::new();
        let mut events = Vec::new();
        while sim.now() - start < MS * 50 {
            let left = MS * 50 - (sim.now() - start);
            sim.wait(&mut events, Some(left)).expect("a wait");
            for event in &events {
                assert_eq!(event.token, A);
                // A plain READ at another time is one of its inventions.
                if event.ready != Ready::READ {
                    heard.push((sim.now() - start, event.ready));
                }
            }
        }
        let expected = [
            (MS * 10, Ready::READ | Ready::READ_CLOSED),
            (MS * 30, Ready::HANG_UP),
        ];
        assert_eq!(heard, expected, "seed {seed}");
    }
}

#[test]
fn a_wait_without_a_timeout_goes_on_to_the_next_step() {
    let _turn = turn();
    let (here, _there) = unix();
    let step = Step {
        at: Duration::from_secs(86_400),
        fd: here.as_raw_fd(),
        ready: Ready::ERROR,
    };
    let mut sim = Sim::scripted(3, vec![step]).expect("it opens");
    sim.register(here.as_fd(), A, Interest::NONE, Mode::Level)
        .expect("it registers");
    let start = sim.now();
    let mut events = Vec::new();
    sim.wait(&mut events, None).expect("a wait");
    assert_eq!(sim.now() - start, step.at);
    assert_eq!(events[0].ready, Ready::ERROR);
}
