//! Random calls, held against poll(2). A failure prints its seed.

use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use fastrand::Rng;
use switchboard_driver::{Driver, Interest, Mode, Ready, Sim, Token};

use crate::kit::{Bench, drain, fill, send, truth, unix};

const PAIRS: usize = 20;
const STEPS: usize = 2000;

/// Prints the seed if the test panics.
struct Seed(Driver, u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("driver {}, seed {}", self.0, self.1);
        }
    }
}

/// A seed of its own for every run.
fn seed(driver: Driver) -> (Seed, Rng) {
    let seed = match std::env::var("SEED") {
        Ok(seed) => seed.parse().expect("SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    (Seed(driver, seed), Rng::with_seed(seed))
}

struct Model {
    bench: Bench,
    pairs: Vec<(UnixStream, UnixStream)>,
    /// What is registered, by the number of the pair.
    watched: HashMap<usize, (Token, Interest)>,
    next: usize,
}

impl Model {
    fn step(&mut self, rng: &mut Rng) {
        let nth = rng.usize(..PAIRS);
        let (here, there) = &self.pairs[nth];
        let interest = [Interest::NONE, Interest::READ, Interest::WRITE]
            .into_iter()
            .fold(
                Interest::NONE,
                |sum, bit| if rng.bool() { sum | bit } else { sum },
            );
        let known = self.watched.contains_key(&nth);
        match rng.u8(..10) {
            0 | 1 => {
                let token = Token(self.next);
                self.next += 1;
                self.bench.register(here, token, interest);
                self.watched.insert(nth, (token, interest));
            }
            2 | 3 if known => {
                let token = Token(self.next);
                self.next += 1;
                self.bench.modify(here, token, interest, Mode::Level);
                self.watched.insert(nth, (token, interest));
            }
            4 if known => {
                self.bench.deregister(here);
                self.watched.remove(&nth);
            }
            5 | 6 => fill_some(there, rng),
            7 => fill(here),
            8 => drop(drain(there)),
            _ => drop(drain(here)),
        }
    }

    /// The reports of one wait, or of as many as the simulated kernel may withhold one for.
    fn check(&mut self) {
        let simulated = self.bench.driver() == Driver::Sim;
        let waits = if simulated { Sim::MAX_WITHHELD + 1 } else { 1 };
        let mut reported: HashMap<Token, Ready> = HashMap::new();
        let mut events = Vec::new();
        for _ in 0..waits {
            self.bench
                .poller
                .wait(&mut events, Some(Duration::ZERO))
                .expect("a wait");
            for event in &events {
                *reported.entry(event.token).or_default() |= event.ready;
            }
        }
        for (nth, (token, interest)) in &self.watched {
            let expected = truth(self.pairs[*nth].0.as_raw_fd(), *interest);
            let seen = reported.remove(token).unwrap_or_default();
            if simulated {
                assert!(seen.contains(expected), "{token:?}: {expected:?}, {seen:?}");
            } else {
                assert_eq!(seen, expected, "{token:?}");
            }
        }
        assert!(reported.is_empty(), "not registered: {reported:?}");
    }
}

fn fill_some(to: &UnixStream, rng: &mut Rng) {
    if rng.u8(..4) == 0 {
        fill(to);
    } else if truth(to.as_raw_fd(), Interest::WRITE).is_writable() {
        send(to);
    }
}

pub(crate) fn level_is_what_poll_says(driver: Driver) {
    let (_seed, mut rng) = seed(driver);
    let mut model = Model {
        bench: Bench::new(driver),
        pairs: (0..PAIRS).map(|_| unix()).collect(),
        watched: HashMap::new(),
        next: 0,
    };
    for _ in 0..STEPS {
        model.step(&mut rng);
        model.check();
    }
}

/// Whoever drains at each edge has read everything in the end.
pub(crate) fn edge_loses_nothing(driver: Driver) {
    let (_seed, mut rng) = seed(driver);
    let Some(mut bench) = crate::edge::bench(driver) else {
        return;
    };
    let pairs: Vec<_> = (0..PAIRS).map(|_| unix()).collect();
    for (nth, (here, _)) in pairs.iter().enumerate() {
        bench.register_as(
            here,
            Token(nth),
            Interest::READ | Interest::WRITE,
            Mode::Edge,
        );
    }
    let (mut sent, mut taken) = (0, 0);
    for step in 0..STEPS {
        for _ in 0..rng.usize(..4) {
            send(&pairs[rng.usize(..PAIRS)].1);
            sent += 4;
        }
        // After the last step, as many waits as an edge may be withheld for.
        let last = step + 1 == STEPS;
        for _ in 0..if last { Sim::MAX_WITHHELD + 1 } else { 1 } {
            for event in bench.wait(Duration::ZERO) {
                if event.ready.is_readable() {
                    taken += drain(&pairs[event.token.0].0);
                }
            }
        }
    }
    assert_eq!(taken, sent);
}
