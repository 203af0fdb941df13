//! `folklore`: sayings about waiting, each put to this machine as a hypothesis.
//!
//! ```text
//!   Saying (one file each) ── measures by turns ──► Effects: a quotient with its interval, and what is claimed of it
//!                                                     └── verdict: true, false, depends, not shown
//! ```
//!
//! A saying is added by one file that implements [`Saying`] and by one line in [`SAYINGS`]; `docs/folklore.md` has an
//! example.

mod async_is_faster;
mod bigger_buffer;
mod callbacks_beat_coroutines;
mod effect;
mod green_costs_nothing;
mod nodelay_matters;
mod one_thread_per_core;
mod pool_of_ten;
mod processes_beat_threads;
mod saying;
mod select_slows;
mod threads_before_sockets;
mod threads_cost_50_kb;
mod tools;
mod uring_is_faster;

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, Lab};
use crate::report::{
    Axis, Better, Column, Line, Plot, PlotKind, Point, Section, Series, Table, Unit, Value,
    Verdict, Verdicts,
};
use crate::text::count;

use self::effect::{Effect, judge};
use self::saying::Saying;

pub(crate) use self::tools::{bytes_per_connection, echo_turn, start_echo};

/// All sayings, in the order in which they are tested.
const SAYINGS: [&dyn Saying; 12] = [
    &async_is_faster::AsyncIsFaster,
    &threads_cost_50_kb::ThreadsCost50Kb,
    &threads_before_sockets::ThreadsBeforeSockets,
    &select_slows::SelectSlows,
    &processes_beat_threads::ProcessesBeatThreads,
    &green_costs_nothing::GreenCostsNothing,
    &pool_of_ten::PoolOfTen,
    &uring_is_faster::UringIsFaster,
    &callbacks_beat_coroutines::CallbacksBeatCoroutines,
    &one_thread_per_core::OneThreadPerCore,
    &nodelay_matters::NodelayMatters,
    &bigger_buffer::BiggerBuffer,
];

/// What a saying has measured in a process of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// The saying's name.
    saying: String,
    /// Which of the cases that it compares.
    case: String,
}

impl Task {
    /// Does the work in this process and blocks until it is done; returns one sample of each figure.
    ///
    /// # Errors
    /// One line that says why it could not be done.
    pub(crate) fn run(&self) -> io::Result<Vec<f64>> {
        let found = SAYINGS.iter().find(|each| each.name() == self.saying);
        let unknown = || io::Error::other(format!("there is no saying `{}`", self.saying));
        found.ok_or_else(unknown)?.work(&self.case)
    }
}

/// The experiment.
#[derive(Debug)]
pub(crate) struct Folklore;

impl Experiment for Folklore {
    fn name(&self) -> &'static str {
        "folklore"
    }

    fn question(&self) -> &'static str {
        "Which of twelve sayings are true here?"
    }

    fn estimate(&self, lab: &Lab) -> Duration {
        let rounds = tools::rounds(lab).most as u32;
        SAYINGS.iter().map(|each| each.round() * rounds).sum()
    }

    fn run(&self, lab: &Lab) -> io::Result<Section> {
        let rounds = tools::rounds(lab).most;
        let mut section = Section {
            experiment: self.name().to_owned(),
            title: "Which sayings are true here?".to_owned(),
            settings: vec![
                format!(
                    "each comparison: {} by turns; the effect is the median of the quotients of one round each",
                    count(rounds, "round")
                ),
                "servers on one core and their load on another, where there are two; 64-byte messages unless \
                 said otherwise; processor time for a round trip, not wall time, unless said otherwise"
                    .to_owned(),
            ],
            ..Section::default()
        };
        let mut found = Vec::new();
        for saying in SAYINGS {
            lab.begin(&format!("folklore: {}", saying.saying()));
            let effects = saying.effects(lab);
            lab.end(saying.round() * rounds as u32);
            let verdict = match &effects {
                Ok(effects) => judge(saying.saying(), saying.how(), effects),
                Err(error) => Verdict {
                    saying: saying.saying().to_owned(),
                    verdict: Verdicts::NotShown,
                    effect: format!("could not be measured: {error}"),
                    how: saying.how().to_owned(),
                },
            };
            if let Err(error) = &effects {
                section.warnings.push(format!(
                    "`{}` could not be tested: {error}",
                    saying.saying()
                ));
            }
            section.verdicts.push(verdict);
            found.extend(
                effects
                    .unwrap_or_default()
                    .into_iter()
                    .map(|effect| (saying, effect)),
            );
        }
        section.findings = findings(&section.verdicts);
        section.tables = vec![table(&found)];
        section.plots = vec![plot(&found)];
        Ok(section)
    }
}

