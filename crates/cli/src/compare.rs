//! `switchboard compare`: questions to this machine, and what to run on it.

mod outputs;
mod resume;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ColorChoice};
use switchboard_lab::show::{Look, csv, html, text};
use switchboard_lab::{BesidePlan, Effort, Experiment, Lab, Report, Sizes, experiments, study};
use switchboard_runtime::Model;
use time::OffsetDateTime;

use self::outputs::Output;
use self::resume::{earlier, how};
use crate::look::look;
use crate::output::{self, Failure};
use crate::own;

/// The program and its version, as reports name them.
const PROGRAM: &str = concat!("switchboard ", env!("CARGO_PKG_VERSION"));

/// The experiments that run if the command names none.
const USUAL: [&str; 4] = ["io", "cpu", "echo", "http"];

#[derive(Args)]
#[command(
    after_help = "Every experiment runs by turns: each cell once in a round, in a process of its own, until \
the 95 % interval of its median is narrow or the time is spent. A difference inside the noise is never advice. \
What else the machine did meanwhile is said, and advice that it can have made is withheld.\n\nThe files are written \
after each experiment, and whole, so that a run that is cut off keeps what it has; --resume goes on with it.\n\nExit \
status: 0 if every cell ran or the reader of stdout closed it, 1 if one failed or a result could not be written, 2 for \
wrong usage."
)]
pub(crate) struct Options {
    /// Experiments to run, or `all`; --list lists them [default: io cpu echo http]
    #[arg(value_name = "EXPERIMENT")]
    experiments: Vec<String>,
    /// List the experiments and their questions, and run nothing
    #[arg(long)]
    list: bool,
    /// Take under half a minute for what runs by default
    #[arg(long, conflicts_with = "thorough")]
    quick: bool,
    /// Go on until the intervals are within 2 %, or for 20 minutes for what runs by default
    #[arg(long)]
    thorough: bool,
    /// Only these models, separated by commas: blocking, threads, pool, processes, tasks, green, callbacks
    #[arg(long, value_delimiter = ',', value_name = "MODEL,…")]
    models: Vec<Model>,
    /// Jobs of `io` and `cpu` [default: 10, and 4 for `cpu --quick`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Pages that each `io` job fetches, one after another
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pages: u16,
    /// Milliseconds that each page takes [default: by the time there is]
    #[arg(long, value_name = "MS")]
    latency: Option<u32>,
    /// Clients of `echo` and `http`
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=65535))]
    clients: usize,
    /// Milliseconds that each cell of `echo` and `http` is measured for in each loop [default: by the time there is]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(50..))]
    duration: Option<u32>,
    /// Write everything measured to this file, as JSON; `-` is stdout, and the tables go to stderr then
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report to this file as a page, which loads nothing and needs no script
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write all samples to this file as CSV, a row for each
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Keep what this JSON of an earlier run has whole, run what failed or is missing, and write there too unless --json
    /// names another file
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Make each step of a model longer in io, cpu and echo, as `tasks=1ms`, to test what finds it
    #[arg(long, hide = true, value_name = "MODEL=TIME", value_parser = slow_model)]
    slow_model: Option<(Model, Duration)>,
    #[command(flatten)]
    own: own::OwnOptions,
}

pub(crate) fn run(options: &Options, color: ColorChoice) -> ExitCode {
    output::status(try_run(options, color))
}

fn try_run(options: &Options, color: ColorChoice) -> Result<bool, Failure> {
    if options.list {
        output::print(listed())?;
        return Ok(true);
    }
    let turn = Duration::from_millis(options.duration.unwrap_or(1000).into());
    let own = options.own.plan(options.clients, turn)?;
    let beside = beside(options);
    let mut chosen = match &own {
        Some(own) => vec![own as &dyn Experiment],
        None if options.experiments.is_empty() && options.own.beside.is_some() => Vec::new(),
        None => chosen(&options.experiments)?,
    };
    if options.own.beside.is_some() {
        chosen.push(&beside);
    }
    let how = how(options);
    let earlier = options.resume.as_deref().map(|path| earlier(path, &how));
    let earlier = earlier.transpose()?;
    let outputs = outputs(options)?;
    let lab = lab(options)?;
    let report = study(&lab, &chosen, started(earlier, how), |report| {
        for (output, form) in &outputs {
            // An error is not reported here: the report is written again at the end, and that reports it.
            let _ = form(report).and_then(|text| output.keep(&text));
        }
    });
    // The table is no longer live.
    drop(lab);
    // Stdout has what was asked for there and nothing else.
    match outputs
        .iter()
        .any(|(output, _)| matches!(output, Output::Stdout))
    {
        true => output::remark(text(&report, Look::default()).trim_end()),
        false => output::print(text(&report, look(color, false)))?,
    }
    for (output, form) in &outputs {
        output.write(&form(&report)?)?;
    }
    let names: Vec<&str> = chosen.iter().map(|each| each.name()).collect();
    let mut asked = report
        .sections
        .iter()
        .filter(|section| names.contains(&&*section.experiment));
    Ok(asked.all(switchboard_lab::Section::is_whole))
}

