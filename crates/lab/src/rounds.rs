//! Rounds: every cell once in each, so that a machine that becomes slower slows all of them.

use std::io;
use std::time::{Duration, Instant};

use crate::report::Figure;
use crate::watch::{Disturbance, Watch};

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

/// The runs of a cell, each with its figures.
type Runs = Vec<Vec<f64>>;

/// What a round is told before a cell is run.
pub(crate) struct Step<'a> {
    /// The cell's index.
    pub(crate) at: usize,
    /// The index of the round.
    pub(crate) round: usize,
    /// The runs of all cells so far, the disturbed ones too.
    pub(crate) runs: &'a [Runs],
}

impl Rounds {
    /// Runs the cells by turns, and blocks until it is done. `begin` is told each cell before it is run; `run`
    /// returns one sample of each figure, the deciding one first. A cell whose run fails is not run again, and the
    /// others go on.
    pub fn run<C>(
        &self,
        cells: &[C],
        mut begin: impl FnMut(&C),
        run: impl FnMut(&C) -> io::Result<Vec<f64>>,
    ) -> Vec<Trial> {
        let begin = |step: &Step<'_>| begin(&cells[step.at]);
        self.turns(cells, None, begin, run, |_| None).0
    }

    /// Runs the cells as [`run`](Rounds::run) does. Rounds in which something disturbed are run again while the budget
    /// lasts; a cell whose undisturbed rounds are fewer than half of the least keeps all, and then what disturbed is
    /// returned, the worst of it. Half past the budget, two rounds are enough.
    pub(crate) fn run_watched<C>(
        &self,
        cells: &[C],
        watch: &Watch,
        begin: impl FnMut(&Step<'_>),
        run: impl FnMut(&C) -> io::Result<Vec<f64>>,
    ) -> (Vec<Trial>, Option<Disturbance>) {
        let mut before = watch.moment();
        let patience = Some(self.budget.mul_f64(1.5));
        self.turns(cells, patience, begin, run, |ended| match ended {
            true => watch.since(&before),
            false => {
                before = watch.moment();
                None
            }
        })
    }

    /// `watch` is called with `false` when a round begins and with `true` when it has ended. After `patience`, if there
    /// is one, two rounds are enough.
    fn turns<C>(
        &self,
        cells: &[C],
        patience: Option<Duration>,
        mut begin: impl FnMut(&Step<'_>),
        mut run: impl FnMut(&C) -> io::Result<Vec<f64>>,
        mut watch: impl FnMut(bool) -> Option<Disturbance>,
    ) -> (Vec<Trial>, Option<Disturbance>) {
        let start = Instant::now();
        let mut good: Vec<Runs> = vec![Vec::new(); cells.len()];
        let mut disturbed = good.clone();
        let mut all = good.clone();
        let mut errors: Vec<Option<String>> = vec![None; cells.len()];
        let mut worst: Option<Disturbance> = None;
        // Disturbed rounds do not count as rounds, but there is an end to them.
        let mut counted = 0;
        for round in 0..self.most * 2 {
            let late = round >= self.least && start.elapsed() > self.budget;
            let over = patience.is_some_and(|patience| start.elapsed() > patience);
            if late || round >= 2 && over || counted >= self.most {
                break;
            }
            let mut found = Vec::new();
            watch(false);
            for (at, cell) in cells.iter().enumerate() {
                if errors[at].is_some() || self.is_certain(&good[at]) {
                    continue;
                }
                let runs = &all;
                begin(&Step { at, round, runs });
                match run(cell) {
                    Ok(run) => {
                        all[at].push(run.clone());
                        found.push((at, run));
                    }
                    Err(error) => errors[at] = Some(error.to_string()),
                }
            }
            let disturbance = watch(true);
            if found.is_empty() {
                break;
            }
            let runs = match disturbance {
                None => {
                    counted += 1;
                    &mut good
                }
                Some(found) => {
                    worst = Some(worst.unwrap_or_default().worse(found));
                    &mut disturbed
                }
            };
            found.into_iter().for_each(|(at, run)| runs[at].push(run));
        }
        let mut kept = false;
        let runs = good.into_iter().zip(disturbed);
        let trials = runs.zip(errors).map(|((mut good, disturbed), error)| {
            if good.len() < self.least.div_ceil(2) && !disturbed.is_empty() {
                good.extend(disturbed);
                kept = true;
            }
            Trial::new(&good, error)
        });
        let trials = trials.collect();
        (trials, worst.filter(|_| kept))
    }

    fn is_certain(&self, runs: &[Vec<f64>]) -> bool {
        let deciding = runs.iter().filter_map(|run| run.first().copied()).collect();
        runs.len() >= self.least
            && Figure::of(deciding).is_none_or(|figure| figure.uncertainty() <= self.narrow)
    }
}

impl Trial {
    fn new(runs: &[Vec<f64>], error: Option<String>) -> Trial {
        let columns = runs.first().map_or(0, Vec::len);
        let of = |column: usize| {
            let samples = runs.iter().filter_map(|run| run.get(column).copied());
            samples.collect()
        };
        let figures = (0..columns).map(|column| Figure::of(of(column)));
        Trial {
            figures: figures.collect(),
            error,
        }
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

    #[test]
    fn disturbed_rounds_are_run_again_and_their_samples_left_out() {
        let disturbance = || {
            Some(Disturbance {
                others: 0.5,
                ..Disturbance::default()
            })
        };
        let of = |budget, disturbs: fn(u32) -> bool| {
            let rounds = Rounds { budget, ..ROUNDS };
            let (mut round, mut runs) = (0, 0.0);
            let run = |_: &()| {
                runs += 1.0;
                Ok(vec![runs])
            };
            let watch = |ended: bool| {
                round += u32::from(ended);
                disturbance().filter(|_| ended && disturbs(round))
            };
            let (trials, found) = rounds.turns(&[()], None, |_| (), run, watch);
            (
                trials[0].figures[0].as_ref().unwrap().samples().to_vec(),
                found.is_some(),
            )
        };
        let minute = Duration::from_secs(60);
        let (samples, disturbed) = of(minute, |round| round <= 2);
        assert_eq!(
            (&samples[..2], samples.len(), disturbed),
            (&[3.0, 4.0][..], 8, false)
        );
        let (samples, disturbed) = of(Duration::ZERO, |round| round == 2);
        assert_eq!((samples, disturbed), (vec![1.0, 3.0], false));
        let (samples, disturbed) = of(Duration::ZERO, |round| round <= 2);
        assert_eq!((samples, disturbed), (vec![3.0, 1.0, 2.0], true));
        let (samples, disturbed) = of(minute, |_| true);
        assert_eq!((samples.len(), disturbed), (16, true));
    }

    #[test]
    fn two_rounds_are_enough_when_patience_ends() {
        let run = |_: &()| Ok(vec![1.0]);
        let (trials, _) = ROUNDS.turns(&[()], Some(Duration::ZERO), |_| (), run, |_| None);
        assert_eq!(trials[0].figures[0].as_ref().unwrap().samples().len(), 2);
    }
}
