//! What differs between two reports, and what is noise.

mod sample;

use sample::Noise;
use switchboard_lab::show::{Direction, Look, differences};
use switchboard_lab::{
    Better, Column, Figure, Line, Mark, Report, Section, Table, Unit, Value, Verdict, Verdicts,
};

const LEAST: f64 = 1.03;

/// The models of the reports here, each with six figures.
const MODELS: [&str; 20] = [
    "blocking",
    "threads",
    "pool",
    "processes",
    "tasks/select",
    "tasks/poll",
    "tasks/epoll",
    "tasks/uring",
    "green/select",
    "green/poll",
    "green/epoll",
    "green/uring",
    "callbacks/select",
    "callbacks/poll",
    "callbacks/epoll",
    "callbacks/uring",
    "python asyncio",
    "python threads",
    "python gevent",
    "python Twisted",
];

/// Makes a report of one table; `sample` gives a sample of a row and a column.
fn report(counts: impl Fn(usize) -> usize, mut sample: impl FnMut(usize, usize) -> f64) -> Report {
    let names = ["p50", "p90", "p99", "CPU", "wall", "create"];
    let columns = names
        .map(|name| Column::new(name, Unit::Seconds, Better::Less))
        .to_vec();
    let mut row = |at: usize| Line {
        name: MODELS[at].to_owned(),
        mark: Mark::Plain,
        values: (0..columns.len())
            .map(|column| {
                let samples = (0..counts(at)).map(|_| sample(at, column)).collect();
                Figure::of(samples).map(Value::Figure)
            })
            .collect(),
        error: None,
    };
    let rows = (0..MODELS.len()).map(&mut row).collect();
    let table = Table {
        title: "echo".to_owned(),
        rows_are: "model".to_owned(),
        columns: columns.clone(),
        rows,
    };
    Report {
        schema: Report::SCHEMA.to_owned(),
        version: Report::VERSION,
        sections: vec![Section {
            experiment: "echo".to_owned(),
            tables: vec![table],
            ..Section::default()
        }],
        ..Report::default()
    }
}

fn seed() -> u64 {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(16);
    println!("SEED={seed}");
    seed
}

/// A model that sleeps for a millisecond more is found in all of its figures, and nothing else is.
#[test]
fn a_millisecond_more_in_one_model_is_found() {
    let mut noise = Noise(fastrand::Rng::with_seed(seed()));
    let base = |row: usize, column: usize| (1.0 + row as f64 / 10.0) * (1.0 + column as f64) * 1e-3;
    for counts in [3, 5, 7, 9] {
        let before = report(
            |_| counts,
            |row, column| base(row, column) * noise.around_one(0.02),
        );
        let after = report(
            |_| counts,
            |row, column| {
                (base(row, column) + if row == 6 { 1e-3 } else { 0.0 }) * noise.around_one(0.02)
            },
        );
        let found = differences(&before, &after, LEAST);
        assert_eq!(found.compared, 120);
        assert!(found.is_worse());
        let rows: Vec<&str> = found
            .changes
            .iter()
            .map(|change| change.row.as_str())
            .collect();
        // Three samples show no more than the greatest of them.
        let least = if counts == 3 { 2 } else { 6 };
        assert!(rows.len() >= least, "{counts}: {found}");
        assert!(
            rows.iter().all(|row| *row == "tasks/epoll"),
            "{counts}: {found}"
        );
        assert!(
            found
                .changes
                .iter()
                .all(|change| change.direction == Direction::Worse)
        );
        let back = differences(&after, &before, LEAST);
        assert!(
            !back.is_worse() && back.changes.len() == rows.len(),
            "{back}"
        );
        let said = found.text(Look::default());
        assert!(
            said.starts_with("worse\n  echo, echo: tasks/epoll, p50: "),
            "{said}"
        );
        assert!(
            said.contains("% slower: ") && said.contains("120 figures compared: "),
            "{said}"
        );
    }
}

