//! Reports: cells and the medians of their runs. As JSON every number has its unit in its name.

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::rows::Workload;
use crate::table;

/// What one run of a cell measured. Times in seconds, memory in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// From the first job's start to the last one's end.
    pub wall_s: f64,
    /// Processor time in user space.
    pub user_s: f64,
    /// Processor time in the kernel.
    pub system_s: f64,
    /// The most memory held at once; pages that processes share count once.
    pub peak_rss_bytes: u64,
    /// Of the echo workload.
    pub echo: Option<Echo>,
}

/// What an echo server did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Echo {
    /// Messages there and back, per second.
    pub round_trips_per_s: f64,
    /// Processor time of the server per message, in microseconds.
    pub cpu_us_per_round_trip: f64,
    /// Half of the messages took no longer; microseconds.
    pub p50_us: f64,
    /// 99 of 100 took no longer; microseconds.
    pub p99_us: f64,
    /// 999 of 1,000 took no longer; microseconds.
    pub p999_us: f64,
    /// Clients that got an answer at all.
    pub served: usize,
    /// Clients that asked.
    pub clients: usize,
}

impl Measured {
    /// Seconds that the work took, or for echo a round trip, over all clients.
    fn time(&self) -> f64 {
        self.echo
            .map_or(self.wall_s, |echo| 1.0 / echo.round_trips_per_s)
    }

    /// Field by field, since the run of the median wall time need not have the median of the rest.
    fn median(runs: &[Measured]) -> Option<Measured> {
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
            // A client that was left alone once was left alone.
            served: runs.iter().map(|run| run.served).min().unwrap_or(0),
            clients: runs.iter().map(|run| run.clients).max().unwrap_or(0),
        }
    }
}

/// The middle value; of an even number, what lies halfway between the middle two.
///
/// ```
/// assert_eq!(switchboard_lab::median(vec![3.0, 1.0, 2.0]), 2.0);
/// assert_eq!(switchboard_lab::median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
/// ```
///
/// # Panics
/// If there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The least and the most that the runs of a cell took: seconds of wall time, or for echo seconds
/// per round trip. Equal if there was but one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The least.
    pub min_s: f64,
    /// The most.
    pub max_s: f64,
}

impl Spread {
    /// Whether there is one.
    pub(crate) fn is_known(self) -> bool {
        self.min_s < self.max_s
    }

    /// Whether the runs of two cells mingle, so that another day may see them change places.
    pub(crate) fn overlaps(self, other: Spread) -> bool {
        self.is_known()
            && other.is_known()
            && self.min_s <= other.max_s
            && other.min_s <= self.max_s
    }
}

/// One workload under one model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// What was done.
    pub workload: Workload,
    /// How: the row's name.
    pub model: String,
    /// The median of the runs that worked; none if they all failed.
    pub measured: Option<Measured>,
    /// How far the runs were apart.
    pub spread: Spread,
    /// How many times as fast as the `blocking` row.
    pub speed_up: Option<f64>,
    /// Why a run failed.
    pub error: Option<String>,
    /// A row that shows a mistake is never recommended.
    pub mistake: bool,
}

impl Cell {
    /// What decides: seconds of wall time, or for echo per round trip; the less the better. None if
    /// the cell failed or its server left clients without an answer: it is no contender.
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

/// Everything one `compare` found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// With which settings: jobs, units, latency and so on, in words.
    pub settings: Vec<String>,
    /// What was measured.
    pub cells: Vec<Cell>,
    /// What follows from it.
    pub advice: Vec<String>,
}

impl Report {
    /// Compares each cell with its workload's `blocking` row; without one there is no speed-up.
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

    /// The report as text for a terminal of 100 columns.
    pub fn text(&self) -> String {
        table::report(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_cell_is_the_median_of_its_runs() {
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
    fn one_failed_run_makes_a_failed_cell_that_keeps_the_others() {
        let half = cell("pool", vec![took(1.0, 0.1), Err("no threads".into())]);
        assert_eq!(half.error.as_deref(), Some("no threads"));
        assert!(half.measured.is_some());
        assert_eq!(half.score(), None);
        let none = cell("pool", vec![Err("no".into())]);
        assert_eq!((none.measured, none.spread), (None, Spread::default()));
    }

    #[test]
    fn an_echo_that_never_answered_is_no_number() {
        let silent = Measured {
            echo: Some(Echo::default()),
            ..Measured::default()
        };
        let cell = Cell::from_runs(Workload::Echo, "tasks".into(), false, vec![Ok(silent)]);
        assert_eq!((cell.score(), cell.spread), (None, Spread::default()));
    }

    #[test]
    fn speed_ups_need_a_blocking_row_and_a_result() {
        let mut report = Report {
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
        let found =
            |report: &Report| -> Vec<_> { report.cells.iter().map(|cell| cell.speed_up).collect() };
        assert_eq!(found(&report), [Some(1.0), Some(5.0), None]);
        report.cells.remove(0);
        report.set_speed_ups();
        assert_eq!(found(&report), [None, None]);
    }

    #[test]
    fn names_in_json_stay() {
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
