//! A bigger buffer is faster.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::experiment::Lab;

use super::effect::{Claim, Effect};
use super::saying::Saying;
use super::tools::{by_turns, effect};

pub(super) struct BiggerBuffer;

/// Sizes of buffers in bytes, and their names; each is compared with the one before.
const SIZES: [(usize, &str); 4] = [
    (512, "512 B"),
    (4 << 10, "4 KiB"),
    (64 << 10, "64 KiB"),
    (8 << 20, "8 MiB"),
];

/// Bytes that are read in a turn.
const READ: usize = 16 << 20;

impl Saying for BiggerBuffer {
    fn name(&self) -> &'static str {
        "buffer"
    }

    fn saying(&self) -> &'static str {
        "a bigger buffer is faster"
    }

    fn how(&self) -> &'static str {
        "up to 16 MiB of this program's file, which are in the page cache, read with buffers of four sizes: processor time; 5 % \
         matters"
    }

    fn round(&self) -> Duration {
        Duration::from_millis(60)
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        let program = lab.program.clone();
        let mut buffers = SIZES.map(|(size, _)| vec![0; size]);
        let places: Vec<usize> = (0..SIZES.len()).collect();
        let mut read = |at: usize| -> io::Result<f64> {
            let mut file = File::open(&program)?.take(READ as u64);
            let start = clock();
            while file.read(&mut buffers[at])? > 0 {}
            Ok(clock() - start)
        };
        for &at in &places {
            read(at)?;
        }
        let figures = by_turns(lab, &places, |&at| Ok(vec![read(at)?]))?;
        let pairs = figures.windows(2).zip(SIZES.windows(2));
        pairs
            .map(|(pair, sizes)| {
                let name = format!("{} ÷ {}", sizes[1].1, sizes[0].1);
                effect(name, &pair[1][0], &pair[0][0], Claim::Less, 0.05)
            })
            .collect()
    }
}

/// Returns the seconds of processor time that this thread has used.
fn clock() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
