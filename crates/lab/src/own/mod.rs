//! `compare -- COMMAND`: the user's own server under each model and driver.
//!
//! ```text
//!   Template: COMMAND {model} {driver} {port} ── one row for each ──► OwnServer: a process group that listens
//!   rounds, by turns: start it, drive it by echo or HTTP, end it ──► Section: a table and bars
//! ```

mod command;
mod drive;
mod process;

use std::io;
use std::time::Duration;

use crate::crowd::setup::raise_descriptor_limit;
use crate::experiment::{Experiment, Lab};
use crate::report::{
    Axis, Better, Column, Figure, Line, Mark, Plot, PlotKind, Point, Section, Series, Table, Unit,
    Value,
};
use crate::rounds::{Rounds, Trial};
use crate::text::count;
use crate::unit;
use crate::usage::tree_memory;

use self::command::{Template, Variant};
use self::process::{OwnServer, free_port};

/// How the user's server is driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnLoad {
    /// It sends back what it receives: 64 bytes at a time.
    Echo,
    /// It answers `GET PATH`.
    Http {
        /// The path, which begins with a slash.
        path: String,
    },
}

/// The measuring of the user's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPlan {
    /// The program and its arguments, with `{port}` and perhaps `{model}` and `{driver}`.
    pub command: Vec<String>,
    /// How it is driven.
    pub load: OwnLoad,
    /// Clients at once.
    pub clients: usize,
    /// The measured time of a turn.
    pub duration: Duration,
}

impl OwnPlan {
    /// Returns whether the command can be run.
    ///
    /// # Errors
    /// One line that says what is missing, and where.
    pub fn check(&self) -> Result<(), String> {
        match &self.load {
            OwnLoad::Http { path } if !path.starts_with('/') => Err(format!(
                "--path {path}: a path begins with a slash: /{path}"
            )),
            _ => Template(&self.command).check(),
        }
    }
}

/// The figures of a row, in the order of the columns: the deciding one first.
const COLUMNS: [(&str, Unit, Better); 6] = [
    ("CPU per request", Unit::Seconds, Better::Less),
    ("requests", Unit::PerSecond, Better::More),
    ("p50", Unit::Seconds, Better::Less),
    ("p99", Unit::Seconds, Better::Less),
    ("memory", Unit::Bytes, Better::Less),
    ("served", Unit::Share, Better::More),
];

impl Experiment for OwnPlan {
    fn name(&self) -> &'static str {
        "own"
    }

    fn question(&self) -> &'static str {
        "How does your own server do under each model?"
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        let variants = Template(&self.command).variants(&lab.models);
        (self.duration + START) * (variants.len() * lab.by_effort(3, 5, 15)) as u32
    }

    /// A row whose server does not start is shown as failed with the first line of its stderr.
    fn run(&self, lab: &Lab) -> io::Result<Section> {
        let refused = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
        self.check().map_err(refused)?;
        let template = Template(&self.command);
        let variants = template.variants(&lab.models);
        let rounds = Rounds {
            least: lab.by_effort(3, 5, 9),
            most: lab.by_effort(3, 9, 25),
            budget: self.estimate(lab),
            narrow: 0.03,
        };
        // All servers start with the same limit, since they have it from this process.
        raise_descriptor_limit()?;
        let trials = rounds.run(
            &variants,
            |variant| lab.begin(&format!("{} {}", self.command[0], variant.name())),
            |variant| {
                let turn = one_turn(self, &template, *variant);
                lab.end(self.duration);
                turn
            },
        );
        Ok(section(self, &variants, trials))
    }
}

/// About how long a server takes to start and to end.
const START: Duration = Duration::from_millis(300);

