//! `switchboard compare`: the same workloads under every model, measured.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use switchboard_lab::{Effort, Lab, Plan, Report, Workload, compare, experiments, machine};
use switchboard_runtime::Model;

use crate::output::{self, Failure};

#[derive(Args)]
#[command(
    after_help = "Each workload runs under each model in a process of its own. `io` fetches \
pages from a slow site, `cpu` computes 7777^200000, `echo` serves 64-byte messages. The advice at \
the end follows from the numbers just measured and from nothing else.\n\nExit status: 0 if every \
cell ran or the reader of stdout closed it, 1 if one failed or a result could not be written, 2 for wrong \
usage."
)]
pub(crate) struct Options {
    /// Experiments to run instead of the workloads
    #[arg(value_name = "EXPERIMENT")]
    experiments: Vec<String>,
    /// Only these models, separated by commas: blocking, threads, pool, processes, tasks, green, callbacks
    #[arg(long, value_delimiter = ',', value_name = "MODEL,…")]
    models: Vec<Model>,
    /// Only these workloads, separated by commas: io, cpu, echo
    #[arg(long, value_delimiter = ',', value_name = "WORKLOAD,…")]
    workloads: Vec<Workload>,
    /// Runs of each cell; the median is shown
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Jobs of `io` and `cpu`
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Pages that each `io` job fetches, one after another
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pages: u16,
    /// Milliseconds that each page takes
    #[arg(long, default_value_t = 250, value_name = "MS")]
    latency: u32,
    /// Clients of `echo`
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
    /// Milliseconds that each `echo` cell is measured for
    #[arg(long, default_value_t = 2000, value_name = "MS", value_parser = clap::value_parser!(u32).range(100..))]
    duration: u32,
    /// Write everything measured to this file, as JSON; `-` is stdout, and the tables go to stderr then
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    output::status(try_run(options))
}

fn try_run(options: &Options) -> Result<bool, Failure> {
    let or_all = |chosen: &[Model]| match chosen {
        [] => Model::ALL.to_vec(),
        chosen => chosen.to_vec(),
    };
    if !options.experiments.is_empty() {
        return run_experiments(options, or_all(&options.models));
    }
    let plan = Plan {
        program: std::env::current_exe()?,
        workloads: match options.workloads.as_slice() {
            [] => Workload::ALL.to_vec(),
            chosen => chosen.to_vec(),
        },
        models: or_all(&options.models),
        repeat: options.repeat.into(),
        jobs: options.jobs.into(),
        pages: options.pages.into(),
        latency: Duration::from_millis(options.latency.into()),
        clients: options.clients.into(),
        duration: Duration::from_millis(options.duration.into()),
    };
    // The file is opened first, so that a wrong path is reported before a minute of measuring.
    let json = options.json.as_deref().map(Json::open).transpose()?;
    let report = compare(&plan)?;
    match &json {
        // Stdout has the JSON and nothing else.
        Some(Json::Stdout) => output::remark(report.text().trim_end()),
        _ => output::print(report.text())?,
    }
    if let Some(json) = json {
        json.write(&format!(
            "{}\n",
            serde_json::to_string_pretty(&report).map_err(io::Error::from)?
        ))?;
    }
    Ok(report.cells.iter().all(|cell| cell.error.is_none()))
}

/// Runs the experiments and writes the report as JSON.
fn run_experiments(options: &Options, models: Vec<Model>) -> Result<bool, Failure> {
    let mut chosen = Vec::new();
    for name in &options.experiments {
        let found = experiments().iter().find(|each| each.name() == name);
        chosen.push(found.ok_or_else(|| {
            let known: Vec<&str> = experiments().iter().map(|each| each.name()).collect();
            Failure::usage(format_args!(
                "unknown experiment `{name}`: use one of {}",
                known.join(", ")
            ))
        })?);
    }
    let program = std::env::current_exe()?;
    let lab = Lab::new(program, Effort::Usual, models, Duration::from_secs(60));
    let mut report = Report {
        schema: Report::SCHEMA.to_owned(),
        version: Report::VERSION,
        machine: machine(),
        ..Report::default()
    };
    for experiment in chosen {
        report.sections.push(experiment.run(&lab)?);
    }
    output::print(format_args!(
        "{}\n",
        serde_json::to_string_pretty(&report).map_err(io::Error::from)?
    ))?;
    Ok(true)
}

/// The place of the JSON.
enum Json<'a> {
    Stdout,
    File(File, &'a Path),
}

impl Json<'_> {
    fn open(path: &Path) -> Result<Json<'_>, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Json::Stdout);
        }
        match File::create(path) {
            Ok(file) => Ok(Json::File(file, path)),
            Err(error) => Err(Failure::usage(format_args!(
                "--json {}: {error}; choose another path",
                path.display()
            ))),
        }
    }

    fn write(self, text: &str) -> Result<(), Failure> {
        match self {
            Json::Stdout => output::print(text),
            Json::File(mut file, path) => file.write_all(text.as_bytes()).map_err(|error| {
                Failure::Failed(format!("cannot write to {}: {error}", path.display()))
            }),
        }
    }
}
