//! What `kegel` found, in words, tables and bars.

use super::{BYTES, KegelSizes, Outcome};
use crate::report::{
    Axis, Better, Column, Figure, Line, Mark, Plot, PlotKind, Point, Section, Series, Table, Unit,
    Value,
};
use crate::{cores, unit};

/// The figures of a phase, from its first one on.
const WARM: usize = 0;
const COLD: usize = 7;
const MISSED: usize = 0;
const P99: usize = 3;
const CPU: usize = 4;
const BUSY: usize = 5;
const DISK: usize = 6;
const PHASE: usize = 7;
const MEMORY: usize = 14;

pub(super) fn section(sizes: &KegelSizes, outcomes: &[Outcome]) -> Section {
    Section {
        experiment: "kegel".to_owned(),
        title: "4 KiB a second for each client".to_owned(),
        settings: vec![
            format!(
                "{} clients, each with a request of a file of {BYTES} bytes a second on a connection that stays; an answer \
                 later than a second after it was due has missed its deadline; open loop",
                unit::count(sizes.clients)
            ),
            format!(
                "cold: {} s in which no file is asked for twice, after the kernel was asked to drop all of them from its \
                 cache (posix_fadvise, DONTNEED; names and inodes stay); warm: the same files again for {} s",
                sizes.cold_s, sizes.warm_s
            ),
            "from the disk: what the servers read from it for what was answered; what they read for requests that were given up \
             may make it more than 100 %"
                .to_owned(),
            match cores().len() {
                1 => "servers and clients share the one core",
                _ => "half of the cores serve, the others are the clients'",
            }
            .to_owned(),
        ],
        findings: findings(outcomes),
        tables: vec![
            table("warm cache", WARM, outcomes),
            table("cold cache", COLD, outcomes),
        ],
        plots: vec![bars(outcomes)],
        warnings: warnings(outcomes),
        ..Section::default()
    }
}

fn table(title: &str, from: usize, outcomes: &[Outcome]) -> Table {
    let columns = vec![
        Column::new("clients", Unit::Count, Better::Neither),
        Column::new("servers", Unit::Count, Better::Neither),
        Column::new("missed", Unit::Share, Better::Less),
        Column::new("answers", Unit::PerSecond, Better::More),
        Column::new("p50", Unit::Seconds, Better::Less),
        Column::new("p99", Unit::Seconds, Better::Less),
        Column::new("CPU an answer", Unit::Seconds, Better::Less),
        Column::new("cores busy", Unit::Ratio, Better::Less),
        Column::new("from the disk", Unit::Share, Better::Neither),
        Column::new("memory each", Unit::Bytes, Better::Less),
    ];
    let rows = outcomes.iter().map(|outcome| {
        let connected = outcome.last.as_ref().map(|last| last.connected as f64);
        let counts = [connected, Some(outcome.plan.servers as f64)];
        let counts = counts.map(|count| Figure::once(count?));
        let figures = (from..from + PHASE).chain([MEMORY]);
        Line {
            name: outcome.row.to_string(),
            mark: Mark::Plain,
            values: counts
                .into_iter()
                .chain(figures.map(|at| outcome.figure(at).cloned()))
                .map(|figure| figure.map(Value::Figure))
                .collect(),
            error: outcome.trial.error.clone(),
        }
    });
    Table {
        title: title.to_owned(),
        rows_are: "model".to_owned(),
        rows: rows.collect(),
        columns,
    }
}

fn bars(outcomes: &[Outcome]) -> Plot {
    let series = [("warm cache", WARM), ("cold cache", COLD)].map(|(name, from)| Series {
        name: name.to_owned(),
        points: outcomes
            .iter()
            .filter_map(|one| Some(Point::bar(&one.row.to_string(), one.figure(from + CPU)?)))
            .collect(),
    });
    Plot {
        title: "What an answer costs".to_owned(),
        caption: "The servers' processor time for an answer of 4 KiB, with the files in the cache and on the disk."
            .to_owned(),
        kind: PlotKind::Bars,
        x: Axis::linear("model", Unit::Text),
        y: Axis::linear("CPU an answer", Unit::Seconds),
        series: series.into(),
    }
}

