//! What `slow` found, in words, tables and bars.

use super::scenes::Scene;
use super::{LATE, Outcome, P50, P99, RATE, SHARE, SlowSizes, WORST};
use crate::report::{
    Axis, Better, Column, Line, Mark, Plot, PlotKind, Point, Section, Series, Table, Unit, Value,
};
use crate::text::list;
use crate::unit;

pub(super) fn section(sizes: &SlowSizes, outcomes: &[Outcome]) -> Section {
    let findings = Scene::ALL
        .into_iter()
        .filter_map(|scene| finding(scene, sizes, outcomes));
    let mut settings: Vec<String> = Scene::ALL
        .iter()
        .map(|scene| scene.setting(sizes))
        .collect();
    settings.push(
        "open loop: latencies from when a request was due; one that is never answered counts until the end of the run"
            .to_owned(),
    );
    settings.push(
        "in time: within a second from when it was due; answered: so many a second of the time in which requests were due, or, \
         if some were never answered, of the time until the last answer"
            .to_owned(),
    );
    Section {
        experiment: "slow".to_owned(),
        title: "What the others feel".to_owned(),
        settings,
        findings: findings.collect(),
        tables: Scene::ALL
            .into_iter()
            .map(|scene| table(scene, outcomes))
            .filter(|table| !table.rows.is_empty())
            .collect(),
        plots: vec![shares(outcomes), worst(outcomes)],
        ..Section::default()
    }
}

fn of(scene: Scene, outcomes: &[Outcome]) -> impl Iterator<Item = &Outcome> {
    outcomes.iter().filter(move |one| one.scene == scene)
}

fn table(scene: Scene, outcomes: &[Outcome]) -> Table {
    let columns = vec![
        Column::new("in time", Unit::Share, Better::More),
        Column::new("answered", Unit::PerSecond, Better::More),
        Column::new("p50", Unit::Seconds, Better::Less),
        Column::new("p99", Unit::Seconds, Better::Less),
        Column::new("worst", Unit::Seconds, Better::Less),
        Column::new("sent late", Unit::Seconds, Better::Neither),
    ];
    let rows = of(scene, outcomes).map(|outcome| Line {
        name: outcome.row.to_string(),
        mark: Mark::Plain,
        values: [SHARE, RATE, P50, P99, WORST, LATE]
            .into_iter()
            .map(|at| outcome.figure(at).cloned().map(Value::Figure))
            .collect(),
        error: outcome.trial.error.clone(),
    });
    Table {
        title: scene.name().to_owned(),
        rows_are: "model".to_owned(),
        rows: rows.collect(),
        columns,
    }
}

/// All bars of the share that is in time.
fn shares(outcomes: &[Outcome]) -> Plot {
    let scenes = [Scene::BackEnd, Scene::Clients, Scene::Conversations];
    let series = scenes.map(|scene| series(scene, SHARE, outcomes));
    Plot {
        title: "Answered in time".to_owned(),
        caption: "The share of requests that are answered within a second from when they were due, while a back end, \
                  other clients or conversations are slow."
            .to_owned(),
        kind: PlotKind::Bars,
        x: Axis::linear("model", Unit::Text),
        y: Axis::linear("in time", Unit::Share),
        series: series.into(),
    }
}

fn worst(outcomes: &[Outcome]) -> Plot {
    Plot {
        title: "The worst small answer beside a long message".to_owned(),
        caption: "The longest time that a small message took while another client sent megabytes."
            .to_owned(),
        kind: PlotKind::Bars,
        x: Axis::linear("model", Unit::Text),
        y: Axis::log("worst", Unit::Seconds),
        series: vec![series(Scene::Message, WORST, outcomes)],
    }
}

fn series(scene: Scene, at: usize, outcomes: &[Outcome]) -> Series {
    let points = of(scene, outcomes)
        .filter_map(|one| Some(Point::bar(&one.row.to_string(), one.figure(at)?)));
    Series {
        name: scene.name().to_owned(),
        points: points.collect(),
    }
}

fn finding(scene: Scene, sizes: &SlowSizes, outcomes: &[Outcome]) -> Option<String> {
    if scene == Scene::Message {
        return message(sizes, outcomes);
    }
    let (mut whole, mut part) = (Vec::new(), Vec::new());
    for outcome in of(scene, outcomes) {
        let (Some(share), Some(rate)) = (outcome.median(SHARE), outcome.median(RATE)) else {
            continue;
        };
        match share >= 0.99 {
            true => whole.push(outcome.row.to_string()),
            false => part.push(format!(
                "{} answers {:.0} % in time ({:.0} a second)",
                outcome.row,
                share * 100.0,
                rate
            )),
        }
    }
    let what = match scene {
        Scene::BackEnd => format!(
            "With a back end of {} ms and {} requests a second",
            sizes.backend.as_millis(),
            unit::count(sizes.visitors)
        ),
        Scene::Clients => format!("Beside {} slow clients", unit::count(sizes.slow)),
        _ => format!("Beside {} long conversations", unit::count(sizes.long)),
    };
    match (part.is_empty(), whole.is_empty()) {
        (true, true) => None,
        (true, false) => Some(format!("{what} all answer in time: {}.", list(&whole))),
        (false, true) => Some(format!("{what}, {}; none answers all.", list(&part))),
        (false, false) => Some(format!(
            "{what}, {}; at least 99 % are in time under {}.",
            list(&part),
            list(&whole)
        )),
    }
}

fn message(sizes: &SlowSizes, outcomes: &[Outcome]) -> Option<String> {
    let (mut worst, mut held_up) = (Vec::new(), Vec::new());
    for outcome in of(Scene::Message, outcomes) {
        let Some(share) = outcome.median(SHARE) else {
            continue;
        };
        match share >= 0.99 {
            true => worst.push((outcome.median(WORST)?, outcome.row.to_string())),
            false => held_up.push(outcome.row.to_string()),
        }
    }
    worst.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (best, last) = (worst.first()?, worst.last()?);
    let mut text = format!(
        "Beside a message of {}, the worst small answer takes {} under {}",
        unit::bytes(sizes.message as f64),
        unit::seconds(best.0),
        best.1
    );
    if last.1 != best.1 {
        text += &format!(" and {} under {}", unit::seconds(last.0), last.1);
    }
    if !held_up.is_empty() {
        text += &format!("; under {} others are not answered in time", list(&held_up));
    }
    Some(text + ".")
}
