//! Advice that follows from measured figures alone, and comes out the same when it is measured again.
//!
//! A row is behind another one only if their intervals do not overlap and it takes a quarter more time, or gives a
//! quarter less: a zone that is wider than what a quiet machine varies by. Of the rows that are behind none, the first in
//! a stated order is advised: loops by the platform's best driver (tasks, callbacks, green), loops by others, then pool,
//! threads, processes, blocking. Rows that failed, demonstrate a mistake, or left clients
//! unserved are not advised. Where something disturbed, the zone is wider by what it can have done, and if that is more
//! than a quarter and leaves several rows, nothing is advised between them.

use switchboard_runtime::{Driver, Model};

use super::findings::ranked;
use super::rows::{ComputeIn, Row};
use crate::report::{Better, Figure, Line, Section, Table};

/// A row that takes this many times as long as another one is behind it, if their intervals do not overlap.
const BEHIND: f64 = 1.25;

/// What is advised on: the experiment, and the work that it stands for, at length and in short.
const SUBJECTS: [(&str, &str, &str); 4] = [
    ("io", "work that waits for the network", "I/O-bound work"),
    ("cpu", "work that computes", "CPU-bound work"),
    ("echo", "a server of small messages", "a server of messages"),
    ("http", "a server of small pages", "a server of pages"),
];

/// Returns the advice, a sentence for each kind of work, and the summary last.
pub(crate) fn advise(sections: &[Section]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut short: Vec<(String, Vec<&str>)> = Vec::new();
    for (experiment, what, in_short) in SUBJECTS {
        let section = sections
            .iter()
            .find(|section| section.experiment == experiment);
        let Some((section, table)) = section.and_then(|it| Some((it, it.tables.first()?))) else {
            continue;
        };
        match choose(table, section.slowed) {
            Choice::Nothing => lines.push(format!("For {what}, nothing is advised: no row did it all")),
            Choice::Withheld(names) => lines.push(format!(
                "For {what}, nothing is advised between {}: what disturbed the measuring can have made the difference; \
                 run it again on a quiet machine",
                names.join(", ")
            )),
            Choice::Run(name, why) => {
                let run = match name.parse::<Row>() {
                    Ok(row)
                        if experiment == "cpu"
                            && row.model.has_loop()
                            && row.compute_in == ComputeIn::ModelDefault =>
                    {
                        format!("{name}, computing in `run_blocking` and not on the loop")
                    }
                    _ => name.clone(),
                };
                let doubt = match section.load_limited {
                    true => "; servers may be further apart than the load could show",
                    false => "",
                };
                lines.push(format!("For {what}, run {run}: {why}{doubt}"));
                match short.iter_mut().find(|(of, _)| *of == name) {
                    Some((_, whats)) => whats.push(in_short),
                    None => short.push((name, vec![in_short])),
                }
            }
        }
    }
    if !short.is_empty() {
        let each = short
            .iter()
            .map(|(name, whats)| format!("{name} for {}", listed(whats)));
        let each: Vec<String> = each.collect();
        lines.push(format!("In short: {}", each.join(", ")));
    }
    lines
}

