//! The table, the curves and the findings of `limits`.

use switchboard_runtime::thread_capacity;

use super::Counted;
use super::kind::Kind;
use super::watch::{Run, Sight, Stop};
use crate::experiment::{Effort, Lab};
use crate::memory::LEFT_TO_OTHERS;
use crate::report::{
    Axis, Better, Column, Figure, Line, Plot, PlotKind, Point, Section, Series, Table, Unit, Value,
};
use crate::text::count;
use crate::unit;

/// Growth of the kernel's memory below this many bytes may be that of other processes.
const KERNEL_NOISE: f64 = (16 << 20) as f64;

/// Growth of a process's own memory below this many bytes may be that of its buffers.
const USER_NOISE: f64 = (256 << 10) as f64;

pub(super) fn of(lab: &Lab, counted: &[Counted]) -> Section {
    let mut section = Section {
        experiment: "limits".to_owned(),
        title: "How many can there be, and what does each cost?".to_owned(),
        settings: settings(counted),
        findings: findings(counted),
        tables: vec![table(counted)],
        plots: vec![creation(counted), memory(counted)],
        ..Section::default()
    };
    if lab.effort == Effort::Quick {
        section.warnings.push(
            "A quick run makes few of each, so most limits are not reached: a usual run finds them."
                .to_owned(),
        );
    }
    if cfg!(debug_assertions) {
        section.warnings.push(
            "This build is not optimised: creation times, and the memory of green threads, are those of such a build."
                .to_owned(),
        );
    }
    for each in counted {
        if let Some(error) = &each.error {
            let name = each.kind.name();
            section
                .warnings
                .push(format!("A run of {name} failed: {error}."));
        }
    }
    section
}

fn settings(counted: &[Counted]) -> Vec<String> {
    let bounds: Vec<String> = counted
        .iter()
        .map(|each| format!("{} {}", unit::number(each.most as f64), each.kind.name()))
        .collect();
    let rounds = counted.iter().map(|each| each.runs.len()).max();
    let rounds = count(rounds.unwrap_or(0), "round");
    vec![
        format!(
            "{rounds}; each kind in a process of its own, which makes more and more, and is measured from \
             outside while it rests"
        ),
        format!("own bounds: {}", bounds.join(", ")),
        format!(
            "and 4 GiB for each kind, half of what is available, and {:.0} % of memory left to others",
            LEFT_TO_OTHERS * 100.0
        ),
        "own memory: growth of the proportional set size of the process and its children; kernel memory: growth of \
         KernelStack, PageTables and Slab of the whole machine, so that less than 16 MiB in all is not counted"
            .to_owned(),
        "a thread is the standard library's, parked; a process is forked and waits for a pipe; a green thread and a \
         task wait for ever; a socket is TCP and not connected; a timer is an hour away"
            .to_owned(),
    ]
}

impl Counted {
    fn figure(&self, of: impl Fn(&Run) -> Option<f64>) -> Option<Figure> {
        Figure::of(self.runs.iter().filter_map(of).collect())
    }

    fn count(&self) -> Option<Figure> {
        self.figure(|run| Some(run.count as f64))
    }

    fn creation(&self) -> Option<Figure> {
        self.figure(|run| (run.count > 0).then(|| run.seconds / run.count as f64))
    }

    /// Returns the bytes of each, user or kernel; else the least that would have been seen.
    fn bytes(&self, noise: f64, of: impl Fn(&Sight) -> f64) -> Result<Figure, f64> {
        let last = |run: &Run| Some((run.sights.last()?.count, of(run.sights.last()?)));
        let figure = self.figure(|run| last(run).map(|(_, each)| each));
        let count = self.figure(|run| last(run).map(|(count, _)| count as f64));
        let least = noise / count.map_or(1.0, |count| count.median());
        figure
            .filter(|figure| figure.median() >= least)
            .ok_or(least)
    }

    fn user(&self) -> Result<Figure, f64> {
        self.bytes(USER_NOISE, |sight| sight.each.user)
    }

    fn kernel(&self) -> Result<Figure, f64> {
        self.bytes(KERNEL_NOISE, |sight| sight.each.kernel)
    }

    /// Returns the bytes of each in all, as far as they can be seen.
    fn both(&self) -> f64 {
        let seen = [self.user(), self.kernel()];
        seen.iter().flatten().map(Figure::median).sum()
    }

    /// Returns the run that went furthest.
    fn best(&self) -> Option<&Run> {
        self.runs.iter().max_by_key(|run| run.count)
    }
}

fn table(counted: &[Counted]) -> Table {
    let seen = |found: Result<Figure, f64>| match found {
        Ok(figure) => Some(Value::Figure(figure)),
        Err(least) => Some(Value::Text(format!("under {}", unit::bytes(least)))),
    };
    let row = |each: &Counted| Line {
        name: each.kind.name().to_owned(),
        values: match each.best() {
            None => vec![None; 5],
            Some(best) => vec![
                each.count().map(Value::Figure),
                each.creation().map(Value::Figure),
                seen(each.user()),
                seen(each.kernel()),
                Some(Value::Text(best.ended_by())),
            ],
        },
        error: each.error.clone(),
        ..Line::default()
    };
    Table {
        title: "How many there were, and what each takes".to_owned(),
        rows_are: "kind".to_owned(),
        columns: vec![
            Column::new("number", Unit::Count, Better::More),
            Column::new("creation", Unit::Seconds, Better::Less),
            Column::new("own memory", Unit::Bytes, Better::Less),
            Column::new("kernel memory", Unit::Bytes, Better::Less),
            Column::new("ended by", Unit::Text, Better::Neither),
        ],
        rows: counted.iter().map(row).collect(),
    }
}