fn findings(outcomes: &[Outcome]) -> Vec<String> {
    let mut findings = Vec::new();
    for outcome in outcomes {
        let figures = [
            WARM + MISSED,
            COLD + MISSED,
            WARM + P99,
            COLD + P99,
            WARM + CPU,
            WARM + BUSY,
            MEMORY,
        ];
        let [warm, cold, warm_p99, cold_p99, cpu, busy, memory] =
            figures.map(|at| outcome.median(at));
        let (Some(last), Some(warm), Some(cold)) = (&outcome.last, warm, cold) else {
            continue;
        };
        let or_zero = |value: Option<f64>| value.unwrap_or(0.0);
        findings.push(format!(
            "{} with {} clients on {} server process{}: {:.2} % of the deadlines are missed with a warm cache and {:.2} % with a \
             cold one (p99 {} and {}); an answer costs {} of processor time, {:.0} % of a core in all, and a client {}.",
            outcome.row,
            unit::count(last.connected),
            outcome.plan.servers,
            if outcome.plan.servers == 1 { "" } else { "es" },
            warm * 100.0,
            cold * 100.0,
            unit::seconds(or_zero(warm_p99)),
            unit::seconds(or_zero(cold_p99)),
            unit::seconds(or_zero(cpu)),
            or_zero(busy) * 100.0,
            unit::bytes(or_zero(memory))
        ));
    }
    findings
}

fn warnings(outcomes: &[Outcome]) -> Vec<String> {
    let mut warnings = Vec::new();
    for outcome in outcomes {
        let (row, Some(last)) = (outcome.row, &outcome.last) else {
            continue;
        };
        if last.connected < outcome.plan.clients() {
            warnings.push(format!(
                "{row}: only {} of {} clients could connect; the others' requests are missed.",
                unit::count(last.connected),
                unit::count(outcome.plan.clients())
            ));
        }
        if let Some(error) = &last.error {
            let failed = last.cold.failed + last.warm.failed;
            warnings.push(format!(
                "{row}: {} requests failed: {error}{}.",
                unit::count(failed as usize),
                match error.contains(" 503 ") {
                    true => " (a server that has no descriptor or memory left to open a file with answers this)",
                    false => "",
                }
            ));
        }
        if last.load_late_s > 0.1 || last.load_busy > 0.9 {
            warnings.push(format!(
                "{row}: the clients took {:.0} % of a core and sent requests up to {} later than was due (99 %): what is missed may \
                 be their fault.",
                last.load_busy * 100.0,
                unit::seconds(last.load_late_s)
            ));
        }
        if let Some(share) = outcome.median(WARM + DISK).filter(|share| *share > 0.05) {
            warnings.push(format!(
                "{row}: the warm cache was not warm: for each 100 answers {:.0} files were read from a disk, since not all had been \
                 read before, or the cache does not hold them. Its figures are those of a cache and a disk.",
                share * 100.0
            ));
        }
        if outcome.median(COLD + DISK).is_some_and(|share| share < 0.5) {
            warnings.push(format!(
                "{row}: the cold cache was not cold: for each 100 answers {:.0} files were read from a disk. The folder for temporary \
                 files may be in memory, or a cache below this system has them.",
                outcome.median(COLD + DISK).unwrap_or(0.0) * 100.0
            ));
        }
    }
    warnings
}

impl Outcome {
    fn figure(&self, at: usize) -> Option<&Figure> {
        self.trial.figures.get(at)?.as_ref()
    }

    fn median(&self, at: usize) -> Option<f64> {
        self.figure(at).map(Figure::median)
    }
}

#[cfg(test)]
mod tests {
    use switchboard_runtime::{Driver, Model};

    use super::super::plan::Plan;
    use super::super::run::{Part, Totals};
    use super::*;
    use crate::compare::rows::{ComputeIn, Row};
    use crate::rounds::Trial;

    /// Returns the warnings if of 100 answers in each phase so many are read from a disk.
    fn read(warm: u64, cold: u64, answered: u64) -> Vec<String> {
        let part = |files: u64| Part {
            due: 100,
            answered,
            disk_bytes: files * BYTES as u64,
            ..Part::default()
        };
        let totals = Totals {
            connected: 100,
            warm: part(warm),
            cold: part(cold),
            ..Totals::default()
        };
        let figures = totals.figures().into_iter().map(Figure::once);
        warnings(&[Outcome {
            row: Row {
                model: Model::Tasks,
                driver: Driver::Epoll,
                compute_in: ComputeIn::ModelDefault,
            },
            plan: Plan {
                servers: 1,
                each: 100,
            },
            trial: Trial {
                figures: figures.collect(),
                error: None,
            },
            last: Some(totals),
        }])
    }

    #[test]
    fn caches_that_are_not_what_they_should_be_are_warned_of() {
        assert_eq!(read(0, 100, 100), Vec::<String>::new());
        let warm = read(34, 100, 100);
        assert!(
            warm[0].contains("the warm cache was not warm: for each 100 answers 34 files"),
            "{warm:?}"
        );
        let cold = read(0, 10, 100);
        assert!(
            cold[0].contains("the cold cache was not cold: for each 100 answers 10 files"),
            "{cold:?}"
        );
        // Without answers nothing is known of a cache.
        assert_eq!(read(0, 0, 0), Vec::<String>::new());
    }
}
