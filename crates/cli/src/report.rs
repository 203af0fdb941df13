//! `switchboard report`: shows what the lab found, and what differs between two reports.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ColorChoice};
use switchboard_lab::Report;
use switchboard_lab::show::{csv, differences, html, text};

use crate::look::look;
use crate::output::{self, Failure};
use crate::replace::replace;

#[derive(Args)]
#[command(
    after_help = "With one report, shows it: as text, or as --html, --csv or --json say. With two, says what differs in \
the second beyond noise: what became worse, what became better, what failed, and what is only in one of them; machines that \
differ are named first. A figure differs if the intervals of its median do not overlap, the medians differ by --least or more, \
and noise is an unlikely cause, with the number of figures taken into account: as far as noise within a run tells, \
at most one of twenty pairs of reports of the same program shows a difference.\n\nExit status: 0 if the report was shown, or if nothing became worse; 1 if a figure \
became worse beyond noise, a row fails that did not, or the result could not be written; 2 for a file that is no report, or \
wrong usage. What became better, and what is only in one report, is no failure.\n\nExamples:\n  switchboard report \
lab.json --html lab.html\n  switchboard report before.json after.json\n  switchboard compare io --json - | switchboard \
report before.json -"
)]
pub(crate) struct Options {
    /// Reports that `compare --json` wrote; `-` is stdin
    #[arg(required = true, num_args = 1..=2, value_name = "REPORT")]
    reports: Vec<PathBuf>,
    /// Write the report as a page to this file, which loads nothing and needs no script
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "csv"])]
    html: Option<PathBuf>,
    /// Print all samples as CSV, a row for each
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON: the report, or the differences of two
    #[arg(long)]
    json: bool,
    /// The least difference of two medians that counts, in per cent of the lesser
    #[arg(long, default_value_t = 3.0, value_name = "PERCENT", value_parser = percent)]
    least: f64,
    /// Print nothing but ASCII
    #[arg(long)]
    ascii: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim().parse() {
        Ok(number) if (0.0..=1000.0).contains(&number) => Ok(number),
        _ => Err("use a number from 0 to 1000".to_owned()),
    }
}

pub(crate) fn run(options: &Options, color: ColorChoice) -> ExitCode {
    output::status(try_run(options, color))
}

fn try_run(options: &Options, color: ColorChoice) -> Result<bool, Failure> {
    match options.reports.as_slice() {
        [one] => show(options, &read(one)?, color).map(|()| true),
        [before, after] => differ(options, [before, after], color),
        _ => Err(Failure::usage("give one report or two")),
    }
}

fn show(options: &Options, report: &Report, color: ColorChoice) -> Result<(), Failure> {
    match &options.html {
        Some(path) => write(path, &html(report)),
        None if options.csv => output::print(csv(report)),
        None if options.json => json(report),
        None => output::print(text(report, look(color, options.ascii))),
    }
}

fn differ(
    options: &Options,
    [before, after]: [&PathBuf; 2],
    color: ColorChoice,
) -> Result<bool, Failure> {
    let other = [("--html", options.html.is_some()), ("--csv", options.csv)];
    if let Some((name, _)) = other.into_iter().find(|(_, given)| *given) {
        return Err(Failure::usage(format_args!(
            "{name} shows one report, and two are given; leave one out, or use --json for what differs"
        )));
    }
    if before.as_os_str() == "-" && after.as_os_str() == "-" {
        return Err(Failure::usage("only one of the reports can be stdin"));
    }
    let least = 1.0 + options.least / 100.0;
    let found = differences(&read(before)?, &read(after)?, least);
    match options.json {
        true => json(&found)?,
        false => output::print(found.text(look(color, options.ascii)))?,
    }
    Ok(!found.is_worse())
}

fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
    output::print(format_args!("{text}\n"))
}

/// Reads a report. A file that cannot be read, or is none, is wrong usage.
fn read(path: &Path) -> Result<Report, Failure> {
    let refused = |why: &dyn std::fmt::Display| {
        Failure::usage(format_args!(
            "cannot read the report {}: {why}",
            path.display()
        ))
    };
    let bytes = match path.as_os_str() == "-" {
        true => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        }
        false => fs::read(path),
    };
    let bytes = bytes.map_err(|error| refused(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| refused(&"it is no text in UTF-8"))?;
    Report::from_json(&text).map_err(|error| refused(&error))
}

fn write(path: &Path, page: &str) -> Result<(), Failure> {
    replace(path, page.as_bytes()).map_err(|error| {
        Failure::usage(format_args!(
            "--html {}: {error}; choose another path",
            path.display()
        ))
    })
}