/// Returns the sentences that count the verdicts, and those that repeat what depends.
fn findings(verdicts: &[Verdict]) -> Vec<String> {
    let named = |wanted| -> Vec<&str> {
        let of_it = verdicts.iter().filter(|each| each.verdict == wanted);
        of_it.map(|each| each.saying.as_str()).collect()
    };
    let mut lines = Vec::new();
    for (wanted, what) in [
        (Verdicts::False, "not true here"),
        (Verdicts::Depends, "true in some cases only"),
        (Verdicts::True, "true here"),
        (Verdicts::NotShown, "neither shown nor refuted here"),
    ] {
        let sayings = named(wanted);
        if !sayings.is_empty() {
            lines.push(format!(
                "{} of {} {what}: {}",
                sayings.len(),
                count(verdicts.len(), "saying"),
                sayings.join("; ")
            ));
        }
    }
    lines
}

fn table(found: &[(&dyn Saying, Effect)]) -> Table {
    Table {
        title: "Effects".to_owned(),
        rows_are: "what is compared".to_owned(),
        columns: vec![
            Column::new("effect", Unit::Ratio, Better::Neither),
            Column::new("if the saying holds", Unit::Text, Better::Neither),
            Column::new("found", Unit::Text, Better::Neither),
        ],
        rows: found
            .iter()
            .map(|(saying, effect)| Line {
                name: format!("{}: {}", saying.name(), effect.name),
                values: vec![
                    Some(Value::Figure(effect.figure.clone())),
                    Some(Value::Text(effect.expected())),
                    Some(Value::Text(effect.found().to_owned())),
                ],
                ..Line::default()
            })
            .collect(),
    }
}

fn plot(found: &[(&dyn Saying, Effect)]) -> Plot {
    let bars = found.iter().map(|(saying, effect)| {
        Point::bar(
            &format!("{}: {}", saying.name(), effect.name),
            &effect.figure,
        )
    });
    Plot {
        title: "How large the effects are".to_owned(),
        caption: "Each bar is a quotient; at 1 there is no difference between what is compared."
            .to_owned(),
        kind: PlotKind::Bars,
        x: Axis::linear("comparison", Unit::Text),
        y: Axis::log("quotient", Unit::Ratio),
        series: vec![Series {
            name: "effect".to_owned(),
            points: bars.collect(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_saying_has_a_name_of_its_own_and_says_how_it_is_tested() {
        let mut names: Vec<&str> = SAYINGS.iter().map(|each| each.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SAYINGS.len());
        assert!(SAYINGS.iter().all(|each| !each.how().is_empty()));
    }

    #[test]
    fn work_of_an_unknown_saying_or_case_is_refused() {
        let run = |saying: &str| {
            let task = Task {
                saying: saying.to_owned(),
                case: "nonsense".to_owned(),
            };
            task.run().unwrap_err().to_string()
        };
        assert!(run("gossip").contains("`gossip`"));
        for saying in SAYINGS {
            assert!(
                run(saying.name()).contains("`nonsense`"),
                "{}",
                saying.name()
            );
        }
    }
}
