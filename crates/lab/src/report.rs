//! Reports: cells, their medians, a table for people and JSON for machines.

use std::fmt::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::measure::Machine;
use crate::rows::Workload;

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

/// The least and the most of what the runs of a cell took, in seconds of wall time, or for echo in
/// microseconds of processor time per round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

/// One workload under one model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// What was done.
    pub workload: Workload,
    /// How: the row's name.
    pub model: String,
    /// The median of its runs; none if they failed.
    pub measured: Option<Measured>,
    /// How far the runs were apart.
    pub spread: Spread,
    /// How many times as fast as the `blocking` row.
    pub speed_up: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
    /// A row that shows a mistake is never recommended.
    pub mistake: bool,
}

impl Cell {
    /// What decides: wall time, or for echo the time for each round trip; the less the better.
    pub fn score(&self) -> Option<f64> {
        let measured = self.measured.as_ref()?;
        match measured.echo {
            None => Some(measured.wall_s),
            // A server that leaves clients without an answer is no contender.
            Some(echo) if echo.served < echo.clients => None,
            Some(echo) => Some(1.0 / echo.round_trips_per_s),
        }
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
        let key = |one: &Measured| {
            one.echo
                .map_or(one.wall_s, |echo| echo.cpu_us_per_round_trip)
        };
        good.sort_by(|a, b| key(a).total_cmp(&key(b)));
        let spread = Spread {
            min: good.first().map_or(0.0, key),
            max: good.last().map_or(0.0, key),
        };
        Cell {
            workload,
            model,
            measured: (!good.is_empty()).then(|| good.swap_remove(good.len() / 2)),
            spread,
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
    /// Compares each cell with its workload's `blocking` row, or the first row without one.
    pub(crate) fn set_speed_ups(&mut self) {
        for workload in Workload::ALL {
            let base = self
                .cells
                .iter()
                .find(|cell| cell.workload == workload && cell.model == "blocking")
                .and_then(speed);
            for cell in self
                .cells
                .iter_mut()
                .filter(|cell| cell.workload == workload)
            {
                cell.speed_up = Some(speed(cell).unwrap_or(0.0))
                    .zip(base)
                    .map(|(a, b)| a / b);
            }
        }
    }

    /// The report as text for a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let Machine {
            cpu,
            cores,
            memory_bytes,
            kernel,
        } = &self.machine;
        let _ = writeln!(
            text,
            "{cpu}, {cores} cores, {}, {kernel}",
            size(*memory_bytes)
        );
        for workload in Workload::ALL {
            let cells: Vec<&Cell> = self
                .cells
                .iter()
                .filter(|cell| cell.workload == workload)
                .collect();
            if !cells.is_empty() {
                let settings = self
                    .settings
                    .iter()
                    .find(|s| s.starts_with(workload.name()));
                let _ = writeln!(
                    text,
                    "\n{}",
                    settings.map_or(workload.name(), String::as_str)
                );
                table(&mut text, workload, &cells);
            }
        }
        if !self.advice.is_empty() {
            let _ = writeln!(text, "\nadvice, from the numbers above");
            for line in &self.advice {
                let _ = writeln!(text, "  {line}");
            }
        }
        text
    }
}

/// Work per second, for ratios.
fn speed(cell: &Cell) -> Option<f64> {
    let measured = cell.measured.as_ref()?;
    Some(match measured.echo {
        None => 1.0 / measured.wall_s,
        Some(echo) => echo.round_trips_per_s,
    })
}

fn table(text: &mut String, workload: Workload, cells: &[&Cell]) {
    let echo = workload == Workload::Echo;
    let head: &[&str] = match echo {
        false => &["wall", "speed-up", "user", "system", "memory"],
        true => &[
            "trips/s", "speed-up", "CPU/trip", "p50", "p99", "p99.9", "served", "user", "system",
            "memory",
        ],
    };
    let best = cells
        .iter()
        .filter(|cell| !cell.mistake)
        .filter_map(|cell| cell.score())
        .min_by(f64::total_cmp);
    let mut rows = vec![
        head.iter()
            .map(|head| (*head).to_owned())
            .collect::<Vec<_>>(),
    ];
    for cell in cells {
        rows.push(match &cell.measured {
            None => Vec::new(),
            Some(measured) => columns(cell, measured),
        });
    }
    let widths: Vec<usize> = (0..head.len())
        .map(|at| {
            rows.iter()
                .filter_map(|row| row.get(at))
                .map(String::len)
                .max()
                .unwrap_or(0)
        })
        .collect();
    for (at, row) in rows.iter().enumerate() {
        let cell = at.checked_sub(1).map(|at| cells[at]);
        let mark = cell.is_some_and(|cell| cell.score().is_some() && cell.score() == best);
        let name = cell.map_or("model", |cell| cell.model.as_str());
        let _ = write!(text, "{} {name:<24}", if mark { '*' } else { ' ' });
        for (column, width) in row.iter().zip(&widths) {
            let _ = write!(text, "  {column:>width$}");
        }
        if let Some(error) = cell.and_then(|cell| cell.error.as_ref()) {
            let _ = write!(text, "  failed: {error}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}

fn columns(cell: &Cell, measured: &Measured) -> Vec<String> {
    let speed_up = cell
        .speed_up
        .map_or("-".into(), |speed_up| format!("{speed_up:.2}x"));
    let (user, system) = (seconds(measured.user_s), seconds(measured.system_s));
    let memory = size(measured.peak_rss_bytes);
    match measured.echo {
        None => vec![seconds(measured.wall_s), speed_up, user, system, memory],
        Some(echo) => vec![
            format!("{:.0}", echo.round_trips_per_s),
            speed_up,
            micros(echo.cpu_us_per_round_trip),
            micros(echo.p50_us),
            micros(echo.p99_us),
            micros(echo.p999_us),
            format!("{}/{}", echo.served, echo.clients),
            user,
            system,
            memory,
        ],
    }
}

pub(crate) fn seconds(s: f64) -> String {
    let s = Duration::try_from_secs_f64(s)
        .unwrap_or_default()
        .as_secs_f64();
    match s {
        s if s >= 1.0 => format!("{s:.2} s"),
        s => format!("{:.0} ms", s * 1e3),
    }
}

fn micros(us: f64) -> String {
    match us {
        us if us >= 10_000.0 => format!("{:.0} ms", us / 1e3),
        us if us >= 1_000.0 => format!("{:.1} ms", us / 1e3),
        us if us >= 100.0 => format!("{us:.0} us"),
        us => format!("{us:.1} us"),
    }
}

pub(crate) fn size(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    match mib {
        mib if mib >= 1024.0 => format!("{:.1} GiB", mib / 1024.0),
        mib if mib >= 100.0 => format!("{mib:.0} MiB"),
        mib => format!("{mib:.1} MiB"),
    }
}
