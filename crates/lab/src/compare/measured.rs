//! The measurements of one run of a cell, and the median of several runs.

use serde::{Deserialize, Serialize};

/// The measurements of one run of a cell: times in seconds, memory in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Wall time from the start of the first job to the end of the last one.
    pub wall_s: f64,
    /// Processor time in user space.
    pub user_s: f64,
    /// Processor time in the kernel.
    pub system_s: f64,
    /// The most memory in use at once; pages that processes share count once.
    pub peak_rss_bytes: u64,
    /// The measurements of the echo server; only for that workload.
    pub echo: Option<Echo>,
}

/// The measurements of an echo server under load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Echo {
    /// Round trips per second, over all clients.
    pub round_trips_per_s: f64,
    /// The server's processor time for each round trip, in microseconds.
    pub cpu_us_per_round_trip: f64,
    /// Median latency in microseconds.
    pub p50_us: f64,
    /// Latency that 99 % of the round trips did not exceed, in microseconds.
    pub p99_us: f64,
    /// Latency that 99.9 % of the round trips did not exceed, in microseconds.
    pub p999_us: f64,
    /// Clients that got at least one message back.
    pub served: usize,
    /// Clients that sent messages.
    pub clients: usize,
}

impl Measured {
    /// Returns the wall time in seconds; for echo, the seconds for one round trip of all clients.
    pub(crate) fn time(&self) -> f64 {
        self.echo
            .map_or(self.wall_s, |echo| 1.0 / echo.round_trips_per_s)
    }

    /// Returns the median of each field: the run with the median wall time may be extreme in others.
    pub(crate) fn median(runs: &[Measured]) -> Option<Measured> {
        if runs.is_empty() {
            return None;
        }
        let of = |field: fn(&Measured) -> f64| median(runs.iter().map(field).collect());
        let echoes: Vec<Echo> = runs.iter().filter_map(|run| run.echo).collect();
        Some(Measured {
            wall_s: of(|run| run.wall_s),
            user_s: of(|run| run.user_s),
            system_s: of(|run| run.system_s),
            peak_rss_bytes: of(|run| run.peak_rss_bytes as f64) as u64,
            echo: (!echoes.is_empty()).then(|| Echo::median(&echoes)),
        })
    }
}

impl Echo {
    fn median(runs: &[Echo]) -> Echo {
        let of = |field: fn(&Echo) -> f64| median(runs.iter().map(field).collect());
        Echo {
            round_trips_per_s: of(|run| run.round_trips_per_s),
            cpu_us_per_round_trip: of(|run| run.cpu_us_per_round_trip),
            p50_us: of(|run| run.p50_us),
            p99_us: of(|run| run.p99_us),
            p999_us: of(|run| run.p999_us),
            // A client that was not served in one run counts as not served.
            served: runs.iter().map(|run| run.served).min().unwrap_or(0),
            clients: runs.iter().map(|run| run.clients).max().unwrap_or(0),
        }
    }
}

/// Returns the middle value, or the mean of the middle two if the number of values is even.
///
/// ```
/// assert_eq!(switchboard_lab::median(vec![3.0, 1.0, 2.0]), 2.0);
/// assert_eq!(switchboard_lab::median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
/// ```
///
/// # Panics
/// If there are no values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
