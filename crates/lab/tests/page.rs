//! A report as a page: it loads nothing, can be read by everybody, and takes no text for a tag.

mod sample;

use std::collections::BTreeSet;

use base64::Engine;
use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use sample::Noise;
use serde_json::Value as Json;
use switchboard_lab::show::{Look, csv, html, text};
use switchboard_lab::{Axis, Figure, PlotKind, Point, Report, Series, Unit, Value};

/// What a page must not obey, wherever it stands.
const HOSTILE: &str = "</script></style><script>alert(1)</script><img src=x onerror=alert(1)>\"' onload='x' &lt;<!-- ]]> \u{202e}\u{0}\u{1b}[2J";

/// A page, as a browser takes it apart.
struct Page {
    tags: Vec<StartTag<()>>,
    /// The text of the element with the data.
    data: String,
}

impl Page {
    /// Reads a page, and fails if elements are not closed in order.
    fn read(page: &str) -> Page {
        const VOID: [&str; 2] = ["meta", "rect"];
        let mut open: Vec<String> = Vec::new();
        let (mut tags, mut data) = (Vec::new(), String::new());
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true);
        for token in Tokenizer::new_with_emitter(page, emitter) {
            match token.unwrap() {
                Token::StartTag(tag) => {
                    let name = string(&tag.name);
                    if !tag.self_closing && !VOID.contains(&name.as_str()) {
                        open.push(name);
                    }
                    tags.push(tag);
                }
                Token::EndTag(tag) => assert_eq!(open.pop(), Some(string(&tag.name))),
                Token::String(text) if open.last().is_some_and(|name| name == "script") => {
                    data += &string(&text)
                }
                Token::Error(error) => panic!("{error:?}"),
                _ => {}
            }
        }
        assert_eq!(open, [""; 0]);
        Page { tags, data }
    }

    fn names(&self) -> BTreeSet<String> {
        self.tags.iter().map(|tag| string(&tag.name)).collect()
    }

    /// Returns the values of an attribute, with the names of their elements.
    fn attribute(&self, name: &str) -> Vec<(String, String)> {
        let of = |tag: &StartTag<()>| {
            Some((
                string(&tag.name),
                string(tag.attributes.get(name.as_bytes())?),
            ))
        };
        self.tags.iter().filter_map(of).collect()
    }
}

fn string(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Replaces every text of a report that is data.
fn hostile(value: &mut Json, key: &str) {
    let fixed = ["schema", "unit", "better", "mark", "kind", "verdict"];
    match value {
        Json::String(text) if !fixed.contains(&key) => *text = format!("{HOSTILE}{text}"),
        Json::Array(parts) => parts.iter_mut().for_each(|part| hostile(part, key)),
        Json::Object(fields) => fields.iter_mut().for_each(|(key, part)| hostile(part, key)),
        _ => {}
    }
}

/// Returns a report that is small enough for a page to have all of its data.
fn small_report() -> Report {
    let mut report = sample::report(1);
    for plot in report
        .sections
        .iter_mut()
        .flat_map(|section| &mut section.plots)
    {
        plot.series
            .iter_mut()
            .for_each(|series| series.points.truncate(50));
    }
    report
}

fn hostile_report() -> Report {
    let mut value = serde_json::to_value(small_report()).unwrap();
    hostile(&mut value, "");
    serde_json::from_value(value).unwrap()
}

#[test]
fn the_page_is_one_file_that_loads_nothing() {
    let report = sample::report(1);
    let shown = html(&report);
    assert!(shown.len() < 1_000_000, "{}", shown.len());
    let page = Page::read(&shown);
    for (element, address) in page.attribute("href") {
        let inside =
            address.starts_with('#') || address.starts_with("data:application/json;base64,");
        assert!(element == "a" && inside, "{element} {address:.60}");
    }
    assert_eq!(page.attribute("src"), []);
    let scripts = page
        .tags
        .iter()
        .filter(|tag| string(&tag.name) == "script")
        .count();
    let types = page.attribute("type");
    assert_eq!(
        (scripts, &types[..]),
        (
            1,
            &[("script".to_owned(), "application/json".to_owned())][..]
        )
    );
    assert!(
        page.attribute("content")
            .iter()
            .any(|(_, content)| content.starts_with("default-src 'none';"))
    );
    let style = include_str!("../src/show/html/style.css");
    assert!(!style.contains("url(") && !style.contains("@import") && shown.contains(style));
}

#[test]
fn the_page_can_be_read_by_a_screen_reader() {
    let page = Page::read(&html(&sample::report(1)));
    assert_eq!(
        page.attribute("lang"),
        [("html".to_owned(), "en".to_owned())]
    );
    let ids = page.attribute("id").into_iter().map(|(_, id)| id);
    let (all, unique) = (ids.clone().count(), ids.collect::<BTreeSet<_>>());
    assert_eq!(unique.len(), all);
    for (_, names) in page.attribute("aria-labelledby") {
        assert!(
            names.split(' ').all(|name| unique.contains(name)),
            "{names}"
        );
    }
    let levels = page
        .tags
        .iter()
        .filter_map(|tag| string(&tag.name).strip_prefix('h')?.parse::<u8>().ok());
    let levels: Vec<u8> = levels.collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert!(
        levels.windows(2).all(|two| two[1] <= two[0] + 1),
        "{levels:?}"
    );
    let count = |name: &str| {
        page.tags
            .iter()
            .filter(|tag| string(&tag.name) == name)
            .count()
    };
    assert_eq!(count("table"), count("caption"));
    assert_eq!(count("th"), page.attribute("scope").len());
    let drawings = page
        .attribute("role")
        .into_iter()
        .filter(|(element, role)| element == "svg" && role == "img");
    assert_eq!((count("title") - 1, count("desc")), (14, 14));
    assert_eq!(
        drawings.count(),
        14,
        "seven plots, each for wide and narrow pages"
    );
}

#[test]
fn the_data_in_the_page_is_the_report() {
    let report = sample::report(1);
    let page = Page::read(&html(&report));
    assert_eq!(Report::from_json(&page.data).as_ref(), Ok(&report));
    let saved = page.attribute("href").into_iter().find_map(|(_, address)| {
        let data = address
            .strip_prefix("data:application/json;base64,")?
            .to_owned();
        base64::engine::general_purpose::STANDARD.decode(data).ok()
    });
    assert_eq!(Report::from_json(&string(&saved.unwrap())), Ok(report));
}

#[test]
fn hostile_texts_stay_texts() {
    let report = hostile_report();
    let shown = html(&report);
    let (page, plain) = (Page::read(&shown), Page::read(&html(&small_report())));
    assert_eq!(page.names(), plain.names());
    // A long name of a line stands elsewhere.
    for name in page.names().into_iter().filter(|name| name != "path") {
        let count = |page: &Page| {
            page.tags
                .iter()
                .filter(|tag| string(&tag.name) == name)
                .count()
        };
        assert_eq!(count(&page), count(&plain), "{name}");
    }
    let handlers = page
        .tags
        .iter()
        .flat_map(|tag| tag.attributes.keys())
        .filter(|name| name.starts_with(b"on"));
    assert_eq!(handlers.count(), 0);
    assert_eq!(Report::from_json(&page.data), Ok(report.clone()));
    let visible = shown.split("<script").next().unwrap();
    assert!(!visible.contains(['\u{202e}', '\0', '\u{1b}']));
    for unicode in [true, false] {
        let text = text(
            &report,
            Look {
                unicode,
                ..Look::default()
            },
        );
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n') && !text.contains('\u{202e}')
        );
    }
}

