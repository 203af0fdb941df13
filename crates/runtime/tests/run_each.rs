//! A job that panics is an error of its own, under every model; no other job is lost.
//!
//! Without the test harness, whose threads would forbid to fork.

use std::process::ExitCode;
use std::time::Duration;

use switchboard_runtime::{self as runtime, Driver, JobError, Model, Style, run_each};

const JOBS: usize = 20;

fn check(model: Model, driver: Driver) -> Result<(), String> {
    let work = |job: usize| async move {
        runtime::sleep(Duration::from_millis(1)).await;
        if job == 7 {
            panic!("job {job}");
        }
        job * job
    };
    let mut heard = vec![None; JOBS];
    let mut failed = None;
    let done = |job: usize, result: Result<usize, JobError>| {
        heard[job] = Some(result.map_err(|error| failed = Some(error.to_string())));
    };
    let driver = model.has_loop().then_some(driver);
    run_each(model, driver, JOBS, 4, work, done).map_err(|error| error.to_string())?;
    let expected = (0..JOBS).map(|job| Some(if job == 7 { Err(()) } else { Ok(job * job) }));
    if heard != expected.collect::<Vec<_>>() {
        return Err(format!("{heard:?}"));
    }
    match failed {
        Some(text) if text.contains("panicked") => Ok(()),
        other => Err(format!("job 7: {other:?}")),
    }
}

fn main() -> ExitCode {
    // The panics are the test's own.
    std::panic::set_hook(Box::new(|_| {}));
    let models = Model::ALL.into_iter();
    let models = models.filter(|model| model.runs(Style::Async).is_ok());
    let ways = models.flat_map(|model| {
        let drivers = match model.has_loop() {
            true => &Driver::ALL[..],
            false => &[Driver::Poll],
        };
        drivers.iter().map(move |driver| (model, *driver))
    });
    // Forking first: the threads of other models may be on their way out still.
    let (forking, others): (Vec<_>, Vec<_>) =
        ways.partition(|(model, _)| *model == Model::Processes);
    let mut status = ExitCode::SUCCESS;
    for (model, driver) in forking.into_iter().chain(others) {
        let said = match check(model, driver) {
            Ok(()) => "ok".to_owned(),
            Err(error) => {
                status = ExitCode::FAILURE;
                format!("FAILED: {error}")
            }
        };
        println!("test a_job_that_panics::{model}_{driver} ... {said}");
    }
    status
}
