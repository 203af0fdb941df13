//! The report of a comparison: its cells, their speed-ups, and the advice. In its JSON form each number
//! has its unit in its name.

use serde::{Deserialize, Serialize};

use crate::compare::measured::Measured;
use crate::compare::rows::Workload;
use crate::machine::Machine;

/// The shortest and the longest run of a cell: seconds of wall time, or for echo seconds per round trip.
/// Both are equal after a single run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The shortest.
    pub min_s: f64,
    /// The longest.
    pub max_s: f64,
}

impl Spread {
    /// Returns whether there were several runs of different length.
    pub(crate) fn is_known(self) -> bool {
        self.min_s < self.max_s
    }

    /// Returns whether the runs of two cells overlap, so that repeated runs may change their order.
    pub(crate) fn overlaps(self, other: Spread) -> bool {
        self.is_known()
            && other.is_known()
            && self.min_s <= other.max_s
            && other.min_s <= self.max_s
    }
}

/// One cell of the comparison: a workload under a model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// The workload.
    pub workload: Workload,
    /// The name of the row: the model, and for a loop its driver.
    pub model: String,
    /// The median of the runs that succeeded; `None` if none did.
    pub measured: Option<Measured>,
    /// The shortest and the longest run.
    pub spread: Spread,
    /// How many times as fast as the `blocking` row; `None` without a result of both.
    pub speed_up: Option<f64>,
    /// The error of the last run that failed.
    pub error: Option<String>,
    /// Whether the row demonstrates a mistake. Such a row is never recommended.
    pub mistake: bool,
}

impl Cell {
    /// Returns the seconds by which cells are ranked: wall time, or for echo the time of a round trip.
    /// `None` if a run failed or the server left clients unserved: such a cell is not ranked.
    pub fn score(&self) -> Option<f64> {
        let measured = self.measured.as_ref().filter(|_| self.error.is_none())?;
        let fair = measured.echo.is_none_or(|echo| echo.served >= echo.clients);
        Some(measured.time()).filter(|time| fair && time.is_finite())
    }

    pub(crate) fn from_runs(
        workload: Workload,
        model: String,
        mistake: bool,
        runs: Vec<Result<Measured, String>>,
    ) -> Cell {
        let mut error = None;
        let mut good = Vec::new();
        for run in runs {
            match run {
                Ok(measured) => good.push(measured),
                Err(text) => error = Some(text),
            }
        }
        let times = || {
            good.iter()
                .map(Measured::time)
                .filter(|time| time.is_finite())
        };
        Cell {
            workload,
            model,
            measured: Measured::median(&good),
            spread: Spread {
                min_s: times().min_by(f64::total_cmp).unwrap_or(0.0),
                max_s: times().max_by(f64::total_cmp).unwrap_or(0.0),
            },
            speed_up: None,
            error,
            mistake,
        }
    }
}

/// The result of one `compare`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// The machine that ran it.
    pub machine: Machine,
    /// The settings of each workload, one line for each.
    pub settings: Vec<String>,
    /// The cells, in the order of their rows.
    pub cells: Vec<Cell>,
    /// The advice that follows from the cells, one line for each point.
    pub advice: Vec<String>,
}

impl Comparison {
    /// Sets the speed-up of each cell over its workload's `blocking` row, if there is one.
    pub(crate) fn set_speed_ups(&mut self) {
        let time = |cell: &Cell| cell.measured.as_ref().map(Measured::time);
        for workload in Workload::ALL {
            let base = self
                .cells
                .iter()
                .find(|cell| cell.workload == workload && cell.model == "blocking")
                .and_then(time);
            for cell in self
                .cells
                .iter_mut()
                .filter(|cell| cell.workload == workload)
            {
                let ratio = base.zip(time(cell)).map(|(base, time)| base / time);
                cell.speed_up = ratio.filter(|ratio| ratio.is_finite());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::measured::Echo;

    fn took(wall_s: f64, user_s: f64) -> Result<Measured, String> {
        Ok(Measured {
            wall_s,
            user_s,
            peak_rss_bytes: (wall_s * 100.0) as u64,
            ..Measured::default()
        })
    }

    fn cell(model: &str, runs: Vec<Result<Measured, String>>) -> Cell {
        Cell::from_runs(Workload::Io, model.into(), false, runs)
    }

    #[test]
    fn a_cell_holds_the_median_of_its_runs() {
        let one = cell(
            "tasks",
            vec![took(3.0, 0.1), took(1.0, 0.3), took(2.0, 0.2)],
        );
        let measured = one.measured.clone().unwrap();
        assert_eq!((measured.wall_s, measured.user_s), (2.0, 0.2));
        assert_eq!(measured.peak_rss_bytes, 200);
        assert_eq!((one.spread.min_s, one.spread.max_s), (1.0, 3.0));
        assert_eq!(one.score(), Some(2.0));
        assert!(!cell("tasks", vec![took(3.0, 0.1)]).spread.is_known());
    }

    #[test]
    fn a_failed_run_fails_the_cell_and_keeps_the_other_runs() {
        let half = cell("pool", vec![took(1.0, 0.1), Err("no threads".into())]);
        assert_eq!(half.error.as_deref(), Some("no threads"));
        assert!(half.measured.is_some());
        assert_eq!(half.score(), None);
        let none = cell("pool", vec![Err("no".into())]);
        assert_eq!((none.measured, none.spread), (None, Spread::default()));
    }

    #[test]
    fn an_echo_server_without_round_trips_has_no_score() {
        let silent = Measured {
            echo: Some(Echo::default()),
            ..Measured::default()
        };
        let cell = Cell::from_runs(Workload::Echo, "tasks".into(), false, vec![Ok(silent)]);
        assert_eq!((cell.score(), cell.spread), (None, Spread::default()));
    }

    #[test]
    fn speed_ups_need_a_blocking_row_and_a_result() {
        let mut report = Comparison {
            machine: Machine::default(),
            settings: Vec::new(),
            cells: vec![
                cell("blocking", vec![took(10.0, 0.1)]),
                cell("threads", vec![took(2.0, 0.1)]),
                cell("pool", vec![Err("no".into())]),
            ],
            advice: Vec::new(),
        };
        report.set_speed_ups();
        let found = |report: &Comparison| -> Vec<_> {
            report.cells.iter().map(|cell| cell.speed_up).collect()
        };
        assert_eq!(found(&report), [Some(1.0), Some(5.0), None]);
        report.cells.remove(0);
        report.set_speed_ups();
        assert_eq!(found(&report), [None, None]);
    }

    #[test]
    fn names_in_json_are_stable() {
        let measured = Measured {
            echo: Some(Echo::default()),
            ..Measured::default()
        };
        let cell = Cell::from_runs(
            Workload::Echo,
            "tasks/epoll".into(),
            false,
            vec![Ok(measured)],
        );
        let text = serde_json::to_string(&cell).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"workload":"echo","model":"tasks/epoll","measured":{"wall_s":0.0,"user_s":0.0,"#,
                r#""system_s":0.0,"peak_rss_bytes":0,"echo":{"round_trips_per_s":0.0,"#,
                r#""cpu_us_per_round_trip":0.0,"p50_us":0.0,"p99_us":0.0,"p999_us":0.0,"#,
                r#""served":0,"clients":0}},"spread":{"min_s":0.0,"max_s":0.0},"speed_up":null,"#,
                r#""error":null,"mistake":false}"#
            )
        );
        let back: Cell = serde_json::from_str(&text).unwrap();
        assert_eq!(back.measured, cell.measured);
    }
}