/// Returns a series for each kind: what `of` finds at each number that several runs or one have seen.
fn series(counted: &[Counted], of: impl Fn(&Sight) -> Option<f64>) -> Vec<Series> {
    let one = |each: &Counted| {
        let mut seen: Vec<(u64, f64)> = Vec::new();
        for sight in each.runs.iter().flat_map(|run| &run.sights) {
            // The numbers near a limit differ from run to run; the curve has the round ones.
            let round = each.most == sight.count || is_round(sight.count);
            if let Some(value) = of(sight).filter(|value| *value > 0.0 && round) {
                seen.push((sight.count, value));
            }
        }
        seen.sort_by_key(|(count, _)| *count);
        let points = seen.chunk_by(|a, b| a.0 == b.0).filter_map(|chunk| {
            let figure = Figure::of(chunk.iter().map(|(_, value)| *value).collect())?;
            Some(Point::at(chunk[0].0 as f64, &figure))
        });
        Series {
            name: each.kind.name().to_owned(),
            points: points.collect(),
        }
    };
    let all = counted.iter().map(one);
    all.filter(|series| !series.points.is_empty()).collect()
}

/// Returns whether a number has one digit that is not zero.
fn is_round(number: u64) -> bool {
    number >= 100 && number.is_multiple_of(10_u64.pow(number.ilog10()))
}

fn plot(title: &str, caption: &str, y: Axis, series: Vec<Series>) -> Plot {
    Plot {
        title: title.to_owned(),
        caption: caption.to_owned(),
        kind: PlotKind::Lines,
        x: Axis::log("how many there are", Unit::Count),
        y,
        series,
    }
}

fn creation(counted: &[Counted]) -> Plot {
    plot(
        "Creation of one more, against how many there are",
        "A line that rises says that each further one takes longer to make.",
        Axis::log("creation", Unit::Seconds),
        series(counted, |sight| Some(sight.creation)),
    )
}

fn memory(counted: &[Counted]) -> Plot {
    plot(
        "Memory of each, own and kernel, against how many there are",
        "A line that falls towards the right shares what the first ones took; numbers that take less than 16 MiB in \
         all are left out.",
        Axis::log("memory of each", Unit::Bytes),
        series(counted, |sight| {
            let count = sight.count as f64;
            let kernel = Some(sight.each.kernel).filter(|each| each * count >= KERNEL_NOISE);
            let each = sight.each.user + kernel.unwrap_or(0.0);
            (each * count >= KERNEL_NOISE).then_some(each)
        }),
    )
}

fn findings(counted: &[Counted]) -> Vec<String> {
    let mut findings: Vec<String> = counted.iter().filter_map(how_many).collect();
    findings.extend(counted.iter().filter_map(cost));
    let of = |kind| counted.iter().find(|each| each.kind == kind);
    if let (Some(threads), Some(tasks)) = (of(Kind::Threads), of(Kind::Tasks))
        && threads.both() > 0.0
        && tasks.both() > 0.0
    {
        let ratio = threads.both() / tasks.both();
        findings.push(format!(
            "A thread takes the memory of {} tasks.",
            unit::times(ratio)
        ));
    }
    findings
}

/// Returns how many there were and what ended it.
fn how_many(each: &Counted) -> Option<String> {
    let best = each.best()?;
    let number = unit::number(best.count as f64);
    let name = each.kind.name();
    let mut text = match best.is_limit() {
        true => format!(
            "{number} {name} are possible here, ended by {}.",
            best.ended_by()
        ),
        false => format!(
            "{number} {name} were made, and stopped by {}",
            best.ended_by()
        ),
    };
    if !best.is_limit() {
        match best.next_limit() {
            Some(next) => text.push_str(&format!("; the next limit would be {next}.")),
            None => text.push_str("; nothing but memory is known to limit them."),
        }
    }
    if each.kind == Kind::Threads && matches!(best.stop, Stop::Ended(..)) {
        let (capacity, limit) = thread_capacity();
        text.push_str(&format!(
            " No error is returned: the set-up of a guard page fails inside the new thread. Switchboard's own `spawn` \
             refuses beyond {} threads instead ({limit}).",
            unit::number(capacity as f64)
        ));
    }
    Some(text)
}

/// Returns what each costs.
fn cost(each: &Counted) -> Option<String> {
    let creation = each.creation()?.median();
    let memory = match (each.user(), each.kernel()) {
        (Ok(user), Ok(kernel)) => format!(
            "{} of its own and {} in the kernel",
            unit::bytes(user.median()),
            unit::bytes(kernel.median())
        ),
        (Ok(user), Err(_)) => format!("{} of its own", unit::bytes(user.median())),
        (Err(_), Ok(kernel)) => format!("{} in the kernel", unit::bytes(kernel.median())),
        (Err(_), Err(_)) => return None,
    };
    let mut name = each.kind.one().to_owned();
    name[..1].make_ascii_uppercase();
    Some(format!(
        "{name} costs {memory}: 1,000 take {}, and {} to make.",
        unit::bytes(each.both() * 1e3),
        unit::seconds(creation * 1e3)
    ))
}
