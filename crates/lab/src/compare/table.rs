//! A report as text: a table for each workload, and the advice.

use std::fmt::Write;

use crate::compare::comparison::{Cell, Comparison};
use crate::compare::measured::Measured;
use crate::compare::rows::Workload;
use crate::machine::Machine;
use crate::text::{clip, size, wrap};

/// The head of a column: what it shows, and in which unit.
type Head = (&'static str, &'static str);

const WORK: &[Head] = &[
    ("wall", "s"),
    ("speed", "x"),
    ("user", "s"),
    ("sys", "s"),
    ("memory", "MiB"),
];

/// The columns that are added when a cell ran more than once.
const SPREAD: &[Head] = &[("least", "s"), ("most", "s")];

const ECHO: &[Head] = &[
    ("trips/s", ""),
    ("speed", "x"),
    ("CPU/trip", "us"),
    ("p50", "us"),
    ("p99", "us"),
    ("p99.9", "us"),
    ("served", ""),
    ("user", "s"),
    ("sys", "s"),
    ("memory", "MiB"),
];

impl Comparison {
    /// Formats the machine, the tables and the advice for a terminal of 100 columns.
    pub fn text(&self) -> String {
        let mut text = String::new();
        machine(&mut text, &self.machine);
        for workload in Workload::ALL {
            let of_it = self.cells.iter().filter(|cell| cell.workload == workload);
            let cells: Vec<&Cell> = of_it.collect();
            if !cells.is_empty() {
                let mut settings = self.settings.iter();
                let title = settings.find(|text| text.starts_with(workload.name()));
                text.push('\n');
                wrap(&mut text, "", title.map_or(workload.name(), String::as_str));
                table(&mut text, workload, &cells);
            }
        }
        if self.cells.iter().any(|cell| cell.score().is_some()) {
            text.push_str("\n* the fastest; speed: times blocking's");
            if self.cells.iter().any(|cell| cell.mistake) {
                text.push_str("; ! a mistake, shown for its price");
            }
            text.push('\n');
        }
        if !self.advice.is_empty() {
            text.push_str("\nadvice, from the numbers above\n");
            for line in &self.advice {
                wrap(&mut text, "  ", line);
            }
        }
        text
    }
}

fn machine(text: &mut String, machine: &Machine) {
    let Machine {
        cpu,
        cores,
        memory_bytes,
        kernel,
    } = machine;
    let _ = write!(text, "{cpu}, {cores} cores, ");
    if *memory_bytes > 0 {
        let _ = write!(text, "{}, ", size(*memory_bytes));
    }
    let _ = writeln!(text, "{kernel}");
}

fn table(text: &mut String, workload: Workload, cells: &[&Cell]) {
    let spread = workload != Workload::Echo && cells.iter().any(|cell| cell.spread.is_known());
    let heads = match workload {
        Workload::Echo => ECHO.to_vec(),
        _ if spread => [WORK, SPREAD].concat(),
        _ => WORK.to_vec(),
    };
    let (names, units): (Vec<&str>, Vec<&str>) = heads.into_iter().unzip();
    let mut rows = vec![row(' ', "model", names), row(' ', "", units)];
    let ranked = cells.iter().filter(|cell| !cell.mistake);
    let best = ranked
        .filter_map(|cell| cell.score())
        .min_by(f64::total_cmp);
    for cell in cells {
        let mark = match cell.score() {
            _ if cell.mistake => '!',
            score if score.is_some() && score == best => '*',
            _ => ' ',
        };
        let values = cell.measured.as_ref();
        let values = values.map_or(Vec::new(), |measured| columns(cell, measured, spread));
        rows.push(row(mark, &cell.model, values));
    }
    let heads = [None, None].into_iter();
    let errors = heads.chain(cells.iter().map(|cell| cell.error.as_deref()));
    align(text, rows.into_iter().zip(errors).collect());
}

/// Writes rows in columns as wide as their widest value, each with its error if it has one.
fn align(text: &mut String, rows: Vec<(Vec<String>, Option<&str>)>) {
    let width = |column: usize| {
        let values = rows.iter().filter_map(|(row, _)| row.get(column));
        values.map(String::len).max().unwrap_or(0)
    };
    let columns = rows.first().map_or(0, |(row, _)| row.len());
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for (row, error) in &rows {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (value, width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(line, "  {value:>width$}");
        }
        let _ = match error {
            Some(error) if row.len() == 1 => write!(line, "  failed: {error}"),
            Some(error) => write!(line, "\n    a run of it failed: {error}"),
            None => Ok(()),
        };
        for line in line.lines() {
            text.push_str(&clip(line.trim_end()));
            text.push('\n');
        }
    }
}

fn row<T: Into<String>>(mark: char, name: &str, values: Vec<T>) -> Vec<String> {
    let name = std::iter::once(format!("{mark} {name}"));
    name.chain(values.into_iter().map(Into::into)).collect()
}

