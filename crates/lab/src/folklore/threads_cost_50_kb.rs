//! Threads cost 50 KB.

use std::io;
use std::sync::{Arc, Barrier};
use std::thread::Builder;
use std::time::Duration;

use crate::experiment::Lab;

use super::effect::{Claim, Effect};
use super::saying::{Saying, unknown_case};
use super::tools::{by_turns, bytes_per_connection, effect, in_child, memory};

pub(super) struct ThreadsCost50Kb;

/// Threads that are made; 50 KB each are 25 MB.
const THREADS: usize = 500;

const SAID: f64 = 50_000.0;

const CASES: [&str; 2] = [
    "a thread that does nothing",
    "a thread that serves a connection",
];

impl Saying for ThreadsCost50Kb {
    fn name(&self) -> &'static str {
        "thread's memory"
    }

    fn saying(&self) -> &'static str {
        "threads cost 50 KB"
    }

    fn how(&self) -> &'static str {
        "500 threads that wait, and an echo server under `threads` with 500 connections: resident memory, page tables \
         and kernel stacks of each ÷ 50,000 bytes; a factor of 1.5 matters"
    }

    fn round(&self) -> Duration {
        Duration::from_millis(250)
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        let figures = by_turns(lab, &CASES, |case| {
            let bytes = match *case {
                case if case == CASES[0] => in_child(lab, self.name(), case)?,
                _ => vec![bytes_per_connection(lab, "threads", THREADS)?],
            };
            Ok(vec![bytes[0], SAID])
        })?;
        let named = CASES.iter().zip(&figures);
        named
            .map(|(case, of_it)| {
                let name = format!("{case} ÷ 50 KB");
                effect(name, &of_it[0], &of_it[1], Claim::Same, 0.5)
            })
            .collect()
    }

    fn work(&self, case: &str) -> io::Result<Vec<f64>> {
        if case != CASES[0] {
            return Err(unknown_case(self.name(), case));
        }
        let me = std::process::id();
        let unknown = || io::Error::from(io::ErrorKind::Unsupported);
        let before = memory(me).ok_or_else(unknown)?;
        // All have begun, and then all may end.
        let gate = Arc::new(Barrier::new(THREADS + 1));
        let start = || {
            let gate = Arc::clone(&gate);
            Builder::new().spawn(move || {
                gate.wait();
                gate.wait();
            })
        };
        let mut threads = Vec::with_capacity(THREADS);
        for _ in 0..THREADS {
            // Those that wait at the gate end with this process.
            threads.push(start()?);
        }
        gate.wait();
        let after = memory(me).ok_or_else(unknown)?;
        gate.wait();
        for thread in threads {
            thread
                .join()
                .map_err(|_| io::Error::other("a thread panicked"))?;
        }
        Ok(vec![(after - before) / THREADS as f64])
    }
}