/// A page is never too long for its data: then it has fewer samples, with the same medians, and says so.
#[test]
fn a_page_of_many_samples_is_thinned() {
    let mut report = sample::report(1);
    let mut noise = Noise(fastrand::Rng::with_seed(1));
    let median = |report: &Report| {
        let table = &report.sections[0].tables[0];
        table.figure("threads", "wall").unwrap().median()
    };
    for line in &mut report.sections[0].tables[0].rows {
        for value in line.values.iter_mut().flatten() {
            *value = Value::Figure(noise.figure(1.0, 0.1, 3000));
        }
    }
    let shown = html(&report);
    assert!(shown.len() < 1_000_000, "{}", shown.len());
    assert!(shown.contains("To keep this page small, the data has at most "));
    let data = Report::from_json(&Page::read(&shown).data).unwrap();
    assert_eq!(median(&data), median(&report));
    assert!(!html(&sample::report(1)).contains("To keep this page small"));
}

/// Whatever the numbers are, everything can be shown, and nothing is drawn at a place that is none.
#[test]
fn any_numbers_can_be_shown() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(5);
    println!("SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let kinds = [
        PlotKind::Bars,
        PlotKind::Lines,
        PlotKind::Steps,
        PlotKind::Timeline,
    ];
    let units = [
        Unit::Seconds,
        Unit::Bytes,
        Unit::Count,
        Unit::PerSecond,
        Unit::Ratio,
        Unit::Share,
        Unit::Text,
    ];
    for _ in 0..50 {
        let mut report = small_report();
        let mut number = {
            let mut rng = rng.fork();
            move || match rng.u8(..8) {
                0 => 0.0,
                1 => -rng.f64(),
                2 => 10_f64.powi(rng.i32(-300..300)),
                3 => 1.0,
                _ => rng.f64() * 10_f64.powi(rng.i32(-9..12)),
            }
        };
        for plot in report
            .sections
            .iter_mut()
            .flat_map(|section| &mut section.plots)
        {
            let mut axis = || Axis {
                name: "x".to_owned(),
                unit: units[rng.usize(..units.len())],
                log: rng.bool(),
            };
            (plot.x, plot.y) = (axis(), axis());
            plot.kind = kinds[rng.usize(..kinds.len())];
            plot.series = (0..rng.usize(..12))
                .map(|_| Series {
                    name: "s".repeat(rng.usize(..60)),
                    points: (0..rng.usize(..30))
                        .map(|_| Point {
                            x: number(),
                            y: number(),
                            low: rng.bool().then(&mut number),
                            high: rng.bool().then(&mut number),
                            label: rng.bool().then(|| "l".repeat(rng.usize(..60))),
                        })
                        .collect(),
                })
                .collect();
        }
        for line in report
            .sections
            .iter_mut()
            .flat_map(|section| &mut section.tables)
            .flat_map(|table| &mut table.rows)
        {
            line.values.truncate(rng.usize(..12));
            for value in line.values.iter_mut().flatten() {
                let samples = (0..rng.usize(1..9)).map(|_| number()).collect();
                *value = Value::Figure(Figure::of(samples).unwrap());
            }
        }
        let page = html(&report);
        Page::read(&page);
        let drawn = page.split("<footer>").next().unwrap();
        for wrong in ["NaN", "inf\""] {
            let at = drawn.find(wrong).unwrap_or(0);
            assert_eq!(at, 0, "{}", &drawn[at.saturating_sub(300)..at + 20]);
        }
        let shown = text(&report, Look::default());
        assert!(!shown.contains("NaN"), "{shown}");
        csv(&report);
    }
}