/// In at least 95 of 100 pairs of reports of the same, nothing differs, whatever the noise is like.
#[test]
fn two_samplings_of_the_same_do_not_differ() {
    const TRIALS: usize = 200;
    let mut noise = Noise(fastrand::Rng::with_seed(seed()));
    type Kind = (&'static str, fn(&mut Noise) -> f64);
    let kinds: [Kind; 6] = [
        ("3 %", |noise| noise.around_one(0.03)),
        ("30 %", |noise| noise.around_one(0.3)),
        ("exponential", |noise| -noise.0.f64().max(1e-12).ln()),
        ("two modes", |noise| {
            if noise.0.bool() {
                noise.around_one(0.01)
            } else {
                2.0 * noise.around_one(0.01)
            }
        }),
        ("outliers", |noise| {
            if noise.0.u8(..10) == 0 {
                10.0
            } else {
                noise.around_one(0.05)
            }
        }),
        ("whole numbers", |noise| 3.0 + f64::from(noise.0.u8(..2))),
    ];
    for (name, kind) in kinds {
        for counts in [3, 5, 9] {
            let mut alarms = 0;
            for _ in 0..TRIALS {
                let mut one = || report(|_| counts, |row, _| (1.0 + row as f64) * kind(&mut noise));
                let (before, after) = (one(), one());
                alarms += usize::from(!differences(&before, &after, LEAST).is_empty());
            }
            println!("{name}, {counts} samples: {alarms} of {TRIALS} pairs differ");
            assert!(
                alarms <= TRIALS / 20,
                "{name}, {counts} samples: {alarms} of {TRIALS}"
            );
        }
    }
}

#[test]
fn what_was_measured_once_is_not_compared() {
    let before = report(|_| 1, |_, _| 1.0);
    let after = report(|_| 1, |_, _| 9.0);
    let found = differences(&before, &after, LEAST);
    assert_eq!((found.compared, found.too_few), (0, 120));
    let said = "Not compared: 120 figures with too few samples";
    assert!(
        found.is_empty() && found.text(Look::default()).contains(said),
        "{found}"
    );
    // Nor can two samples be told from two, or from three.
    for (one, other) in [(2, 2), (2, 3), (3, 2)] {
        let before = report(|_| one, |_, _| 1.0);
        let after = report(|_| other, |_, _| 9.0);
        let found = differences(&before, &after, LEAST);
        assert_eq!((found.compared, found.too_few), (0, 120));
    }
}

#[test]
fn an_experiment_that_fails_now_is_worse() {
    let before = report(|_| 3, |_, _| 1.0);
    let mut after = before.clone();
    after.sections[0].tables.clear();
    after.sections[0].error = Some("no port is free".to_owned());
    let found = differences(&before, &after, LEAST);
    assert!(found.is_worse(), "{found}");
    assert!(
        found.to_string().contains("fails now: no port is free"),
        "{found}"
    );
    let found = differences(&after, &before, LEAST);
    assert!(!found.is_worse() && !found.is_empty(), "{found}");
}

#[test]
fn a_small_difference_does_not_count_however_certain_it_is() {
    let before = report(|_| 9, |_, _| 1.0);
    let after = report(|_| 9, |_, _| 1.02);
    assert!(differences(&before, &after, LEAST).is_empty());
    assert_eq!(differences(&before, &after, 1.01).changes.len(), 120);
}

/// What is better depends on the column; what only one report has, what fails, and other verdicts are told apart.
#[test]
fn changes_are_told_in_the_words_of_their_columns() {
    let line = |name: &str, value: f64, error: Option<&str>| Line {
        name: name.to_owned(),
        mark: Mark::Plain,
        values: vec![Figure::of(vec![value; 7]).map(Value::Figure); 4],
        error: error.map(str::to_owned),
    };
    let columns = vec![
        Column::new("trips", Unit::PerSecond, Better::More),
        Column::new("memory", Unit::Bytes, Better::Less),
        Column::new("wall", Unit::Seconds, Better::Less),
        Column::new("workers", Unit::Count, Better::Neither),
    ];
    let verdict = |verdict| Verdict {
        saying: "Callbacks win".to_owned(),
        verdict,
        effect: String::new(),
        how: String::new(),
    };
    let of = |rows: Vec<Line>, held, cpu: &str| {
        let mut report = Report {
            sections: vec![Section {
                experiment: "echo".to_owned(),
                verdicts: vec![verdict(held)],
                tables: vec![Table {
                    title: String::new(),
                    rows_are: "model".to_owned(),
                    columns: columns.clone(),
                    rows,
                }],
                ..Section::default()
            }],
            ..Report::default()
        };
        report.machine.cpu = cpu.to_owned();
        report
    };
    let before = of(
        vec![
            line("a", 100.0, None),
            line("b", 1.0, None),
            line("gone", 1.0, None),
        ],
        Verdicts::True,
        "Z80",
    );
    let after = of(
        vec![
            line("a", 200.0, None),
            line("b", 1.0, Some("no threads")),
            line("new", 1.0, None),
        ],
        Verdicts::NotShown,
        "6502",
    );
    let found = differences(&before, &after, LEAST);
    let text = found.text(Look::default());
    let expected = "\
The machines differ, and what follows may be due to that:
  processor: 6502, was Z80

worse
  echo: a, memory: 2.0 times as much: 200 B, was 100 B
  echo: a, wall: 2.0 times slower: 200 s, was 100 s

better
  echo: a, trips: 2.0 times faster: 200/s, was 100/s

other
  echo: a, workers: 2.0 times as much: 200, was 100

failures and verdicts
  echo: “Callbacks win” is not shown, was true
  echo, b fails now: no threads

only in the first report
  echo, gone

only in the second report
  echo, new

8 figures compared: 4 differ beyond noise.";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(found.newly_failed, 1);
}

#[test]
fn a_report_does_not_differ_from_itself() {
    let report = sample::report(3);
    let found = differences(&report, &report, LEAST);
    assert!(
        found.is_empty() && found.machines.is_empty() && found.compared > 90,
        "{found}"
    );
}
