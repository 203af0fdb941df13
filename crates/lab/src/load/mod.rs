//! A load for echo servers: a closed-loop client on one thread.
//!
//! Each connection sends a message, waits until all of it has come back, checks the bytes, and sends the
//! next. All connections share one poller, and a round trip is one `recv` and one `send`, so that the
//! server is the slower side.
//!
//! ```text
//!   Load ──► Run: the poller ──► Client, one for each connection ──► Wave: the bytes
//!                                  └──► Tally: counts and latencies ──► Outcome
//! ```

mod client;
mod run;
mod wave;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use run::Run;

/// The settings of a load.
///
/// ```no_run
/// use std::time::Duration;
/// use switchboard_lab::Load;
///
/// let load = Load {
///     addr: "127.0.0.1:7007".parse().unwrap(),
///     connections: 50,
///     message: 64,
///     warm_up: Duration::from_millis(200),
///     duration: Duration::from_secs(1),
///     push: false,
/// };
/// let outcome = load.run(|| (), || ())?;
/// println!("{} round trips", outcome.round_trips);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The echo server's address.
    pub addr: SocketAddr,
    /// The number of connections, all open at once.
    pub connections: usize,
    /// Bytes of a message.
    pub message: usize,
    /// Time under load before the measurement begins.
    pub warm_up: Duration,
    /// Time that is measured.
    pub duration: Duration,
    /// Whether one more connection sends without pause and reads what comes back.
    pub push: bool,
}

/// The result of a load.
#[derive(Debug)]
pub struct Outcome {
    /// Messages that came back whole in the measured time.
    pub round_trips: u64,
    /// The measured time.
    pub elapsed: Duration,
    /// Nanoseconds from the send of each message to its last byte. A message that came back in the
    /// measured time may have been sent in the warm-up.
    pub latencies: Histogram<u64>,
    /// Connections that got at least one message back.
    pub served: usize,
    /// Bytes that the pushing connection got back.
    pub pushed: u64,
    /// One line for each connection that failed. Waiting without success, for a message or in the
    /// listen queue, is no error.
    pub errors: Vec<String>,
}

impl Load {
    /// Runs the load and calls `at_start` and `at_end` when the measured time begins and ends. Blocks
    /// for the warm-up and the duration.
    ///
    /// A connection that fails is reported in the outcome; the others continue. The run ends early when
    /// no connection is left.
    ///
    /// # Errors
    /// The driver's; `InvalidInput` for messages of no bytes. An error of a connection is part of the
    /// outcome.
    pub fn run(&self, at_start: impl FnOnce(), at_end: impl FnOnce()) -> io::Result<Outcome> {
        self.run_pipelined(1, at_start, at_end)
    }

    /// Runs the load as [`run`](Load::run) does, with `depth` messages of each connection under way at
    /// once.
    ///
    /// # Errors
    /// As [`run`](Load::run); `InvalidInput` for a depth of 0 and for one that exceeds the address space.
    pub fn run_pipelined(
        &self,
        depth: usize,
        at_start: impl FnOnce(),
        at_end: impl FnOnce(),
    ) -> io::Result<Outcome> {
        if matches!(self.message.checked_mul(depth), None | Some(0)) {
            let text = "a load needs messages of at least one byte, one or more at once, no more \
                        than memory could hold";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut run = Run::new(self, depth)?;
        run.connect(self);
        if self.push {
            run.connect_push(self.addr)?;
        }
        run.run_until(Instant::now() + self.warm_up)?;
        at_start();
        run.start_measuring();
        let start = Instant::now();
        run.run_until(start + self.duration)?;
        let elapsed = start.elapsed();
        at_end();
        Ok(run.into_outcome(elapsed))
    }
}
