//! `compare --resume`: the report of an earlier run, which is gone on with.

use std::path::Path;

use switchboard_lab::{Report, machine};

use super::{Options, PROGRAM};
use crate::output::Failure;

/// Says with which effort, models and sizes this run measures: reports are gone on with only by the same.
pub(super) fn how(options: &Options) -> String {
    let Options {
        quick,
        thorough,
        models,
        jobs,
        pages,
        latency,
        clients,
        duration,
        ..
    } = options;
    let models: Vec<&str> = models.iter().map(|model| model.name()).collect();
    let number =
        |number: Option<u32>| number.map_or("usual".to_owned(), |number| number.to_string());
    format!(
        "effort {}, models {}, jobs {}, pages {pages}, latency {}, clients {clients}, duration {}",
        match (quick, thorough) {
            (true, _) => "quick",
            (_, true) => "thorough",
            _ => "usual",
        },
        if models.is_empty() {
            "all".to_owned()
        } else {
            models.join(" ")
        },
        number(jobs.map(u32::from)),
        number(*latency),
        number(*duration),
    )
}

/// Reads the report of an earlier run on this machine, by this program and in the same way.
pub(super) fn earlier(path: &Path, how: &str) -> Result<Report, Failure> {
    let refused = |why: &dyn std::fmt::Display| {
        Failure::usage(format_args!("--resume {}: {why}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| refused(&error))?;
    let report = Report::from_json(&text).map_err(|error| refused(&error))?;
    if report.program != PROGRAM || report.how != how {
        return Err(refused(&format_args!(
            "it was measured by {} with {}, and this is {PROGRAM} with {how}: use the same options, or measure \
             without --resume",
            report.program, report.how
        )));
    }
    let here = machine();
    let same = (
        &report.machine.cpu,
        report.machine.cores,
        &report.machine.kernel,
    );
    if same != (&here.cpu, here.cores, &here.kernel) {
        return Err(refused(&format_args!(
            "it was measured on another machine ({}, {} cores, {}): measure here without --resume",
            same.0, same.1, same.2
        )));
    }
    Ok(report)
}
