//! Random calls, compared with poll(2). A failing test prints its seed.

use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use fastrand::Rng;
use switchboard_driver::{Driver, Interest, Mode, Ready, Sim, Token};

use crate::support::{Fixture, drain, fill, poll_now, send, unix};

const PAIRS: usize = 20;
const STEPS: usize = 2000;

/// A seed that is printed if the test panics.
struct Seed(Driver, u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("driver {}, seed {}", self.0, self.1);
        }
    }
}

/// Returns a new seed for every run, or the one in the environment variable `SEED`.
fn seed(driver: Driver) -> (Seed, Rng) {
    let seed = match std::env::var("SEED") {
        Ok(seed) => seed.parse().expect("SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    (Seed(driver, seed), Rng::with_seed(seed))
}

struct Model {
    fixture: Fixture,
    pairs: Vec<(UnixStream, UnixStream)>,
    /// The registrations, by the number of the pair.
    registered: HashMap<usize, (Token, Interest)>,
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
        let known = self.registered.contains_key(&nth);
        match rng.u8(..10) {
            0 | 1 => {
                let token = Token(self.next);
                self.next += 1;
                self.fixture.register(here, token, interest);
                self.registered.insert(nth, (token, interest));
            }
            2 | 3 if known => {
                let token = Token(self.next);
                self.next += 1;
                self.fixture.modify(here, token, interest, Mode::Level);
                self.registered.insert(nth, (token, interest));
            }
            4 if known => {
                self.fixture.deregister(here);
                self.registered.remove(&nth);
            }
            5 | 6 => fill_some(there, rng),
            7 => fill(here),
            8 => drop(drain(there)),
            _ => drop(drain(here)),
        }
    }

    /// Compares poll(2) with the events of one wait, or of as many waits as the simulated kernel may
    /// withhold an event for.
    fn check(&mut self) {
        let simulated = self.fixture.driver() == Driver::Sim;
        let waits = if simulated { Sim::MAX_WITHHELD + 1 } else { 1 };
        let mut reported: HashMap<Token, Ready> = HashMap::new();
        let mut events = Vec::new();
        for _ in 0..waits {
            self.fixture
                .poller
                .wait(&mut events, Some(Duration::ZERO))
                .expect("the wait succeeds");
            for event in &events {
                *reported.entry(event.token).or_default() |= event.ready;
            }
        }
        for (nth, (token, interest)) in &self.registered {
            let expected = poll_now(self.pairs[*nth].0.as_raw_fd(), *interest);
            let seen = reported.remove(token).unwrap_or_default();
            if simulated {
                assert!(seen.contains(expected), "{token:?}: {expected:?}, {seen:?}");
            } else {
                assert_eq!(seen, expected, "{token:?}");
            }
        }
        assert!(
            reported.is_empty(),
            "reported but not registered: {reported:?}"
        );
    }
}

fn fill_some(to: &UnixStream, rng: &mut Rng) {
    if rng.u8(..4) == 0 {
        fill(to);
    } else if poll_now(to.as_raw_fd(), Interest::WRITE).is_writable() {
        send(to);
    }
}

pub(crate) fn level_events_match_poll(driver: Driver) {
    let (_seed, mut rng) = seed(driver);
    let mut model = Model {
        fixture: Fixture::new(driver),
        pairs: (0..PAIRS).map(|_| unix()).collect(),
        registered: HashMap::new(),
        next: 0,
    };
    for _ in 0..STEPS {
        model.step(&mut rng);
        model.check();
    }
}

/// Drains a socket at each of its edges; in the end, every byte has been read.
pub(crate) fn draining_at_each_edge_reads_everything(driver: Driver) {
    let (_seed, mut rng) = seed(driver);
    let Some(mut fixture) = crate::edge::edge_fixture(driver) else {
        return;
    };
    let pairs: Vec<_> = (0..PAIRS).map(|_| unix()).collect();
    for (nth, (here, _)) in pairs.iter().enumerate() {
        fixture.register_as(
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
        // The last step waits as often as an edge may be withheld.
        let last = step + 1 == STEPS;
        for _ in 0..if last { Sim::MAX_WITHHELD + 1 } else { 1 } {
            for event in fixture.wait(Duration::ZERO) {
                if event.ready.is_readable() {
                    taken += drain(&pairs[event.token.0].0);
                }
            }
        }
    }
    assert_eq!(taken, sent);
}