/// Writes a list: `a, b and c`.
fn listed(words: &[&str]) -> String {
    match words {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[derive(Debug, PartialEq)]
enum Choice {
    Nothing,
    /// What disturbed can have made the difference between these.
    Withheld(Vec<String>),
    /// A row, and why.
    Run(String, &'static str),
}

fn choose(table: &Table, slowed: f64) -> Choice {
    let ranked = ranked(table);
    let better = table
        .columns
        .first()
        .map_or(Better::Neither, |column| column.better);
    let Some(&(_, best)) = ranked.first() else {
        return Choice::Nothing;
    };
    // What slows by less than the zone can have made no difference that counts.
    let disturbed = slowed > BEHIND;
    let zone = BEHIND * slowed.max(1.0);
    let mut level: Vec<&Line> = ranked
        .iter()
        .filter(|(_, figure)| !is_behind(better, figure, best, zone))
        .map(|(row, _)| *row)
        .collect();
    level.sort_by_key(|row| preference(&row.name));
    match level.as_slice() {
        [] => Choice::Nothing,
        [only] if ranked.len() == 1 => Choice::Run(only.name.clone(), "it has no rival here"),
        [only] => Choice::Run(only.name.clone(), "all others are behind it, beyond noise"),
        several if disturbed => {
            Choice::Withheld(several.iter().map(|row| row.name.clone()).collect())
        }
        [first, ..] => Choice::Run(
            first.name.clone(),
            "nothing measured is faster by more than noise and a quarter, and of those as fast it is the first in \
             order of preference: loops by the platform's best driver, other loops, pool, threads, processes",
        ),
    }
}

fn is_behind(better: Better, figure: &Figure, best: &Figure, zone: f64) -> bool {
    let times = match better {
        Better::More => best.median() / figure.median(),
        _ => figure.median() / best.median(),
    };
    // Not `<`: a quotient that is no number is not behind.
    figure.differs_from(best) && times > zone
}

/// Returns the place of a row in the order of preference, the least first.
fn preference(name: &str) -> (bool, usize, bool, String) {
    const ORDER: [Model; 7] = [
        Model::Tasks,
        Model::Callbacks,
        Model::Green,
        Model::Pool,
        Model::Threads,
        Model::Processes,
        Model::Blocking,
    ];
    let row: Option<Row> = name.parse().ok();
    let at = row.and_then(|row| ORDER.iter().position(|model| *model == row.model));
    let other_driver = row.is_some_and(|row| row.model.has_loop() && row.driver != Driver::best());
    // Rows without a loop come after the loops by other drivers.
    let group = row.is_none_or(|row| !row.model.has_loop());
    let at = at.unwrap_or(ORDER.len()) + if other_driver { ORDER.len() } else { 0 };
    (group, at, name.contains(" + "), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Column, Mark, Unit, Value};

    /// Two samples stand for the ends of three.
    fn figure(samples: &[f64]) -> Option<Value> {
        let mut samples = samples.to_vec();
        if let [low, high] = samples[..] {
            samples.push(f64::midpoint(low, high));
        }
        Figure::of(samples).map(Value::Figure)
    }

    fn section(experiment: &str, better: Better, rows: &[(&str, &[f64])]) -> Section {
        let line = |(name, samples): &(&str, &[f64])| Line {
            name: (*name).to_owned(),
            values: vec![figure(samples)],
            ..Line::default()
        };
        Section {
            experiment: experiment.to_owned(),
            tables: vec![Table {
                columns: vec![Column::new("time", Unit::Seconds, better)],
                rows: rows.iter().map(line).collect(),
                ..Table::default()
            }],
            ..Section::default()
        }
    }

    fn io(rows: &[(&str, &[f64])]) -> Section {
        section("io", Better::Less, rows)
    }

    fn short(section: Section) -> String {
        advise(&[section]).last().unwrap().clone()
    }

    #[test]
    fn a_row_that_is_ahead_beyond_noise_and_a_quarter_is_advised() {
        let rows: [(&str, &[f64]); 3] = [
            ("blocking", &[9.0, 9.1]),
            ("threads", &[1.0, 1.1]),
            ("tasks/epoll", &[2.0, 2.1]),
        ];
        let advice = advise(&[io(&rows)]);
        assert_eq!(
            advice,
            [
                "For work that waits for the network, run threads: all others are behind it, beyond noise",
                "In short: threads for I/O-bound work"
            ]
        );
        let mut rates = section("echo", Better::More, &rows);
        assert_eq!(
            short(rates.clone()),
            "In short: blocking for a server of messages"
        );
        rates.load_limited = true;
        let advice = advise(&[rates]);
        assert!(
            advice[0].ends_with("servers may be further apart than the load could show"),
            "{advice:?}"
        );
        let computing = [("tasks/epoll", &[1.0, 1.0][..])];
        let advice = advise(&[section("cpu", Better::Less, &computing)]);
        assert!(
            advice[0]
                .contains("run tasks/epoll, computing in `run_blocking` and not on the loop: "),
            "{advice:?}"
        );
    }

    #[test]
    fn a_difference_inside_the_noise_or_the_zone_is_never_advice() {
        let best = format!("tasks/{}", Driver::best());
        let expected = format!("In short: {best} for I/O-bound work");
        // Twice as slow by the median, but the intervals overlap.
        let noisy: [(&str, &[f64]); 2] = [("threads", &[1.0, 1.0, 5.0]), (&best, &[0.9, 2.0, 4.0])];
        assert_eq!(short(io(&noisy)), expected);
        // Beyond the noise, but a tenth.
        let near: [(&str, &[f64]); 2] = [("threads", &[1.0, 1.01]), (&best, &[1.1, 1.11])];
        assert_eq!(short(io(&near)), expected);
        // One run each says nothing.
        let once: [(&str, &[f64]); 2] = [("threads", &[1.0]), (&best, &[3.0])];
        assert_eq!(short(io(&once)), expected);
    }

    #[test]
    fn equals_are_ordered_by_preference() {
        let best = Driver::best();
        let mut names = vec![
            format!("tasks/{best}"),
            format!("tasks/{best} + process pool"),
            format!("callbacks/{best}"),
            format!("green/{best}"),
            "tasks/select".to_owned(),
            "pool".to_owned(),
            "threads".to_owned(),
            "processes".to_owned(),
            "blocking".to_owned(),
        ];
        let expected = names.clone();
        names.reverse();
        names.sort_by_key(|name| preference(name));
        assert_eq!(names, expected);
    }

    #[test]
    fn what_cannot_be_recommended_is_not() {
        let mut failed = io(&[
            ("threads", &[1.0, 1.1]),
            ("pool", &[2.0, 2.1]),
            ("tasks/epoll", &[0.1, 0.1]),
        ]);
        let rows = &mut failed.tables[0].rows;
        rows[0].error = Some("no threads".to_owned());
        rows[2].mark = Mark::Mistake;
        assert_eq!(short(failed.clone()), "In short: pool for I/O-bound work");
        failed.tables[0].rows[1]
            .values
            .push(Some(Value::Text("10/50".to_owned())));
        assert!(short(failed).ends_with("no row did it all"));
    }

    #[test]
    fn what_a_disturbance_can_have_made_is_withheld() {
        let rows: [(&str, &[f64]); 3] = [
            ("blocking", &[9.0, 9.1]),
            ("threads", &[1.0, 1.1]),
            ("tasks/epoll", &[2.0, 2.1]),
        ];
        let of = |slowed| {
            let mut section = io(&rows);
            section.slowed = slowed;
            advise(&[section])
        };
        let withheld = of(2.0);
        assert_eq!(withheld.len(), 1);
        assert!(
            withheld[0].contains("nothing is advised between tasks/epoll, threads:"),
            "{withheld:?}"
        );
        // A difference that it cannot have made is advice as before.
        assert!(of(1.2)[0].contains("run threads"), "{:?}", of(1.2));
    }
}
