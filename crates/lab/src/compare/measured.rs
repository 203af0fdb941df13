//! The measurements of one run of a cell.

use serde::{Deserialize, Serialize};

/// The measurements of one run of a cell: times in seconds, memory in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Wall time from the start of the first job to the end of the last one.
    pub wall_s: f64,
    /// Processor time in user space; only of work.
    pub user_s: f64,
    /// Processor time in the kernel; only of work.
    pub system_s: f64,
    /// The most memory in use at once; pages that processes share count once.
    pub peak_rss_bytes: u64,
    /// What the clients of a server found; only where one is measured.
    pub answers: Option<Answers>,
}

/// What the clients of a server found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// Round trips per second, over all clients, in a closed loop.
    pub per_s: f64,
    /// The server's processor time for each of these.
    pub cpu_s: f64,
    /// Latencies in an open loop, from when each request was due: the least, those that 1, 5, 10, 25, 50, 75, 90, 95, 99,
    /// 99.5, 99.9 and 99.99 % did not exceed, and the most.
    pub latencies_s: Vec<f64>,
    /// Clients that got at least one answer, in the closed loop.
    pub served: usize,
    /// Why the load, not the server, was the limit.
    pub limit: Option<String>,
}

/// The shares of requests for which latencies are kept: 0.99 is the latency that 99 % did not exceed.
pub(crate) const QUANTILES: [f64; 14] = [
    0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, 1.0,
];

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
