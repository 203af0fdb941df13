//! A report as text for a terminal.

mod bars;
pub(super) mod page;
mod table;

use std::fmt::Write;

use super::facts::{facts, took};
use super::note::measured;
use super::verdicts::{counted, sign, word};
use crate::report::{Mark, PlotKind, Report, Section, Verdict, Verdicts};
use page::{Ink, Page};

/// How text is written. The caller decides by its terminal, `NO_COLOR` and what was asked.
///
/// ```
/// use switchboard_lab::show::Look;
///
/// assert_eq!(Look::default().width, 100);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether characters outside of ASCII may be written; if not, names that have them show `?` in their place.
    pub unicode: bool,
    /// Whether text is coloured by ANSI sequences. Nothing is said by colours alone.
    pub colour: bool,
    /// The columns of a line, at least 40. Words that are longer stay whole.
    pub width: usize,
}

impl Default for Look {
    /// Unicode without colours, in 100 columns.
    fn default() -> Look {
        Look {
            unicode: true,
            colour: false,
            width: 100,
        }
    }
}

/// Formats a report as text: the machine, what disturbed, each section with its tables, bars, findings and verdicts, and
/// the advice last, of which the last line is the summary.
///
/// ```
/// use switchboard_lab::{Report, show};
///
/// let report = Report {
///     advice: vec!["Run tasks/epoll.".to_owned()],
///     ..Report::default()
/// };
/// assert!(show::text(&report, show::Look::default()).ends_with("Run tasks/epoll.\n"));
/// ```
pub fn text(report: &Report, look: Look) -> String {
    let mut page = Page::new(look);
    head(&mut page, report);
    let mut ranges = false;
    for of_it in &report.sections {
        ranges |= section(&mut page, of_it);
    }
    marks(&mut page, report, ranges);
    if let Some((summary, reasons)) = report.advice.split_last() {
        page.gap();
        page.title("advice, from the numbers above", "");
        for line in reasons {
            page.wrap("  ", line, Ink::Plain);
        }
        page.wrap("  ", summary, Ink::Strong);
    }
    page.finish()
}

fn head(page: &mut Page, report: &Report) {
    let facts = facts(&report.machine);
    let said = facts.iter().map(|(name, value)| match name.as_str() {
        "cores" => format!("{value} {}", if value == "1" { "core" } else { "cores" }),
        "processor" | "memory" | "kernel" => value.clone(),
        name => format!("{name} {value}"),
    });
    let machine = said.collect::<Vec<_>>().join(", ");
    if !machine.is_empty() {
        page.wrap("", &machine, Ink::Plain);
    }
    let took = took(report.took_s);
    let mut run = [report.program.as_str(), &report.started]
        .map(str::to_owned)
        .to_vec();
    run.push(if took.is_empty() {
        took
    } else {
        format!("took {took}")
    });
    run.retain(|part| !part.is_empty());
    if !run.is_empty() {
        page.wrap("", &run.join(", "), Ink::Faint);
    }
    for line in &report.disturbances {
        page.wrap("", &format!("disturbed: {line}"), Ink::Warning);
    }
}

/// Returns whether a table shows how far an interval reaches.
fn section(page: &mut Page, section: &Section) -> bool {
    let mut ranges = false;
    page.gap();
    page.title(&section.experiment, &section.title);
    for line in &section.settings {
        page.wrap("  ", line, Ink::Faint);
    }
    for (at, of_it) in section.tables.iter().enumerate() {
        page.gap();
        if !of_it.title.is_empty() && (section.tables.len() > 1 || of_it.title != section.title) {
            page.wrap("  ", &of_it.title, Ink::Strong);
        }
        ranges |= table::write(page, of_it);
        // Tables that were measured alike share the sentence below the last of them.
        let said = measured(of_it);
        if said != section.tables.get(at + 1).and_then(measured)
            && let Some(said) = said
        {
            page.wrap("  ", &said, Ink::Faint);
        }
        if let Some(plot) = section.plots.get(at) {
            drawn(page, plot);
        }
    }
    for plot in section.plots.iter().skip(section.tables.len()) {
        drawn(page, plot);
    }
    if !section.verdicts.is_empty() {
        verdicts(page, &section.verdicts);
    }
    if !section.findings.is_empty() {
        page.gap();
        for line in &section.findings {
            page.wrap("  ", line, Ink::Plain);
        }
    }
    if let Some(error) = &section.error {
        page.wrap("  ", &format!("failed: {error}"), Ink::Warning);
    }
    for line in &section.warnings {
        page.wrap("  ", &format!("note: {line}"), Ink::Warning);
    }
    ranges
}

/// Draws bars; other pictures have no place in lines of text, and their numbers are in the tables.
fn drawn(page: &mut Page, plot: &crate::report::Plot) {
    if plot.kind == PlotKind::Bars && plot.series.iter().any(|series| !series.points.is_empty()) {
        page.gap();
        bars::write(page, plot);
    }
}

fn verdicts(page: &mut Page, verdicts: &[Verdict]) {
    page.gap();
    page.wrap("  ", &counted(verdicts), Ink::Strong);
    for verdict in verdicts {
        let ink = match verdict.verdict {
            Verdicts::True => Ink::Good,
            Verdicts::False => Ink::Bad,
            Verdicts::Depends => Ink::Warning,
            Verdicts::NotShown => Ink::Faint,
        };
        let head = format!("{} {:<9}  ", sign(verdict.verdict), word(verdict.verdict));
        page.hang("  ", &head, ink, &verdict.saying);
        let indent = " ".repeat(15);
        page.wrap(&indent, &verdict.effect, Ink::Faint);
    }
}

/// Says what the marks before rows mean.
fn marks(page: &mut Page, report: &Report, ranges: bool) {
    let tables = || report.sections.iter().flat_map(|section| &section.tables);
    let has = |mark: Mark| tables().any(|table| table.rows.iter().any(|line| line.mark == mark));
    let known = [
        (Mark::Best, "* the best"),
        (Mark::Mistake, "! a mistake, shown for its price"),
        (Mark::Beside, "= another program's, shown beside ours"),
    ];
    let mut said: Vec<&str> = known
        .into_iter()
        .filter(|(mark, _)| has(*mark))
        .map(|(_, text)| text)
        .collect();
    if ranges {
        said.push("± how far the interval of the median reaches");
    }
    if !said.is_empty() {
        let mut line = String::new();
        let _ = write!(line, "{}", said.join("; "));
        page.gap();
        page.wrap("", &line, Ink::Faint);
    }
}
