//! `compare --resume`: the report of an earlier run, which this run completes.

use std::path::Path;

use switchboard_lab::{Report, machine};

use super::{Options, PROGRAM};
use crate::output::Failure;

/// Says with which effort, models and sizes, and by which kind of build, this run measures. Only a run of the same kind
/// resumes a report.
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
        slow_model,
        ..
    } = options;
    // Their order changes nothing.
    let mut models: Vec<&str> = models.iter().map(|model| model.name()).collect();
    models.sort_unstable();
    let slow =
        slow_model.map(|(model, time)| format!(", {model} slowed by {} ms", time.as_millis()));
    let build = if cfg!(debug_assertions) {
        "a debug"
    } else {
        "an optimised"
    };
    let number =
        |number: Option<u32>| number.map_or("usual".to_owned(), |number| number.to_string());
    format!(
        "effort {}, models {}, jobs {}, pages {pages}, latency {}, clients {clients}, duration {}, {build} build{}",
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
        slow.unwrap_or_default(),
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
            report.program,
            match &*report.how {
                "" => "options that it does not name",
                how => how,
            }
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
