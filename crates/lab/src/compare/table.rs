//! The tables and plots of the experiments that compare models.

use super::measured::{Answers, QUANTILES, median};
use super::rows::{ComputeIn, Row, Workload};
use crate::report::{
    Axis, Better, Column, Figure, Line, Mark, Plot, PlotKind, Point, Section, Series, Table, Unit,
    Value,
};
use crate::rounds::Trial;

/// A row of a table before it is one.
struct Ran {
    name: String,
    row: Row,
    trial: Trial,
}

/// Puts rows and what came of them together.
fn ran(rows: &[Row], trials: Vec<Trial>) -> Vec<Ran> {
    let names = rows.iter().map(|row| (row.to_string(), *row));
    names
        .zip(trials)
        .map(|((name, row), trial)| Ran { name, row, trial })
        .collect()
}

/// Returns which of two first figures is better.
pub(super) fn better(workload: Workload) -> Better {
    match workload {
        Workload::Io | Workload::Cpu => Better::Less,
        Workload::Echo | Workload::Http => Better::More,
    }
}

/// Returns the latency at a share of the requests.
pub(super) fn latency(answers: &Answers, share: f64) -> f64 {
    let at = QUANTILES.iter().position(|quantile| *quantile == share);
    at.and_then(|at| answers.latencies_s.get(at).copied())
        .unwrap_or(f64::NAN)
}

/// Returns the section of work that ends, from figures of wall and processor time and of memory.
pub(super) fn work(workload: Workload, rows: &[Row], trials: Vec<Trial>) -> Section {
    let columns = vec![
        Column::new("time", Unit::Seconds, Better::Less),
        Column::new("speed", Unit::Ratio, Better::More),
        Column::new("CPU", Unit::Seconds, Better::Less),
        Column::new("memory", Unit::Bytes, Better::Less),
    ];
    let ran = ran(rows, trials);
    let base = base(&ran);
    let lines = ran.into_iter().map(|ran| {
        let speed = against(base.as_ref(), ran.trial.figures.first(), workload);
        line(ran, |mut figures| {
            figures.insert(1, speed);
            figures
        })
    });
    section(workload, columns, lines.collect())
}

/// Returns the section of a server, from figures of rate, CPU, three latencies and memory.
pub(super) fn answers(
    workload: Workload,
    rows: &[Row],
    trials: Vec<Trial>,
    all: &[(String, Answers)],
    clients: usize,
) -> Section {
    let seconds = |name| Column::new(name, Unit::Seconds, Better::Less);
    let columns = vec![
        Column::new("answers/s", Unit::PerSecond, Better::More),
        Column::new("speed", Unit::Ratio, Better::More),
        seconds("CPU each"),
        seconds("p50"),
        seconds("p99"),
        seconds("p99.9"),
        Column::new("memory", Unit::Bytes, Better::Less),
        Column::new("served", Unit::Text, Better::Neither),
    ];
    let ran = ran(rows, trials);
    // A row that leaves clients without an answer is no base for a comparison.
    let fair = |name: &str| served(all, name) == Some(clients);
    let base = base(&ran).filter(|_| fair("blocking"));
    let lines = ran.into_iter().map(|ran| {
        let speed = against(base.as_ref(), ran.trial.figures.first(), workload);
        let served = served(all, &ran.name);
        let mut line = line(ran, |mut figures| {
            figures.insert(1, speed);
            figures
        });
        if !line.values.is_empty() {
            line.values
                .push(served.map(|served| Value::Text(format!("{served}/{clients}"))));
        }
        line
    });
    let mut section = section(workload, columns, lines.collect());
    section.plots.push(distribution(rows, all));
    let limits = rows.iter().filter_map(|row| {
        let name = row.to_string();
        let of_it = all.iter().filter(|(of, _)| *of == name);
        let limits: Vec<_> = of_it.map(|(_, answers)| answers.limit.as_ref()).collect();
        let mut limited: Vec<&String> = limits.iter().copied().flatten().collect();
        limited.sort_unstable();
        // One run of many may have had a slow load.
        let limit = limited.get(limited.len() / 2)?;
        (2 * limited.len() >= limits.len()).then(|| format!("{name}: {limit}"))
    });
    let limits: Vec<String> = limits.collect();
    if !limits.is_empty() {
        section.load_limited = true;
        section.warnings.push(format!(
            "the load itself was the limit, so servers may do more than is shown: {}",
            limits.join("; ")
        ));
    }
    section
}

/// Returns how many clients a row served in the middle of its runs.
fn served(all: &[(String, Answers)], name: &str) -> Option<usize> {
    let of_it = all.iter().filter(|(of, _)| of == name);
    let mut counts: Vec<usize> = of_it.map(|(_, answers)| answers.served).collect();
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied()
}

fn base(ran: &[Ran]) -> Option<Figure> {
    ran.iter()
        .find(|ran| ran.name == "blocking")?
        .trial
        .figures
        .first()?
        .clone()
}

