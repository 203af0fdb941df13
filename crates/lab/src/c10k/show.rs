//! What `c10k` found, in words, a table and a curve.

use switchboard_runtime::{Driver, Model};

use super::{
    C10kSizes, CPU, CURVE, HELD, KERNEL, MESSAGE, Outcome, P50, P99, RATE, SERVED, SURVIVED, USER,
};
use crate::report::{
    Axis, Better, Column, Line, Mark, Plot, PlotKind, Point, Section, Series, Table, Unit, Value,
};
use crate::text::list;
use crate::{cores, unit};

pub(super) fn section(sizes: &C10kSizes, outcomes: &[Outcome]) -> Section {
    let mut findings = walls(outcomes);
    findings.extend(slopes(sizes, outcomes));
    findings.extend(memory(outcomes));
    findings.extend(survival(outcomes));
    Section {
        experiment: "c10k".to_owned(),
        title: "Ten thousand clients".to_owned(),
        settings: settings(sizes),
        findings,
        tables: vec![table(outcomes)],
        plots: vec![curve(sizes, outcomes)],
        warnings: vec![
            "Memory of the kernel is that of both ends of a connection, and of all that the machine did meanwhile."
                .to_owned(),
        ],
        ..Section::default()
    }
}

fn settings(sizes: &C10kSizes) -> Vec<String> {
    let idle = sizes.idle.last().copied().unwrap_or(0);
    vec![
        format!(
            "{} idle clients, which say a byte when they come in and one at the end; {} active ones, there first, {MESSAGE} \
             bytes, closed loop, {:.1} s",
            unit::count(idle),
            sizes.active,
            sizes.duration.as_secs_f64()
        ),
        format!(
            "held: was answered and is connected; clients are given up after {:.1} s without any answer, and after {:.0} s in all",
            sizes.patience.as_secs_f64() * 2.0,
            sizes.patience.as_secs_f64() * 10.0
        ),
        match cores().len() {
            1 => "the server and all clients, in a process of their own, on the one core",
            _ => "the server on one core, all clients in a process on another",
        }
        .to_owned(),
    ]
}

fn table(outcomes: &[Outcome]) -> Table {
    let columns = vec![
        Column::new("asked", Unit::Count, Better::Neither),
        Column::new("held", Unit::Count, Better::More),
        Column::new("survived", Unit::Count, Better::More),
        Column::new("active served", Unit::Count, Better::More),
        Column::new("user memory each", Unit::Bytes, Better::Less),
        Column::new("kernel memory each", Unit::Bytes, Better::Less),
        Column::new("CPU a round trip", Unit::Seconds, Better::Less),
        Column::new("p50", Unit::Seconds, Better::Less),
        Column::new("p99", Unit::Seconds, Better::Less),
        Column::new("round trips", Unit::PerSecond, Better::More),
    ];
    let of = [HELD, SURVIVED, SERVED, USER, KERNEL, CPU, P50, P99, RATE];
    let rows = outcomes.iter().map(|outcome| Line {
        name: outcome.row.to_string(),
        mark: Mark::Plain,
        values: std::iter::once(crate::Figure::once(outcome.asked as f64))
            .chain(of.iter().map(|&at| outcome.figure(at).cloned()))
            .map(|figure| figure.map(Value::Figure))
            .collect(),
        error: outcome.trial.error.clone(),
    });
    Table {
        title: String::new(),
        rows_are: "model".to_owned(),
        columns,
        rows: rows.collect(),
    }
}

fn curve(sizes: &C10kSizes, outcomes: &[Outcome]) -> Plot {
    let series = outcomes
        .iter()
        .filter(|outcome| outcome.row.model == Model::Tasks)
        .map(|outcome| Series {
            name: outcome.row.to_string(),
            points: sizes
                .idle
                .iter()
                .enumerate()
                .filter_map(|(at, &idle)| {
                    let figure = outcome.figure(CURVE + at)?;
                    let step = outcome.found.as_ref()?.steps.get(at);
                    let held = step.map_or(idle, |step| step.held);
                    Some(Point::at(held as f64, figure))
                })
                .collect(),
        });
    let series: Vec<Series> = series.collect();
    let ends = series.iter().filter_map(|one| {
        let (first, last) = (one.points.first()?, one.points.last()?);
        Some(format!(
            "{} from {} at {} to {} at {}",
            one.name,
            unit::seconds(first.y),
            unit::count(first.x as usize),
            unit::seconds(last.y),
            unit::count(last.x as usize)
        ))
    });
    let ends: Vec<String> = ends.collect();
    Plot {
        title: "What silent clients cost the others".to_owned(),
        caption: format!(
            "The server's processor time for a round trip of an active client, against idle connections: {}.",
            list(&ends)
        ),
        kind: PlotKind::Lines,
        x: Axis::log("idle connections", Unit::Count),
        y: Axis::log("CPU a round trip", Unit::Seconds),
        series,
    }
}