fn columns(cell: &Cell, measured: &Measured, spread: bool) -> Vec<String> {
    let s = |seconds: f64| format!("{seconds:.3}");
    let us = |us: f64| match us {
        us if us >= 1000.0 => format!("{us:.0}"),
        us => format!("{us:.1}"),
    };
    let mut values = match measured.echo {
        None => vec![s(measured.wall_s)],
        Some(echo) => vec![format!("{:.0}", echo.round_trips_per_s)],
    };
    let speed_up = cell.speed_up;
    values.push(speed_up.map_or("-".into(), |times| format!("{times:.2}")));
    if let Some(echo) = measured.echo {
        let times = [
            echo.cpu_us_per_round_trip,
            echo.p50_us,
            echo.p99_us,
            echo.p999_us,
        ];
        values.extend(times.map(us));
        values.push(format!("{}/{}", echo.served, echo.clients));
    }
    values.extend([measured.user_s, measured.system_s].map(s));
    let mib = measured.peak_rss_bytes as f64 / f64::from(1 << 20);
    values.push(format!("{mib:.1}"));
    if spread {
        values.extend([cell.spread.min_s, cell.spread.max_s].map(s));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::comparison::Spread;
    use crate::compare::measured::Echo;
    use crate::text::WIDTH;

    fn cell(workload: Workload, model: &str, measured: Measured) -> Cell {
        Cell::from_runs(workload, model.into(), false, vec![Ok(measured)])
    }

    fn work(wall_s: f64, user_s: f64, peak_rss_bytes: u64) -> Measured {
        Measured {
            wall_s,
            user_s,
            system_s: 0.012,
            peak_rss_bytes,
            echo: None,
        }
    }

    fn page(cells: Vec<Cell>) -> String {
        let mut page = Comparison {
            machine: Machine {
                cpu: "Z80".into(),
                cores: 2,
                memory_bytes: 64 << 20,
                kernel: "CP/M 2.2".into(),
            },
            settings: vec!["io: 10 jobs".into()],
            cells,
            advice: Vec::new(),
        };
        page.set_speed_ups();
        page.text()
    }

    #[test]
    fn a_small_table_is_formatted_exactly() {
        let of = |model, measured| cell(Workload::Io, model, measured);
        let failed = vec![Err("x".repeat(200))];
        let mut mistake = of("tasks/epoll on the loop", work(0.5, 0.5, 4 << 20));
        mistake.mistake = true;
        let text = page(vec![
            of("blocking", work(20.1, 0.02, 5_400_000)),
            of("threads", work(1.031, 0.015, 12 << 20)),
            mistake,
            Cell::from_runs(Workload::Io, "pool".into(), false, failed),
        ]);
        let expected = "\
Z80, 2 cores, 64.0 MiB, CP/M 2.2

io: 10 jobs
  model                      wall  speed   user    sys  memory
                                s      x      s      s     MiB
  blocking                 20.100   1.00  0.020  0.012     5.1
* threads                   1.031  19.50  0.015  0.012    12.0
! tasks/epoll on the loop   0.500  40.20  0.500  0.012     4.0
  pool                     failed: WHY…

* the fastest; speed: times blocking's; ! a mistake, shown for its price
";
        assert_eq!(text, expected.replace("WHY", &"x".repeat(64)));
    }

    #[test]
    fn the_spread_of_several_runs_is_shown() {
        let runs = [1.0, 3.0, 2.0].map(|wall_s| Ok(work(wall_s, 0.1, 1 << 20)));
        let mut runs = runs.to_vec();
        runs.push(Err("out of luck".into()));
        let text = page(vec![Cell::from_runs(
            Workload::Cpu,
            "pool".into(),
            false,
            runs,
        )]);
        let expected = "
cpu
  model   wall  speed   user    sys  memory  least   most
             s      x      s      s     MiB      s      s
  pool   2.000      -  0.100  0.012     1.0  1.000  3.000
    a run of it failed: out of luck
";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn the_widest_echo_table_fits() {
        let busy = Measured {
            echo: Some(Echo {
                round_trips_per_s: 250_000.0,
                cpu_us_per_round_trip: 16.25,
                p50_us: 398.4,
                p99_us: 1_215_000.0,
                p999_us: 1_215_000.0,
                served: 1000,
                clients: 1000,
            }),
            ..work(2.0, 10.5, 1_500 << 20)
        };
        let text = page(vec![cell(Workload::Echo, "tasks/portable", busy)]);
        assert!(
            text.contains("1000/1000") && text.contains("1215000"),
            "{text}"
        );
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }

    #[test]
    fn the_spread_may_be_unknown() {
        assert!(!Spread::default().overlaps(Spread::default()));
    }
}
