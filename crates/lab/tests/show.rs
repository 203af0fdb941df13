//! A report as text and as rows of CSV.

mod sample;

use switchboard_lab::show::{Look, csv, text};
use switchboard_lab::{Figure, Value};

#[test]
fn text_fits_its_width_and_its_characters() {
    let report = sample::report(1);
    for width in [60, 80, 100, 140] {
        let shown = text(
            &report,
            Look {
                width,
                ..Look::default()
            },
        );
        for line in shown.lines() {
            assert!(
                line.chars().count() <= width && line == line.trim_end(),
                "{width}: {line}"
            );
        }
    }
    let plain = text(
        &report,
        Look {
            unicode: false,
            ..Look::default()
        },
    );
    assert!(
        plain.is_ascii() && plain.contains("##") && plain.contains("~0.0"),
        "{plain}"
    );
    let usual = text(&report, Look::default());
    let colour = text(
        &report,
        Look {
            colour: true,
            ..Look::default()
        },
    );
    let mut bare = colour.clone();
    for code in ["1", "2", "31", "32", "33", "0"] {
        bare = bare.replace(&format!("\x1b[{code}m"), "");
    }
    let trimmed = |text: &str| {
        text.lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(trimmed(&bare), trimmed(&usual));
    assert!(colour.len() > usual.len() && !usual.contains('\x1b'));
}

#[test]
fn text_is_formatted_exactly() {
    let mut report = sample::report(1);
    report.sections.truncate(1);
    let section = &mut report.sections[0];
    section.tables[0].rows.truncate(2);
    section.plots[0].series[0].points.truncate(2);
    for (at, line) in section.tables[0].rows.iter_mut().enumerate() {
        let samples = [10.0, 10.2, 9.9].map(|wall| wall / (1.0 + 8.0 * at as f64));
        line.values = vec![
            Figure::of(samples.to_vec()).map(Value::Figure),
            None,
            None,
            None,
        ];
        section.plots[0].series[0].points[at].y = samples[0];
    }
    let expected = "
io: Who fetches 40 pages from a slow site first?
  10 jobs fetch 4 pages each, one after another; each page takes 250 ms
  the site on core 0, the model on core 1

  10 jobs, 4 pages each
  model      wall        speed  CPU  memory
                s            ×    s       B
  blocking  10.00 ±0.20      -    -       -
  threads    1.11 ±0.02      -    -       -
  The median of 3 samples, with an interval that holds the true one with a probability of 75 % or
    more.

  Time until all pages are there: wall time
  blocking  ████████████████████████████████████████████████████████████ 10 s
  threads   ██████▋ 1.11 s

  All models";
    let shown = text(&report, Look::default());
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn text_says_what_was_measured_once_and_explains_no_sign_that_it_lacks() {
    let mut report = sample::report(1);
    report.sections.truncate(1);
    let section = &mut report.sections[0];
    section.warnings = vec!["callbacks has no HTTP server.".to_owned()];
    let values = section.tables[0].rows.iter_mut();
    for value in values.flat_map(|line| line.values.iter_mut().flatten()) {
        if let Value::Figure(figure) = value {
            *figure = Figure::once(figure.median()).unwrap();
        }
    }
    // Two tables that were measured alike need the sentence once.
    section.tables.truncate(1);
    section.tables.push(section.tables[0].clone());
    let shown = text(&report, Look::default());
    let once = "  Measured once: how far chance would move these figures is not known.";
    assert_eq!(shown.matches(once).count(), 1, "{shown}");
    assert!(!shown.contains('±'), "{shown}");
    assert!(
        shown.contains("\n  note: callbacks has no HTTP server.\n"),
        "{shown}"
    );
    let several = text(&sample::report(1), Look::default());
    assert!(
        several.contains("± how far") && !several.contains(once),
        "{several}"
    );
}

#[test]
fn csv_has_a_row_for_each_sample() {
    let mut report = sample::report(1);
    report.sections[0].tables[0].rows[0].name = "blocking, \"slow\"".to_owned();
    let shown = csv(&report);
    let first = shown.lines().nth(1).unwrap();
    let sample = report.sections[0].tables[0].rows[0].values[0].clone();
    let Some(Value::Figure(figure)) = sample else {
        panic!("{sample:?}")
    };
    let expected = format!(
        "io,\"10 jobs, 4 pages each\",\"blocking, \"\"slow\"\"\",wall,s,1,{}",
        figure.samples()[0]
    );
    assert_eq!(first, expected);
    let tables = report.sections.iter().flat_map(|section| &section.tables);
    let lines = tables.flat_map(|table| &table.rows);
    let rows: usize = lines
        .map(|line| {
            let values = line.values.iter().flatten().map(|value| match value {
                Value::Figure(figure) => figure.samples().len(),
                Value::Text(_) => 1,
            });
            values.sum::<usize>() + usize::from(line.error.is_some())
        })
        .sum();
    assert_eq!(shown.matches("\r\n").count(), rows + 1);
}