fn one_turn(plan: &OwnPlan, template: &Template, variant: Variant) -> io::Result<Vec<f64>> {
    let port = free_port()?;
    let server = OwnServer::start(&template.words(variant, port), port)?;
    let turn = drive::drive(plan, server.addr(), server.pid()).map_err(|error| {
        match server.first_line() {
            Some(line) => io::Error::other(format!("{error}; it said: {line}")),
            None => error,
        }
    })?;
    if turn.answers == 0 {
        return Err(io::Error::other("it answered nothing in the measured time"));
    }
    let quantile = |share| turn.latencies.value_at_quantile(share) as f64 / 1e9;
    Ok(vec![
        turn.cpu / turn.answers as f64,
        turn.answers as f64 / turn.elapsed.as_secs_f64(),
        quantile(0.5),
        quantile(0.99),
        tree_memory(server.pid()).unwrap_or(0) as f64,
        turn.served as f64 / plan.clients.max(1) as f64,
    ])
}

fn section(plan: &OwnPlan, variants: &[Variant], trials: Vec<Trial>) -> Section {
    let load = match &plan.load {
        OwnLoad::Echo => "echo of 64 bytes".to_owned(),
        OwnLoad::Http { path } => format!("GET {path}"),
    };
    let mut rows = Vec::new();
    for (variant, trial) in variants.iter().zip(trials) {
        let figures = trial
            .figures
            .into_iter()
            .map(|figure| figure.map(Value::Figure));
        let mut values: Vec<Option<Value>> = figures.collect();
        values.resize(COLUMNS.len(), None);
        rows.push(Line {
            name: variant.name(),
            values,
            error: trial.error,
            ..Line::default()
        });
    }
    let mut table = Table {
        title: format!("`{}`", plan.command.join(" ")),
        rows_are: "model".to_owned(),
        columns: COLUMNS
            .map(|(name, unit, better)| Column::new(name, unit, better))
            .into(),
        rows,
    };
    let best = mark_best(&mut table);
    let mut section = Section {
        experiment: "own".to_owned(),
        title: "Your server".to_owned(),
        settings: vec![format!(
            "{load}, {}, closed loop, {:.1} s a turn, by turns; the processor time is that of all its processes",
            count(plan.clients, "client"),
            plan.duration.as_secs_f64()
        )],
        findings: findings(&table, best),
        plots: vec![plot(&table)],
        ..Section::default()
    };
    let failed = table
        .rows
        .iter()
        .filter_map(|row| Some((&row.name, row.error.as_ref()?)));
    section.warnings = failed
        .map(|(name, error)| format!("{name} failed: {error}"))
        .collect();
    section.tables.push(table);
    section
}

/// Returns the figure that decides a row; `None` for a row that failed, or left clients without an answer.
fn deciding(row: &Line) -> Option<&Figure> {
    match (row.values.first()?, served(row)) {
        (Some(Value::Figure(figure)), Some(1.0)) if row.error.is_none() => Some(figure),
        _ => None,
    }
}

/// Returns the share of the clients that had an answer.
fn served(row: &Line) -> Option<f64> {
    match row.values.last()? {
        Some(Value::Figure(figure)) => Some(figure.median()),
        _ => None,
    }
}

/// Marks the row that takes the least processor time, if it is the least beyond noise, and returns its place.
fn mark_best(table: &mut Table) -> Option<usize> {
    let median = |at: &usize| deciding(&table.rows[*at]).map(Figure::median);
    let places = (0..table.rows.len()).filter(|at| median(at).is_some());
    let best = places.clone().min_by(|a, b| {
        median(a)
            .partial_cmp(&median(b))
            .unwrap_or(std::cmp::Ordering::Equal)
    })?;
    let alone = places.filter(|at| *at != best).all(|at| {
        let pair = deciding(&table.rows[at]).zip(deciding(&table.rows[best]));
        pair.is_some_and(|(other, best)| other.differs_from(best))
    });
    let measured = table
        .rows
        .iter()
        .filter(|row| deciding(row).is_some())
        .count();
    if alone && measured > 1 {
        table.rows[best].mark = Mark::Best;
    }
    Some(best)
}

/// Returns the sentences of the comparison, and of clients that were left without an answer.
fn findings(table: &Table, best: Option<usize>) -> Vec<String> {
    let mut lines = compared(table, best);
    let unserved = table.rows.iter().filter_map(|row| {
        let share = served(row).filter(|share| *share < 1.0)?;
        Some(format!(
            "{} gave only {:.0} % of the clients an answer in the measured time",
            row.name,
            share * 100.0
        ))
    });
    lines.extend(unserved);
    lines
}

