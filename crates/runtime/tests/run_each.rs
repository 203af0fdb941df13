//! Under every model and driver, a job that panics has an error, and every other job has its result.
//!
//! This test has no test harness, because `fork` is refused in a process of several threads.

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
    let mut results = vec![None; JOBS];
    let mut message = None;
    let done = |job: usize, result: Result<usize, JobError>| {
        results[job] = Some(result.map_err(|error| message = Some(error.to_string())));
    };
    let driver = model.has_loop().then_some(driver);
    run_each(model, driver, JOBS, 4, work, done).map_err(|error| error.to_string())?;
    let expected = (0..JOBS).map(|job| Some(if job == 7 { Err(()) } else { Ok(job * job) }));
    if results != expected.collect::<Vec<_>>() {
        return Err(format!("{results:?}"));
    }
    match message {
        Some(text) if text.contains("panicked") => Ok(()),
        other => Err(format!("job 7: {other:?}")),
    }
}

fn main() -> ExitCode {
    // The panics are intended, so they print nothing.
    std::panic::set_hook(Box::new(|_| {}));
    let models = Model::ALL.into_iter();
    let models = models.filter(|model| model.runs(Style::Async).is_ok());
    let cases = models.flat_map(|model| {
        let drivers = match model.has_loop() {
            true => &Driver::ALL[..],
            false => &[Driver::Poll],
        };
        drivers.iter().map(move |driver| (model, *driver))
    });
    // The cases that fork come first, because threads of other models may not have ended yet.
    let (forking, others): (Vec<_>, Vec<_>) =
        cases.partition(|(model, _)| *model == Model::Processes);
    let mut status = ExitCode::SUCCESS;
    for (model, driver) in forking.into_iter().chain(others) {
        let outcome = match check(model, driver) {
            Ok(()) => "ok".to_owned(),
            Err(error) => {
                status = ExitCode::FAILURE;
                format!("FAILED: {error}")
            }
        };
        println!("test a_panic_is_the_error_of_one_job::{model}_{driver} ... {outcome}");
    }
    status
}
