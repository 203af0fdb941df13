//! Rounds: every cell once in each, so that a machine that becomes slower slows all of them.

use std::io;
use std::time::{Duration, Instant};

use crate::report::Figure;

/// How often cells are run.
///
/// ```
/// use std::time::Duration;
/// use switchboard_lab::Rounds;
///
/// let rounds = Rounds { least: 3, most: 9, budget: Duration::from_secs(5), narrow: 0.05 };
/// let trials = rounds.run(&["a", "b"], |_| (), |cell| Ok(vec![cell.len() as f64, 2.0]));
/// assert_eq!(trials[0].figures[0].as_ref().unwrap().samples().len(), 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rounds {
    /// Every cell is run this often, even past the budget.
    pub least: usize,
    /// No cell is run more often.
    pub most: usize,
    /// No round begins later than this after the first.
    pub budget: Duration,
    /// A cell is not run again once its first figure is this certain ([`Figure::uncertainty`]): 0.05 for ±5 %.
    pub narrow: f64,
}

/// What came of a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    /// The figures, in the order in which a run returns them; `None` if no run succeeded.
    pub figures: Vec<Option<Figure>>,
    /// The error of the last run that failed.
    pub error: Option<String>,
}

impl Rounds {
    /// Runs the cells by turns, and blocks until it is done. `begin` is told each cell before it is run; `run`
    /// returns one sample of each figure, the deciding one first. A cell whose run fails is not run again, and the
    /// others go on.
    pub fn run<C>(
        &self,
        cells: &[C],
        mut begin: impl FnMut(&C),
        mut run: impl FnMut(&C) -> io::Result<Vec<f64>>,
    ) -> Vec<Trial> {
        let start = Instant::now();
        let mut samples: Vec<Vec<Vec<f64>>> = vec![Vec::new(); cells.len()];
        let mut trials = vec![Trial::default(); cells.len()];
        for round in 0..self.most {
            if round >= self.least && start.elapsed() > self.budget {
                break;
            }
            let mut ran = false;
            for (at, cell) in cells.iter().enumerate() {
                if trials[at].error.is_some() || self.is_certain(&samples[at]) {
                    continue;
                }
                ran = true;
                begin(cell);
                match run(cell) {
                    Ok(found) => samples[at].push(found),
                    Err(error) => trials[at].error = Some(error.to_string()),
                }
            }
            if !ran {
                break;
            }
        }
        for (trial, samples) in trials.iter_mut().zip(samples) {
            let columns = samples.first().map_or(0, Vec::len);
            let of = |column: usize| {
                samples
                    .iter()
                    .filter_map(|run| run.get(column).copied())
                    .collect()
            };
            trial.figures = (0..columns).map(|column| Figure::of(of(column))).collect();
        }
        trials
    }

    fn is_certain(&self, runs: &[Vec<f64>]) -> bool {
        let deciding = runs.iter().filter_map(|run| run.first().copied()).collect();
        runs.len() >= self.least
            && Figure::of(deciding).is_none_or(|figure| figure.uncertainty() <= self.narrow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUNDS: Rounds = Rounds {
        least: 3,
        most: 8,
        budget: Duration::from_secs(60),
        narrow: 0.05,
    };

    #[test]
    fn cells_run_by_turns_until_they_are_certain() {
        let mut order = String::new();
        let mut noise = 0.0;
        let cells = ["steady", "noisy"];
        let trials = ROUNDS.run(
            &cells,
            |cell| order.push(cell.chars().next().unwrap()),
            |cell| {
                noise += 1.0;
                Ok(vec![if *cell == "noisy" { noise } else { 1.0 }])
            },
        );
        assert_eq!(order, "snsnsnnnnnn");
        assert_eq!(trials[1].figures[0].as_ref().unwrap().samples().len(), 8);
    }

    #[test]
    fn a_cell_that_fails_stops_and_keeps_what_it_has() {
        let mut runs = 0;
        let trials = ROUNDS.run(
            &[()],
            |()| (),
            |()| {
                runs += 1;
                match runs {
                    3 => Err(io::Error::other("no threads")),
                    _ => Ok(vec![1.0, f64::from(runs)]),
                }
            },
        );
        assert_eq!((runs, trials[0].error.as_deref()), (3, Some("no threads")));
        assert_eq!(trials[0].figures[1].as_ref().unwrap().samples(), [1.0, 2.0]);
    }

    #[test]
    fn the_budget_ends_the_rounds_but_the_least() {
        let rounds = Rounds {
            budget: Duration::ZERO,
            ..ROUNDS
        };
        let mut noise = 0.0;
        let trials = rounds.run(
            &[()],
            |()| (),
            |()| {
                noise += 1.0;
                Ok(vec![noise])
            },
        );
        assert_eq!(trials[0].figures[0].as_ref().unwrap().samples().len(), 3);
    }
}
