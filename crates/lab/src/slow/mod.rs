//! `slow`: what the others feel when a back end, some clients, a conversation or a message is slow.

mod scenes;
mod show;

use std::io;
use std::time::Duration;

use switchboard_runtime::{Driver, Model};

use self::scenes::Scene;
use crate::Work;
use crate::compare::rows::Row;
use crate::crowd::{Found, Spec};
use crate::experiment::{Effort, Experiment, Lab};
use crate::report::{Figure, Section};
use crate::rounds::{Rounds, Trial};
use crate::ways::{by_turns, load_core, one_core, serve, ways};

/// The experiment `slow`. Without sizes it takes those of the lab's effort.
///
/// ```
/// use switchboard_lab::{Experiment, Slow};
///
/// assert_eq!(Slow(None).name(), "slow");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Slow(pub Option<SlowSizes>);

/// How much `slow` does.
#[derive(Clone, Copy, Debug)]
pub struct SlowSizes {
    /// Clients of the slow back end, each with a request a second.
    pub visitors: usize,
    /// The median time of the back end.
    pub backend: Duration,
    /// Clients that send half of a request, or a byte now and then.
    pub slow: usize,
    /// The most slow clients that get a process each.
    pub processes: usize,
    /// Clients that stay and say something four times a second.
    pub long: usize,
    /// Bytes of the one long message.
    pub message: usize,
    /// How long each scene is measured.
    pub duration: Duration,
    /// How often each is run.
    pub rounds: Rounds,
}

/// Bytes of Shakespeare's works as plain text.
const SHAKESPEARE: usize = 5_400_000;

const QUICK: SlowSizes = SlowSizes {
    visitors: 200,
    backend: Duration::from_millis(200),
    slow: 300,
    processes: 100,
    long: 100,
    message: SHAKESPEARE,
    duration: Duration::from_millis(400),
    rounds: Rounds {
        least: 1,
        most: 1,
        budget: Duration::from_secs(10),
        narrow: 0.1,
    },
};

const USUAL: SlowSizes = SlowSizes {
    slow: 1_000,
    processes: 300,
    duration: Duration::from_secs(1),
    rounds: Rounds {
        least: 1,
        most: 3,
        budget: Duration::from_secs(30),
        narrow: 0.1,
    },
    ..QUICK
};

const THOROUGH: SlowSizes = SlowSizes {
    duration: Duration::from_secs(3),
    rounds: Rounds {
        least: 5,
        most: 9,
        budget: Duration::from_mins(5),
        narrow: 0.05,
    },
    ..USUAL
};

/// What came of a scene in one way to serve.
struct Outcome {
    scene: Scene,
    row: Row,
    trial: Trial,
}

/// The figures of a run, in this order.
const P99: usize = 0;
const SHARE: usize = 1;
const P50: usize = 2;
const WORST: usize = 3;
const RATE: usize = 4;
const LATE: usize = 5;

impl Experiment for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn question(&self) -> &'static str {
        "What do the others feel when a back end, a client or a message is slow?"
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        Duration::from_secs(lab.by_effort(14, 60, 600))
    }

    fn run(&self, lab: &Lab) -> io::Result<Section> {
        let sizes = self.0.unwrap_or(lab.by_effort(QUICK, USUAL, THOROUGH));
        let mut warnings = Vec::new();
        let drivers = [Driver::Epoll, Driver::Uring];
        let mut rows = ways(&lab.models, &drivers, &mut warnings);
        let short = self.0.is_none() && lab.effort == Effort::Quick;
        let of_short = |row: &Row| {
            let models = [Model::Blocking, Model::Threads, Model::Pool, Model::Tasks];
            models.contains(&row.model) && row.driver != Driver::Uring
        };
        // Who asks for other models only gets them.
        let short = short && rows.iter().any(of_short);
        if short {
            rows.retain(of_short);
        }
        let cells: Vec<(Scene, Row)> = Scene::ALL
            .into_iter()
            .flat_map(|scene| rows.iter().map(move |row| (scene, *row)))
            .filter(|(scene, row)| scene.has(row.model))
            .filter(|(scene, row)| {
                !short || row.model != Model::Blocking || *scene == Scene::BackEnd
            })
            .collect();
        let turns = by_turns(
            lab,
            self,
            &sizes.rounds,
            &cells,
            |(scene, row)| format!("{}: {row}", scene.name()),
            |(scene, row)| {
                let found = one(lab, &sizes, *scene, *row)?;
                Ok(((), figures(*scene, &found)?))
            },
        );
        let outcomes: Vec<Outcome> = cells
            .into_iter()
            .zip(turns)
            .map(|((scene, row), (trial, _))| Outcome { scene, row, trial })
            .collect();
        let mut section = show::section(&sizes, &outcomes);
        if short {
            section.warnings.push(
                "In a quick run only threads, pool and tasks/epoll are measured, and blocking with a slow back end."
                    .to_owned(),
            );
        } else if lab.models.contains(&Model::Callbacks) {
            section.warnings.push(
                "callbacks has no HTTP server, so it is not in the scenes of a back end and of slow clients."
                    .to_owned(),
            );
        }
        section.warnings.splice(0..0, warnings);
        section.warnings.extend(one_core());
        let late = outcomes
            .iter()
            .filter(|one| one.median(LATE).is_some_and(|late| late > 0.01))
            .count();
        if late > 0 {
            section.warnings.push(format!(
                "In {late} of {} rows the clients themselves sent a request in a hundred more than 10 ms late (`sent late`): so \
                 much of the p99 and of the worst may be theirs.",
                outcomes.len()
            ));
        }
        Ok(section)
    }
}

impl Outcome {
    fn figure(&self, at: usize) -> Option<&Figure> {
        self.trial.figures.get(at)?.as_ref()
    }

    fn median(&self, at: usize) -> Option<f64> {
        self.figure(at).map(Figure::median)
    }
}

fn one(lab: &Lab, sizes: &SlowSizes, scene: Scene, row: Row) -> io::Result<Found> {
    let arguments = scene.arguments(sizes);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let server = serve(lab, row, &arguments)?;
    let duration = match scene {
        Scene::BackEnd => sizes.duration.max(sizes.backend * 3),
        _ => sizes.duration,
    };
    let spec = Spec {
        groups: scene.groups(sizes, row.model, server.addr()),
        server: server.pid(),
        connect_first: scene == Scene::Message,
        alone: match scene {
            Scene::BackEnd => Duration::ZERO,
            Scene::Conversations => scenes::PAUSE.max(sizes.duration / 3) + scenes::PAUSE / 5,
            _ => sizes.duration / 3,
        },
        phases: vec![duration],
        drain: scenes::DEADLINE + scenes::DEADLINE / 10,
        gate: None,
        spins: true,
    };
    let done = lab.work(&Work::Crowd(spec), load_core())?;
    Ok(serde_json::from_value(done.found)?)
}

fn figures(scene: Scene, found: &Found) -> io::Result<Vec<f64>> {
    let phase = found.phases.first();
    let counts = phase.and_then(|phase| phase.groups.get(scene.others()));
    let counts = counts.ok_or_else(|| io::Error::other("the clients found nothing"))?;
    if counts.due == 0 {
        return Err(io::Error::other("no request was due"));
    }
    if counts.answered == 0
        && let Some(error) = &counts.error
    {
        return Err(io::Error::other(error.clone()));
    }
    Ok(vec![
        counts.p99_s,
        1.0 - counts.late as f64 / counts.due as f64,
        counts.p50_s,
        counts.worst_s,
        counts.rate(),
        found.load_late_s,
    ])
}
