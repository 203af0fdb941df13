//! How long a page takes: a fixed time, or a random one.

use std::str::FromStr;
use std::time::Duration;

use fastrand::Rng;

/// The time that a page takes to answer: fixed, or drawn from a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// The same time for every page.
    Fixed(Duration),
    /// A log-normal distribution: half of the pages take up to the median, a few take very long.
    LogNormal {
        /// The median.
        median: Duration,
        /// The standard deviation of the logarithm; 0.5 is a mild tail, 1.5 a heavy one.
        sigma: f64,
    },
}

impl Latency {
    pub(super) fn draw(self, rng: &mut Rng) -> Duration {
        match self {
            Latency::Fixed(latency) => latency,
            Latency::LogNormal { median, sigma } => {
                // The Box–Muller transform. 1 - f64() is never zero, so its logarithm is finite.
                let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
                let normal = radius * (std::f64::consts::TAU * rng.f64()).cos();
                let seconds = median.as_secs_f64() * (sigma * normal).exp();
                Duration::try_from_secs_f64(seconds.min(3600.0)).unwrap_or(median)
            }
        }
    }
}

/// Parses `250ms`, `1.5s`, or `lognormal:250ms,0.8` (median and sigma).
///
/// ```
/// use switchboard_apps::slow_site::Latency;
///
/// assert!(matches!("lognormal:250ms,0.8".parse(), Ok(Latency::LogNormal { .. })));
/// assert!("soon".parse::<Latency>().unwrap_err().contains("250ms"));
/// ```
impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Latency, String> {
        let wrong = || format!("`{text}` is no latency: use 250ms, 1.5s or lognormal:250ms,0.8");
        let Some(rest) = text.strip_prefix("lognormal:") else {
            return parse_duration(text).map(Latency::Fixed).ok_or_else(wrong);
        };
        let (median, sigma) = rest.split_once(',').ok_or_else(wrong)?;
        let sigma = sigma
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|sigma| (0.0..=5.0).contains(sigma));
        Ok(Latency::LogNormal {
            median: parse_duration(median).ok_or_else(wrong)?,
            sigma: sigma.ok_or_else(wrong)?,
        })
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    let seconds = number.trim().parse::<f64>().ok()? * unit;
    Duration::try_from_secs_f64(seconds).ok()
}