/// Returns how many times as fast a row is as the base, for each of its runs against the base's median.
pub(super) fn against(
    base: Option<&Figure>,
    figure: Option<&Option<Figure>>,
    workload: Workload,
) -> Option<Figure> {
    let (base, figure) = (base?.median(), figure?.as_ref()?);
    let times = figure
        .samples()
        .iter()
        .map(|sample| match better(workload) {
            Better::More => sample / base,
            _ => base / sample,
        });
    Figure::of(times.collect())
}

fn line(ran: Ran, arrange: impl FnOnce(Vec<Option<Figure>>) -> Vec<Option<Figure>>) -> Line {
    let mistake = ran.row.compute_in == ComputeIn::Loop;
    let figures = match ran.trial.figures.is_empty() {
        true => Vec::new(),
        false => arrange(ran.trial.figures),
    };
    Line {
        name: ran.name,
        mark: if mistake { Mark::Mistake } else { Mark::Plain },
        values: figures
            .into_iter()
            .map(|figure| figure.map(Value::Figure))
            .collect(),
        error: ran.trial.error,
    }
}

/// Makes a section of a table, with bars of its first column.
fn section(workload: Workload, columns: Vec<Column>, mut rows: Vec<Line>) -> Section {
    mark_best(&columns[0], &mut rows);
    let bars = rows
        .iter()
        .filter_map(|row| Some(Point::bar(&row.name, first(row)?)));
    let plot = Plot {
        title: columns[0].name.clone(),
        caption: match better(workload) {
            Better::More => "Answers a second under each model; longer is better.".to_owned(),
            _ => "The time that each model takes; shorter is better.".to_owned(),
        },
        kind: PlotKind::Bars,
        x: Axis::linear("model", Unit::Text),
        y: Axis::linear(&columns[0].name, columns[0].unit),
        series: vec![Series {
            name: columns[0].name.clone(),
            points: bars.collect(),
        }],
    };
    Section {
        tables: vec![Table {
            title: String::new(),
            rows_are: "model".to_owned(),
            columns,
            rows,
        }],
        plots: vec![plot],
        ..Section::default()
    }
}

/// Returns the first figure of a row.
pub(super) fn first(row: &Line) -> Option<&Figure> {
    match row.values.first()?.as_ref()? {
        Value::Figure(figure) => Some(figure),
        Value::Text(_) => None,
    }
}

/// Marks the row that is better than all others beyond noise, if there is one.
fn mark_best(column: &Column, rows: &mut [Line]) {
    let is_plain = |row: &Line| row.mark == Mark::Plain && row.error.is_none() && is_fair(row);
    let plain: Vec<usize> = (0..rows.len()).filter(|&at| is_plain(&rows[at])).collect();
    let wins = |at: usize| {
        let mut others = plain.iter().filter(|&&other| other != at);
        others.all(|&other| match (first(&rows[at]), first(&rows[other])) {
            (Some(mine), Some(theirs)) => {
                let ahead = match column.better {
                    Better::More => mine.median() > theirs.median(),
                    _ => mine.median() < theirs.median(),
                };
                ahead && mine.differs_from(theirs)
            }
            (Some(_), None) => true,
            (None, _) => false,
        })
    };
    if plain.len() > 1
        && let Some(best) = plain.iter().copied().find(|&at| wins(at))
    {
        rows[best].mark = Mark::Best;
    }
}

/// Returns whether a server's row answered all its clients.
pub(super) fn is_fair(row: &Line) -> bool {
    row.values.iter().flatten().all(|value| match value {
        Value::Figure(_) => true,
        Value::Text(text) => text.split_once('/').is_none_or(|(served, of)| served == of),
    })
}

/// Returns the curves of the latencies: for each model, the share of requests that took at most so long.
fn distribution(rows: &[Row], all: &[(String, Answers)]) -> Plot {
    let series = rows.iter().filter_map(|row| {
        let name = row.to_string();
        let runs: Vec<&Answers> = all
            .iter()
            .filter(|(of, _)| *of == name)
            .map(|(_, answers)| answers)
            .collect();
        let points = QUANTILES.iter().enumerate().filter_map(|(at, &share)| {
            let values: Vec<f64> = runs
                .iter()
                .filter_map(|run| run.latencies_s.get(at).copied())
                .collect();
            (!values.is_empty()).then(|| Point {
                x: median(values),
                y: share,
                ..Point::default()
            })
        });
        let points: Vec<Point> = points.collect();
        (!points.is_empty()).then_some(Series { name, points })
    });
    Plot {
        title: "latency".to_owned(),
        caption: "The share of requests that were answered within a time, from when each was due; further left is \
                  better."
            .to_owned(),
        kind: PlotKind::Lines,
        x: Axis::log("latency", Unit::Seconds),
        y: Axis::linear("requests", Unit::Share),
        series: series.collect(),
    }
}
