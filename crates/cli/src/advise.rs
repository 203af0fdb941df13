//! `switchboard advise`: what to run for a workload, by arithmetic with measured figures.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use switchboard_lab::{Advice, Costs, Demand, Effort, Lab, Machine, Report, recommend};
use switchboard_runtime::Model;

use crate::output::{self, Failure};

#[derive(Args)]
#[command(
    after_help = "The costs of each model are measured first, which takes about ten seconds, or are read from a \
report that `switchboard compare costs` has made. The reasoning shows each calculation.\n\nExample: 10,000 connections, of \
which one in twenty has a request under way, that takes 200 ms and computes for 2 ms of them:\n  switchboard advise \
--connections 10000 --active 5% --service 200ms --cpu 2ms\n\nExit status: 0 if a model does it, 1 if none does or nothing \
could be measured, 2 for wrong usage."
)]
pub(crate) struct Options {
    /// Connections that are open at once
    #[arg(long, value_name = "N")]
    connections: u64,
    /// Share of the connections that have a request under way: 0.05 or 5%
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    active: f64,
    /// Time from a request to its answer, waiting included: 200ms
    #[arg(long, value_name = "TIME", value_parser = time, allow_negative_numbers = true)]
    service: f64,
    /// Processor time that a request computes for: 2ms
    #[arg(long, value_name = "TIME", value_parser = time, allow_negative_numbers = true)]
    cpu: f64,
    /// Memory that the server may have: 512MiB or 2GiB [default: the machine's]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// Take the costs from this report instead of measuring
    #[arg(long, value_name = "REPORT.json")]
    from: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The JSON of the command.
#[derive(Serialize)]
struct Said<'a> {
    schema: &'static str,
    version: u32,
    machine: &'a Machine,
    demand: Demand,
    advice: &'a Advice,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    output::status(try_run(options))
}

fn try_run(options: &Options) -> Result<bool, Failure> {
    let demand = Demand {
        connections: options.connections,
        active: options.active,
        service_s: options.service,
        cpu_s: options.cpu,
        memory_bytes: options.memory,
    };
    demand.check().map_err(Failure::usage)?;
    let costs = match &options.from {
        Some(path) => read(path)?,
        None => {
            let estimate = Duration::from_secs(12);
            let program = std::env::current_exe()?;
            let lab = Lab::new(program, Effort::Quick, Model::ALL.to_vec(), estimate);
            Costs::measure(&lab)?
        }
    };
    let advice = recommend(&demand, &costs);
    if options.json {
        let said = Said {
            schema: "switchboard-advice",
            version: 1,
            machine: &costs.machine,
            demand,
            advice: &advice,
        };
        let text = serde_json::to_string_pretty(&said).map_err(io::Error::from)?;
        output::print(format_args!("{text}\n"))?;
    } else {
        let source = options.from.as_deref();
        output::print(text(&advice, &costs.machine, source))?;
    }
    Ok(advice.fits)
}

/// Reads the costs from a report.
fn read(path: &Path) -> Result<Costs, Failure> {
    let shown = path.display();
    let wrong = |why: String| Failure::usage(format_args!("--from {shown}: {why}"));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let report = Report::from_json(&text).map_err(|error| wrong(error.to_string()))?;
    Costs::of_report(&report).ok_or_else(|| {
        wrong("it has no figures of `costs`; make it by `switchboard compare costs`".to_owned())
    })
}

fn text(advice: &Advice, machine: &Machine, from: Option<&Path>) -> String {
    let mut text = String::new();
    let source = match from {
        Some(path) => format!("figures of {}", path.display()),
        None => "measured now".to_owned(),
    };
    let _ = writeln!(text, "{}\n", advice.run);
    let _ = writeln!(
        text,
        "because ({source}: {}, {} cores):",
        machine.cpu, machine.cores
    );
    for line in &advice.because {
        let _ = writeln!(text, "  - {line}");
    }
    let _ = writeln!(text, "\nwhat would change it:");
    for line in &advice.changes {
        let _ = writeln!(text, "  - {line}");
    }
    text
}

/// Splits a number from its unit.
fn split(text: &str) -> Option<(f64, &str)> {
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let end = text.find(|c| !digits(c)).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

fn share(text: &str) -> Result<f64, String> {
    match split(text) {
        Some((value, "")) => Ok(value),
        Some((value, "%")) => Ok(value / 100.0),
        _ => Err("a share is a number from 0 to 1, or from 0% to 100%".to_owned()),
    }
}

fn time(text: &str) -> Result<f64, String> {
    match split(text) {
        Some((value, "us")) => Ok(value / 1e6),
        Some((value, "ms")) => Ok(value / 1e3),
        Some((value, "s")) => Ok(value),
        Some((0.0, "")) => Ok(0.0),
        _ => Err("a time is a number with us, ms or s, such as 200ms".to_owned()),
    }
}

fn size(text: &str) -> Result<u64, String> {
    let bytes = match split(text) {
        Some((value, "KiB" | "K")) => value * 1024.0,
        Some((value, "MiB" | "M")) => value * 1024.0 * 1024.0,
        Some((value, "GiB" | "G")) => value * 1024.0 * 1024.0 * 1024.0,
        Some((value, "" | "B")) => value,
        _ => f64::NAN,
    };
    match bytes >= 0.0 && bytes < u64::MAX as f64 {
        true => Ok(bytes as u64),
        false => Err("a size is a number with KiB, MiB or GiB, such as 2GiB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_units() {
        assert_eq!(
            ["0.05", "5%", "100 %"].map(share),
            [Ok(0.05), Ok(0.05), Ok(1.0)]
        );
        assert_eq!(
            ["200ms", "1.5s", "20us", "0"].map(time),
            [Ok(0.2), Ok(1.5), Ok(2e-5), Ok(0.0)]
        );
        assert_eq!(
            ["1KiB", "2G", "7"].map(size),
            [Ok(1024), Ok(2 << 30), Ok(7)]
        );
        assert!(
            ["", "x", "5%%", "1e"]
                .iter()
                .all(|text| share(text).is_err())
        );
        assert!(
            ["", "200", "ms", "2h", "1..2s"]
                .iter()
                .all(|text| time(text).is_err())
        );
        assert!(
            ["", "-1", "1TB", "99999999999GiB"]
                .iter()
                .all(|text| size(text).is_err())
        );
    }
}