/// Turns a report into the text of one output.
type Form = fn(&Report) -> Result<String, Failure>;

/// Checks the files that the options name.
fn outputs(options: &Options) -> Result<Vec<(Output, Form)>, Failure> {
    let json = options.json.as_deref().or(options.resume.as_deref());
    let asked: [(&'static str, Option<&Path>, Form); 3] = [
        ("--json", json, as_json),
        ("--html", options.html.as_deref(), |report| Ok(html(report))),
        ("--csv", options.csv.as_deref(), |report| Ok(csv(report))),
    ];
    let mut outputs = Vec::new();
    for (option, path, form) in asked {
        if let Some(path) = path {
            outputs.push((Output::check(option, path)?, form));
        }
    }
    let on_stdout = outputs
        .iter()
        .filter(|(output, _)| matches!(output, Output::Stdout));
    match on_stdout.count() {
        0 | 1 => Ok(outputs),
        _ => Err(Failure::usage(
            "only one of --json, --html and --csv can be `-`, which is stdout",
        )),
    }
}

fn lab(options: &Options) -> Result<Lab, Failure> {
    let effort = match (options.quick, options.thorough) {
        (true, _) => Effort::Quick,
        (_, true) => Effort::Thorough,
        _ => Effort::Usual,
    };
    let models = match options.models.as_slice() {
        [] => Model::ALL.to_vec(),
        chosen => chosen.to_vec(),
    };
    let millis = |millis: u32| Duration::from_millis(millis.into());
    let mut lab = Lab::new(std::env::current_exe()?, effort, models, Duration::ZERO);
    lab.sizes = Sizes {
        jobs: options.jobs.map(usize::from),
        pages: options.pages.into(),
        latency: options.latency.map(millis),
        clients: options.clients,
        duration: options.duration.map(millis),
    };
    lab.slow = options.slow_model;
    Ok(lab)
}

/// Returns the work that other languages do, too: that of the texts this lab answers, unless sizes are given.
fn beside(options: &Options) -> BesidePlan {
    BesidePlan {
        jobs: options.jobs.map_or(10, usize::from),
        pages: options.pages.into(),
        latency: Duration::from_millis(options.latency.unwrap_or(100).into()),
    }
}

/// Returns the experiments of these names, each once, in the order in which they are listed.
fn chosen<'a>(names: &[String]) -> Result<Vec<&'a dyn Experiment>, Failure> {
    let is_known =
        |name: &str| name == "all" || experiments().iter().any(|each| each.name() == name);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        return Err(Failure::usage(format_args!(
            "unknown experiment `{unknown}`: use `all`, or some of\n{}",
            listed().trim_end()
        )));
    }
    let is_asked = |name: &str| match names {
        [] => USUAL.contains(&name),
        names => names.iter().any(|asked| asked == name || asked == "all"),
    };
    Ok(experiments()
        .iter()
        .copied()
        .filter(|each| is_asked(each.name()))
        .collect())
}

fn listed() -> String {
    let width = experiments()
        .iter()
        .map(|each| each.name().len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for each in experiments() {
        let _ = writeln!(text, "  {:width$}  {}", each.name(), each.question());
    }
    text
}

/// Returns the report to fill.
fn started(earlier: Option<Report>, how: String) -> Report {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let command = words
        .skip(1)
        .fold("switchboard".to_owned(), |all, word| all + " " + &word);
    Report {
        program: PROGRAM.to_owned(),
        how,
        command,
        started: by_rfc_3339(OffsetDateTime::now_utc()),
        ..earlier.unwrap_or_default()
    }
}

fn by_rfc_3339(at: OffsetDateTime) -> String {
    let (hour, minute, second) = at.to_hms();
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", at.date())
}

fn as_json(report: &Report) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(report).map_err(io::Error::from)?;
    Ok(text + "\n")
}

/// Parses `tasks=1ms`.
fn slow_model(text: &str) -> Result<(Model, Duration), String> {
    let parsed = text.split_once('=').and_then(|(model, time)| {
        let millis: u64 = time.strip_suffix("ms")?.parse().ok()?;
        Some((model.parse().ok()?, Duration::from_millis(millis)))
    });
    parsed.ok_or_else(|| "use a model and a time in milliseconds, as `tasks=1ms`".to_owned())
}
