//! A workload in words of its users.

use serde::{Deserialize, Serialize};

/// What a server has to do.
///
/// ```
/// use switchboard_lab::Demand;
///
/// let demand = Demand { connections: 10_000, active: 0.05, service_s: 0.2, cpu_s: 0.002, memory_bytes: None };
/// assert_eq!(demand.check(), Ok(()));
/// assert_eq!(demand.under_way(), 500.0);
/// assert_eq!(demand.rate(), 2500.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// Connections that are open at once.
    pub connections: u64,
    /// The share of the connections that have a request under way at any moment, from 0 to 1.
    pub active: f64,
    /// Seconds from a request to its answer, waiting included.
    pub service_s: f64,
    /// Seconds of processor time for a request, without what the model costs.
    pub cpu_s: f64,
    /// Bytes of memory that the server may have; `None` for the machine's.
    pub memory_bytes: Option<u64>,
}

impl Demand {
    /// Returns whether there can be such a workload.
    ///
    /// # Errors
    /// One line that says what is impossible, and what to do.
    pub fn check(&self) -> Result<(), String> {
        let number = |name: &str, value: f64| match value.is_finite() {
            true => Ok(()),
            false => Err(format!("{name}: {value} is no number; give a finite one")),
        };
        number("--active", self.active)?;
        number("--service", self.service_s)?;
        number("--cpu", self.cpu_s)?;
        if self.connections == 0 {
            return Err("--connections 0: nobody is served; give at least 1".to_owned());
        }
        if !(0.0..=1.0).contains(&self.active) {
            return Err(format!(
                "--active {}: a share is from 0 to 1, or from 0% to 100%",
                self.active
            ));
        }
        if self.active == 0.0 {
            return Err(
                "--active 0: then no request is ever under way; give a small share, such as 0.001"
                    .to_owned(),
            );
        }
        if self.service_s <= 0.0 {
            return Err("--service: a request takes some time; give it as 200ms".to_owned());
        }
        if self.cpu_s < 0.0 {
            return Err("--cpu: a time is not negative; give it as 2ms, or 0".to_owned());
        }
        if self.cpu_s > self.service_s {
            return Err(format!(
                "--cpu {} s is more than --service {} s: an answer takes at least as long as it computes; give the \
                 whole time as --service",
                self.cpu_s, self.service_s
            ));
        }
        if self.memory_bytes == Some(0) {
            return Err(
                "--memory 0: nothing fits into no memory; leave it out for the machine's"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Returns how many requests are under way at once.
    pub fn under_way(&self) -> f64 {
        self.connections as f64 * self.active
    }

    /// Returns the requests a second: Little's law, rate = requests under way ÷ time of each.
    pub fn rate(&self) -> f64 {
        self.under_way() / self.service_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Demand = Demand {
        connections: 10_000,
        active: 0.05,
        service_s: 0.2,
        cpu_s: 0.002,
        memory_bytes: None,
    };

    #[test]
    fn what_is_impossible_is_said_in_one_line_that_names_the_option() {
        let wrong = [
            (
                Demand {
                    connections: 0,
                    ..USUAL
                },
                "--connections 0",
            ),
            (
                Demand {
                    active: 1.5,
                    ..USUAL
                },
                "--active 1.5",
            ),
            (
                Demand {
                    active: -0.1,
                    ..USUAL
                },
                "--active -0.1",
            ),
            (
                Demand {
                    active: 0.0,
                    ..USUAL
                },
                "--active 0:",
            ),
            (
                Demand {
                    active: f64::NAN,
                    ..USUAL
                },
                "--active: NaN",
            ),
            (
                Demand {
                    service_s: 0.0,
                    ..USUAL
                },
                "--service",
            ),
            (
                Demand {
                    service_s: f64::INFINITY,
                    ..USUAL
                },
                "--service: inf",
            ),
            (
                Demand {
                    cpu_s: -1.0,
                    ..USUAL
                },
                "--cpu",
            ),
            (
                Demand {
                    cpu_s: 0.3,
                    ..USUAL
                },
                "--cpu 0.3 s is more than --service 0.2 s",
            ),
            (
                Demand {
                    memory_bytes: Some(0),
                    ..USUAL
                },
                "--memory 0",
            ),
        ];
        for (demand, start) in wrong {
            let line = demand.check().unwrap_err();
            assert!(line.starts_with(start), "{line}");
            assert!(!line.contains('\n'));
        }
        let edges = [
            Demand {
                connections: u64::MAX,
                ..USUAL
            },
            Demand {
                active: 1.0,
                ..USUAL
            },
            Demand {
                cpu_s: 0.0,
                ..USUAL
            },
            Demand {
                cpu_s: 0.2,
                ..USUAL
            },
        ];
        assert!(edges.iter().all(|demand| demand.check().is_ok()));
    }
}
