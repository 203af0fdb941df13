//! A run of the lab: experiments one after another, and what they add up to.

use std::time::Instant;

use crate::compare::advise::advise;
use crate::experiment::{Experiment, Lab};
use crate::machine::machine;
use crate::report::{Report, Section};

/// The user's server may be another one than before, so it is measured again.
const OWN: &str = "own";

/// Runs the experiments, and blocks until they are done. What was measured before, in `report`, is kept: sections that
/// are whole are not run again. `told` gets the report after each experiment, so that a run that is cut off keeps what
/// it has. An experiment that fails is a section with its error, and the rest goes on.
///
/// ```no_run
/// use std::time::Duration;
/// use switchboard_lab::{Effort, Lab, Report, experiments, study};
/// use switchboard_runtime::Model;
///
/// let program = "target/release/switchboard".into();
/// let lab = Lab::new(program, Effort::Quick, Model::ALL.to_vec(), Duration::ZERO);
/// let report = study(&lab, &experiments()[..1], Report::default(), |_| ());
/// println!("{:?}", report.advice);
/// ```
pub fn study(
    lab: &Lab,
    chosen: &[&dyn Experiment],
    mut report: Report,
    mut told: impl FnMut(&Report),
) -> Report {
    let start = Instant::now();
    let before = report.took_s;
    report.schema = Report::SCHEMA.to_owned();
    report.version = Report::VERSION;
    report.machine = machine();
    let is_kept = |report: &Report, name: &str| {
        let mut kept = report.sections.iter();
        kept.any(|section| section.experiment == name && name != OWN && section.is_whole())
    };
    let chosen: Vec<_> = chosen
        .iter()
        .filter(|each| !is_kept(&report, each.name()))
        .collect();
    let plan: Vec<_> = chosen
        .iter()
        .map(|each| (each.name(), each.estimate(lab)))
        .collect();
    lab.progress.plan(&plan);
    lab.watch.control();
    for experiment in chosen {
        let section = one(lab, *experiment, &mut report.disturbances);
        match report
            .sections
            .iter_mut()
            .find(|old| old.experiment == section.experiment)
        {
            Some(old) => *old = section,
            None => report.sections.push(section),
        }
        report.machine.control = lab.watch.drift();
        report.advice = advise(&report.sections);
        report.took_s = before + start.elapsed().as_secs_f64();
        told(&report);
    }
    report
}

/// Runs one experiment, and notes what disturbed it.
fn one(lab: &Lab, experiment: &dyn Experiment, disturbances: &mut Vec<String>) -> Section {
    let name = experiment.name();
    lab.progress.enter(name);
    let (start, before) = (Instant::now(), lab.watch.moment());
    let mut section = experiment.run(lab).unwrap_or_else(|error| Section {
        title: experiment.question().to_owned(),
        error: Some(error.to_string()),
        ..Section::default()
    });
    name.clone_into(&mut section.experiment);
    section.took_s = start.elapsed().as_secs_f64();
    // A disturbance that was there before, of a run that is gone on with, is not one of this section.
    disturbances.retain(|line| !line.starts_with(&format!("while {name} ")));
    if let Some(found) = lab.watch.since(&before) {
        disturbances.push(format!("while {name} was measured, {}", found.said()));
    }
    let failed = section
        .error
        .as_ref()
        .map(|error| format!("failed: {error}"));
    let first = section.findings.first();
    let short = first.and_then(|finding| finding.split(';').next());
    let result = failed.as_deref().or(short).unwrap_or("done");
    lab.progress.leave(name, start.elapsed(), result);
    section
}
