//! The tables, the bars and the findings of `switch`.

use super::work::Act;
use super::{batch, batches};
use crate::experiment::Lab;
use crate::report::{
    Axis, Better, Column, Figure, Line, Plot, PlotKind, Point, Section, Series, Table, Unit, Value,
};
use crate::rounds::Trial;
use crate::unit;

/// A figure that is less certain than this was disturbed.
const UNSURE: f64 = 0.25;

/// The tables: their title and their rows.
const TABLES: [(&str, &[Act]); 4] = [
    (
        "A switch: one waits, another goes on",
        &[
            Act::SwitchCallback,
            Act::SwitchTask,
            Act::SwitchGreen,
            Act::SwitchThread,
            Act::SwitchThreadCores,
            Act::SwitchProcess,
            Act::SwitchProcessCores,
        ],
    ),
    (
        "A start: until one that does nothing has ended",
        &[
            Act::StartCallback,
            Act::StartTask,
            Act::StartGreen,
            Act::StartThread,
            Act::StartProcess,
        ],
    ),
    (
        "Wake-ups, channels and timers",
        &[
            Act::WakeLoop,
            Act::WakeLoopCores,
            Act::ChannelTasks,
            Act::ChannelLoops,
            Act::ChannelThreads,
            Act::ChannelThreadsCores,
            Act::Timer,
            Act::TimerDue,
        ],
    ),
    ("For scale", &[Act::Call, Act::SystemCall, Act::Turn]),
];

/// Returns all acts, in the order of the tables.
pub(super) fn acts() -> Vec<Act> {
    let acts = TABLES.iter().flat_map(|(_, acts)| acts.iter());
    acts.copied().collect()
}

pub(super) fn of(lab: &Lab, trials: &[Trial], cores: &[usize]) -> Section {
    let found = Found(trials);
    let mut section = Section {
        experiment: "switch".to_owned(),
        title: "What does a wait cost?".to_owned(),
        settings: settings(lab, cores),
        findings: findings(&found),
        tables: TABLES
            .iter()
            .map(|(title, acts)| found.table(title, acts))
            .collect(),
        plots: TABLES[..3]
            .iter()
            .map(|(title, acts)| found.plot(title, acts))
            .collect(),
        ..Section::default()
    };
    let figures = trials
        .iter()
        .filter_map(|trial| trial.figures.first()?.as_ref());
    let unsure = figures
        .filter(|figure| figure.uncertainty() > UNSURE)
        .count();
    if unsure * 4 > trials.len() {
        section.warnings.push(format!(
            "{unsure} of {} figures are uncertain by more than {:.0} %: other programs ran on these cores meanwhile.",
            trials.len(),
            UNSURE * 100.0
        ));
    }
    if cores.len() < 2 {
        section.warnings.push(
            "This process may use one core, so nothing between two cores was measured.".to_owned(),
        );
    }
    if cfg!(debug_assertions) {
        section.warnings.push(
            "This build is not optimised: callbacks, tasks and green threads cost several times as much as they do in \
             a release."
                .to_owned(),
        );
    }
    section
}

fn settings(lab: &Lab, cores: &[usize]) -> Vec<String> {
    let place = match cores {
        [first, second, ..] => format!("core {first}; of two cores, {first} and {second}"),
        cores => format!("core {}", cores[0]),
    };
    vec![
        format!(
            "each in a process of its own: a warm-up, then the median of {} batches of at least {}; rounds by turns",
            batches(lab),
            unit::seconds(batch(lab).as_secs_f64())
        ),
        format!("pinned to {place}"),
        "a hundred chains of callbacks, tasks or green threads go by turns in one loop; threads park and unpark each \
         other; processes pass a byte by pipes; loops call a function of each other; of what goes there and back, one \
         way is half; a turn of a loop runs one callback and looks at the kernel"
            .to_owned(),
        "a start includes the end: a callback runs, a task, a green thread, a thread are joined, a process is reaped"
            .to_owned(),
    ]
}

