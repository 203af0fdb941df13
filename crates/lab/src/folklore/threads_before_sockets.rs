//! One runs out of threads before sockets.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{Resource, getrlimit, setrlimit};
use switchboard_runtime::thread_capacity;

use crate::experiment::Lab;
use crate::memory::Available;
use crate::unit;

use super::effect::{Claim, Effect};
use super::saying::{Saying, unknown_case};
use super::tools::{by_turns, effect, in_child};

pub(super) struct ThreadsBeforeSockets;

const CASES: [&str; 3] = [
    "threads",
    "sockets with the descriptors of the start",
    "sockets with all descriptors that may be had",
];

/// What threads are compared with.
const EFFECTS: [&str; 2] = [
    "soft limit of descriptors, threads ÷ sockets",
    "hard limit of descriptors, threads ÷ sockets",
];

/// The most of each, whatever the limits are: what this many take stays small.
const MOST: usize = 40_000;

/// What stands between a case and the most of each that is made.
const UP_TO: &str = ", up to ";

/// How much fewer threads than sockets matter.
const MATTERS: f64 = 0.05;

/// Bytes of the machine's memory that one thread or socket takes at most.
const EACH: u64 = 64 << 10;

impl Saying for ThreadsBeforeSockets {
    fn name(&self) -> &'static str {
        "threads, sockets"
    }

    fn saying(&self) -> &'static str {
        "one runs out of threads before sockets"
    }

    fn how(&self) -> &'static str {
        "as many threads, up to those that the runtime starts here, and TCP sockets as one process gets, up to 40,000 of \
         each and a quarter of the free memory, in processes of their own; 5 % matters"
    }

    fn round(&self) -> Duration {
        Duration::from_millis(1000)
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        // One bound for all: the free memory is another one in each process.
        let most = MOST.min(Available::room_for(0.25, EACH));
        let bound = |case: &str| format!("{case}{UP_TO}{most}");
        let figures = by_turns(lab, &CASES, |case| in_child(lab, self.name(), &bound(case)))?;
        let ends = |at: usize| figures[at][0].median();
        let most = most as f64;
        // Sockets that the bound has ended might be more, which matters unless threads have ended well before it.
        let is_known = |at: &usize| ends(*at) < most || ends(0) < most * (1.0 - MATTERS);
        let sockets: Vec<usize> = [1, 2].into_iter().filter(is_known).collect();
        if sockets.is_empty() {
            let most = unit::number(most);
            return Err(io::Error::other(format!(
                "this experiment's own bound of {most} ends the sockets, before any limit does"
            )));
        }
        sockets
            .into_iter()
            .map(|at| {
                let [threads, sockets] = [ends(0), ends(at)].map(unit::number);
                let effect = effect(
                    EFFECTS[at - 1],
                    &figures[0][0],
                    &figures[at][0],
                    Claim::Less,
                    MATTERS,
                )?;
                Ok(effect.of_counts(format!("{threads} ÷ {sockets}")))
            })
            .collect()
    }

    fn work(&self, case: &str) -> io::Result<Vec<f64>> {
        let unknown = || unknown_case(self.name(), case);
        let (kind, most) = case.rsplit_once(UP_TO).ok_or_else(unknown)?;
        let most: usize = most.parse().map_err(|_| unknown())?;
        let made = match CASES.iter().position(|each| *each == kind) {
            Some(0) => threads(most)?,
            Some(1) => sockets(most),
            Some(2) => {
                let mut limit = getrlimit(Resource::Nofile);
                limit.current = limit.maximum;
                setrlimit(Resource::Nofile, limit)?;
                sockets(most)
            }
            _ => return Err(unknown()),
        };
        Ok(vec![made as f64])
    }
}

/// Starts threads until the system refuses one, or their known limit is reached, and returns how many lived at once.
/// Beyond that limit a thread aborts the process instead of failing.
fn threads(most: usize) -> io::Result<usize> {
    let most = most.min(thread_capacity().0);
    let gate = Arc::new(Mutex::new(()));
    let held = gate
        .lock()
        .map_err(|_| io::Error::other("a thread panicked"))?;
    let mut threads = Vec::new();
    while threads.len() < most {
        let gate = Arc::clone(&gate);
        let thread = Builder::new()
            .stack_size(64 << 10)
            .spawn(move || drop(gate.lock()));
        match thread {
            Ok(thread) => threads.push(thread),
            Err(_) => break,
        }
    }
    drop(held);
    let made = threads.len();
    for thread in threads {
        // A thread that panicked has been one all the same.
        let _ = thread.join();
    }
    Ok(made)
}

/// Makes sockets until the system refuses one, and returns how many there were.
fn sockets(most: usize) -> usize {
    let mut sockets = Vec::new();
    while sockets.len() < most {
        match socket(AddressFamily::INET, SocketType::STREAM, None) {
            Ok(socket) => sockets.push(socket),
            Err(_) => break,
        }
    }
    sockets.len()
}
