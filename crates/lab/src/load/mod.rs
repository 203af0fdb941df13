//! A load for servers: clients on one thread, in a closed loop or an open one.
//!
//! In a closed loop each connection sends a request, waits until all of the answer has come, checks the bytes, and
//! sends the next: a server that pauses is asked nothing meanwhile, and the pause counts once. In an open loop requests
//! are due by a schedule that is fixed in advance, and their latency counts from when they were due: a pause counts for
//! all that were due in it. All connections share one poller, and a round trip is one `recv` and one `send`, so that
//! the server is the slower side.
//!
//! ```text
//!   Load, Way ──► Run: the poller ──► Client, one for each connection ──► Exchange: the bytes
//!                   └─ Schedule         └──► Tally: counts and latencies ──► Outcome
//! ```

mod client;
mod run;
mod talk;
mod wave;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use run::Run;

pub use talk::Talk;

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

/// How the clients of a load ask.
///
/// ```
/// use switchboard_lab::{Talk, Way};
///
/// // 2,000 requests a second over all connections, whatever the server does.
/// let open = Way { rate: Some(2_000.0), ..Way::default() };
/// let pages = Way { talk: Talk::Get("/hello".to_owned()), ..Way::default() };
/// assert_eq!((open.depth, pages.rate), (1, None));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// Requests that a connection has under way at most. Those that are due beyond it wait, and their latency counts
    /// from when they were due. `Talk::Get` has one.
    pub depth: usize,
    /// Requests a second over all connections, by a schedule that is fixed in advance: an open loop. `None` is a
    /// closed loop, in which a connection asks again when it is answered.
    pub rate: Option<f64>,
    /// What is asked.
    pub talk: Talk,
}

impl Default for Way {
    fn default() -> Way {
        Way {
            depth: 1,
            rate: None,
            talk: Talk::Echo,
        }
    }
}

/// The result of a load.
#[derive(Debug)]
pub struct Outcome {
    /// Answers that came whole in the measured time; in an open loop, to requests that were due in it.
    pub round_trips: u64,
    /// The measured time.
    pub elapsed: Duration,
    /// Nanoseconds from the send of each request to the last byte of its answer; in an open loop, from when it was
    /// due. In a closed loop an answer that came in the measured time may be to a request of the warm-up; in an open
    /// one, requests without an answer count as well, with what they had waited for by the end.
    pub latencies: Histogram<u64>,
    /// Connections that got at least one message back.
    pub served: usize,
    /// Requests of an open loop that had no answer by the end.
    pub unanswered: u64,
    /// The share of the measured time, from 0 to 1, in which the load had work; near 1, the load was the limit.
    pub busy: f64,
    /// The most by which a request of an open loop was made later than it was due because the load was late.
    pub late: Duration,
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
        let way = Way {
            depth,
            ..Way::default()
        };
        self.run_by(&way, at_start, at_end)
    }

    /// Runs the load as [`run`](Load::run) does, by another way.
    ///
    /// # Errors
    /// As [`run_pipelined`](Load::run_pipelined); `InvalidInput` for a rate that is no positive number;
    /// `InvalidData` for a path that is not answered with 200 and a length.
    pub fn run_by(
        &self,
        way: &Way,
        at_start: impl FnOnce(),
        at_end: impl FnOnce(),
    ) -> io::Result<Outcome> {
        let invalid = |text: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if matches!(self.message.checked_mul(way.depth), None | Some(0)) {
            return invalid(
                "a load needs messages of at least one byte, one or more at once, no more \
                 than memory could hold",
            );
        }
        if way
            .rate
            .is_some_and(|rate| !(rate > 0.0 && rate.is_finite()))
        {
            return invalid("a load needs a rate of more than 0 requests a second");
        }
        if way.depth > 1 && way.talk != Talk::Echo {
            return invalid("a load asks for one page at a time on each connection");
        }
        let mut run = Run::new(self, way)?;
        run.connect(self);
        if self.push {
            run.connect_push(self.addr)?;
        }
        run.run_until(Instant::now() + self.warm_up)?;
        at_start();
        let start = run.start_measuring();
        run.run_until(start + self.duration)?;
        let elapsed = start.elapsed();
        at_end();
        Ok(run.into_outcome(elapsed))
    }
}

impl Outcome {
    /// Returns why the load itself, not the server, was the limit: it had work for 90 % of the time or more in a
    /// closed loop, or was late with its schedule by more than 20 ms in an open one. `None` if it was not.
    pub fn load_was_the_limit(&self) -> Option<String> {
        match self.late > Duration::from_millis(20) {
            true => Some(format!(
                "the load was up to {} ms late with its own schedule",
                self.late.as_millis()
            )),
            false if self.busy >= 0.9 => Some(format!(
                "the load was busy for {:.0} % of the time",
                self.busy * 100.0
            )),
            false => None,
        }
    }
}