fn compared(table: &Table, best: Option<usize>) -> Vec<String> {
    let Some(best) = best.map(|at| &table.rows[at]) else {
        return vec!["the server did all under no model: see the errors".to_owned()];
    };
    let Some(least) = deciding(best) else {
        return Vec::new();
    };
    let figures: Vec<(&str, &Figure)> = table
        .rows
        .iter()
        .filter_map(|row| Some((row.name.as_str(), deciding(row)?)))
        .collect();
    let others: Vec<&(&str, &Figure)> = figures
        .iter()
        .filter(|(name, _)| *name != best.name)
        .collect();
    let equal: Vec<&str> = others
        .iter()
        .filter(|(_, figure)| !figure.differs_from(least))
        .map(|(name, _)| *name)
        .collect();
    let mut lines = vec![match equal.as_slice() {
        [] if others.is_empty() => format!(
            "{} takes {} of processor time a request",
            best.name,
            unit::seconds(least.median())
        ),
        [] => format!(
            "{} takes the least processor time a request, {}",
            best.name,
            unit::seconds(least.median())
        ),
        equal => format!(
            "{} takes {} of processor time a request, and inside the noise so do {}",
            best.name,
            unit::seconds(least.median()),
            equal.join(", ")
        ),
    }];
    let dearest = others
        .iter()
        .max_by(|a, b| a.1.median().total_cmp(&b.1.median()));
    if let Some((name, figure)) = dearest
        && figure.differs_from(least)
    {
        lines.push(format!(
            "{name} takes the most, {:.2} times as much",
            figure.median() / least.median()
        ));
    }
    lines
}

fn plot(table: &Table) -> Plot {
    let rows = table.rows.iter();
    Plot {
        title: "Processor time of a request".to_owned(),
        caption: "One bar for each model and driver under which the server ran; shorter is better."
            .to_owned(),
        kind: PlotKind::Bars,
        x: Axis::linear("model", Unit::Text),
        y: Axis::linear(COLUMNS[0].0, COLUMNS[0].1),
        series: vec![Series {
            name: "CPU".to_owned(),
            points: rows
                .filter_map(|row| Some(Point::bar(&row.name, deciding(row)?)))
                .collect(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, &[f64])]) -> Table {
        let row = |&(name, samples): &(&str, &[f64])| Line {
            name: name.to_owned(),
            values: vec![
                Figure::of(samples.to_vec()).map(Value::Figure),
                Figure::once(1.0).map(Value::Figure),
            ],
            error: samples.is_empty().then(|| "no".to_owned()),
            ..Line::default()
        };
        Table {
            rows: rows.iter().map(row).collect(),
            ..Table::default()
        }
    }

    #[test]
    fn only_what_is_beyond_noise_is_best() {
        let mut clear = table(&[
            ("a", &[2e-3, 2.05e-3, 2.1e-3]),
            ("b", &[1e-3, 1.05e-3, 1.1e-3]),
            ("c", &[]),
        ]);
        let best = mark_best(&mut clear);
        assert_eq!((best, clear.rows[1].mark), (Some(1), Mark::Best));
        let lines = findings(&clear, best);
        assert_eq!(
            lines,
            [
                "b takes the least processor time a request, 1.05 ms",
                "a takes the most, 1.95 times as much"
            ]
        );
        let mut noisy = table(&[("a", &[1e-3, 3e-3]), ("b", &[1e-3, 2e-3])]);
        let best = mark_best(&mut noisy);
        assert_eq!(noisy.rows[1].mark, Mark::Plain);
        assert!(findings(&noisy, best)[0].ends_with("inside the noise so do a"));
    }

    #[test]
    fn a_server_that_never_ran_is_no_best() {
        let mut none = table(&[("a", &[])]);
        assert_eq!(mark_best(&mut none), None);
        assert_eq!(findings(&none, None).len(), 1);
    }
}