/// What came of each act.
struct Found<'a>(&'a [Trial]);

impl Found<'_> {
    fn trial(&self, act: Act) -> Option<&Trial> {
        let at = acts().iter().position(|each| *each == act)?;
        self.0.get(at)
    }

    fn figure(&self, act: Act) -> Option<&Figure> {
        self.trial(act)?.figures.first()?.as_ref()
    }

    fn table(&self, title: &str, acts: &[Act]) -> Table {
        let row = |act: &Act| Line {
            name: act.name().to_owned(),
            values: vec![self.figure(*act).cloned().map(Value::Figure)],
            error: self.trial(*act).and_then(|trial| trial.error.clone()),
            ..Line::default()
        };
        Table {
            title: title.to_owned(),
            rows_are: "what".to_owned(),
            columns: vec![Column::new("time", Unit::Seconds, Better::Less)],
            rows: acts.iter().map(row).collect(),
        }
    }

    fn plot(&self, title: &str, acts: &[Act]) -> Plot {
        let bar = |act: &Act| Some(Point::bar(act.name(), self.figure(*act)?));
        Plot {
            title: title.to_owned(),
            caption: "Each mark of the axis is ten times the one before.".to_owned(),
            kind: PlotKind::Bars,
            x: Axis::linear("what", Unit::Text),
            y: Axis::log("time", Unit::Seconds),
            series: vec![Series {
                name: "time".to_owned(),
                points: acts.iter().filter_map(bar).collect(),
            }],
        }
    }

    /// Says how two compare, the first being expected to take longer.
    fn compared(&self, slow: Act, fast: Act, what: [&str; 2]) -> Option<String> {
        let (slow, fast) = (self.figure(slow)?, self.figure(fast)?);
        let times = [slow, fast].map(|figure| unit::seconds(figure.median()));
        let [of_slow, of_fast] = what;
        let result = match slow.differs_from(fast) {
            false => "the difference is inside the noise".to_owned(),
            true if slow.median() > fast.median() => {
                format!(
                    "{} times as much",
                    unit::times(slow.median() / fast.median())
                )
            }
            true => format!("{} of it", unit::times(slow.median() / fast.median())),
        };
        Some(format!(
            "{of_slow} costs {}, {of_fast} {}: {result}.",
            times[0], times[1]
        ))
    }
}

fn findings(found: &Found<'_>) -> Vec<String> {
    let pairs = [
        (
            Act::SwitchThread,
            Act::SwitchTask,
            ["A switch between threads on one core", "one between tasks"],
        ),
        (
            Act::SwitchProcess,
            Act::SwitchThread,
            [
                "A switch between processes by a pipe",
                "one between threads",
            ],
        ),
        (
            Act::SwitchGreen,
            Act::SwitchTask,
            ["A switch between green threads", "one between tasks"],
        ),
        (
            Act::SwitchThreadCores,
            Act::SwitchThread,
            ["Waking a thread on another core", "one on the same core"],
        ),
        (
            Act::StartThread,
            Act::StartTask,
            ["A thread's start and end", "a task's"],
        ),
        (
            Act::StartProcess,
            Act::StartThread,
            ["A process's start and end", "a thread's"],
        ),
        (
            Act::StartGreen,
            Act::StartTask,
            ["A green thread's start and end", "a task's"],
        ),
        (
            Act::WakeLoopCores,
            Act::SwitchTask,
            [
                "Waking a loop on another core",
                "a switch between its tasks",
            ],
        ),
        (
            Act::ChannelThreads,
            Act::ChannelTasks,
            ["A hop through a channel between threads", "between tasks"],
        ),
        (
            Act::SystemCall,
            Act::SwitchTask,
            ["A system call that does nothing", "a switch between tasks"],
        ),
    ];
    let pairs = pairs.into_iter();
    pairs
        .filter_map(|(slow, fast, what)| found.compared(slow, fast, what))
        .collect()
}