/// Says of each way that does not hold all what ends it.
fn walls(outcomes: &[Outcome]) -> Vec<String> {
    let mut said = Vec::new();
    for outcome in outcomes {
        let Some(last) = outcome.found.as_ref().and_then(|found| found.steps.last()) else {
            continue;
        };
        if last.held >= last.asked {
            continue;
        }
        let waiting =
            last.asked - last.held.min(last.asked) - last.failed.min(last.asked - last.held);
        let active = match last.active.served == last.active.clients {
            true => format!("all {} active ones", last.active.clients),
            false => format!(
                "{} of {} active ones",
                last.active.served, last.active.clients
            ),
        };
        let others = match last.failed {
            0 => format!("the other {} wait without an answer", unit::count(waiting)),
            failed => format!(
                "{} wait without an answer and {} could not connect or were cut ({})",
                unit::count(waiting),
                unit::count(failed),
                last.error.as_deref().unwrap_or("no reason given")
            ),
        };
        said.push(format!(
            "{} holds {} of {} idle clients and serves {active}; {others}: {}.",
            outcome.row,
            unit::count(last.held),
            unit::count(last.asked),
            why(outcome)
        ));
    }
    said
}

fn why(outcome: &Outcome) -> &'static str {
    match (outcome.row.model, outcome.row.driver) {
        (Model::Blocking, _) => "it serves one connection at a time, to its end",
        (Model::Pool, _) => "each of its ten threads serves one connection, to its end",
        (Model::Tasks | Model::Green | Model::Callbacks, Driver::Select) => {
            "FD_SETSIZE is 1,024, and select cannot watch a descriptor of this number or above"
        }
        _ => "the server takes no more (see its limits), or was not done when they were given up",
    }
}

/// Ratios that chance may have made: where the runs are too few to tell, they count as no difference.
const SAME: std::ops::RangeInclusive<f64> = 0.8..=1.25;

/// Says by how much a round trip is dearer with the most idle clients than with the fewest.
fn slopes(sizes: &C10kSizes, outcomes: &[Outcome]) -> Option<String> {
    let (least, most) = (sizes.idle.first()?, sizes.idle.last()?);
    let last = CURVE + sizes.idle.len() - 1;
    let times = outcomes.iter().filter_map(|outcome| {
        let of_it = outcome.row.model == Model::Tasks && outcome.asked == *most;
        let (low, high) = (outcome.median(CURVE)?, outcome.median(last)?);
        let differ = outcome.figure(CURVE)?.differs_from(outcome.figure(last)?);
        let ratio = high / low;
        of_it.then(|| match differ || !SAME.contains(&ratio) {
            true => format!("{ratio:.1} times as much under {}", outcome.row.driver),
            false => format!("about as much under {}", outcome.row.driver),
        })
    });
    let times: Vec<String> = times.collect();
    (!times.is_empty() && least < most).then(|| {
        format!(
            "With {} idle connections instead of {}, a round trip of the active costs the server {}.",
            unit::count(*most),
            unit::count(*least),
            list(&times)
        )
    })
}

fn memory(outcomes: &[Outcome]) -> Option<String> {
    let mut of: Vec<(f64, &Outcome)> = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome.median(USER)?, outcome)))
        .collect();
    of.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ((least, first), (most, last)) = (of.first()?, of.last()?);
    (of.len() > 1).then(|| {
        format!(
            "An idle connection takes {} of the server's memory under {} and {} under {}.",
            unit::bytes(least.max(0.0)),
            first.row,
            unit::bytes(*most),
            last.row
        )
    })
}

fn survival(outcomes: &[Outcome]) -> Vec<String> {
    let (mut all, mut said) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        let Some(found) = &outcome.found else {
            continue;
        };
        let held = found.steps.last().map_or(0, |step| step.held);
        if found.survived == held && held == outcome.asked && held > 0 {
            all.push(format!("{} ({})", outcome.row, unit::count(held)));
        } else if found.survived < held {
            said.push(format!(
                "{} answers {} of the {} idle clients that it held when they speak again.",
                outcome.row,
                unit::count(found.survived),
                unit::count(held)
            ));
        }
    }
    if !all.is_empty() {
        let text = format!(
            "Every idle client is answered when it speaks again under {}.",
            list(&all)
        );
        said.insert(0, text);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::rows::{ComputeIn, Row};
    use crate::report::Figure;
    use crate::rounds::{Rounds, Trial};

    const SIZES: C10kSizes = C10kSizes {
        idle: &[100, 1_000],
        active: 1,
        processes: 1,
        duration: std::time::Duration::ZERO,
        patience: std::time::Duration::ZERO,
        rounds: Rounds {
            least: 1,
            most: 1,
            budget: std::time::Duration::ZERO,
            narrow: 0.1,
        },
    };

    fn outcome(driver: Driver, low: &[f64], high: &[f64]) -> Outcome {
        let mut figures = vec![None; CURVE];
        figures.extend([low, high].map(|samples| Figure::of(samples.to_vec())));
        Outcome {
            row: Row {
                model: Model::Tasks,
                driver,
                compute_in: ComputeIn::ModelDefault,
            },
            asked: 1_000,
            trial: Trial {
                figures,
                error: None,
            },
            found: None,
        }
    }

    #[test]
    fn a_ratio_that_chance_may_have_made_is_about_as_much() {
        let outcomes = [
            outcome(Driver::Poll, &[1.0], &[21.7]),
            outcome(Driver::Epoll, &[1.0], &[0.9]),
            outcome(Driver::Uring, &[1.0, 1.01, 1.02], &[1.2, 1.21, 1.22]),
        ];
        assert_eq!(
            slopes(&SIZES, &outcomes).unwrap(),
            "With 1,000 idle connections instead of 100, a round trip of the active costs the server 21.7 times as much under \
             poll, about as much under epoll and 1.2 times as much under uring."
        );
    }
}
