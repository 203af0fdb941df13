//! The models and drivers that tests run under.

use switchboard_runtime::{Driver, Model};

/// Returns every model that runs async functions: each driver that can be opened here with `tasks`, and
/// the best one with `green`.
pub(crate) fn models_and_drivers() -> Vec<(Model, Driver)> {
    let plain = Model::ALL
        .into_iter()
        .filter(|model| !model.has_loop())
        .map(|model| (model, Driver::Poll));
    let loops = Driver::ALL
        .into_iter()
        // Simulated time does not wait for threads.
        .filter(|driver| *driver != Driver::Sim)
        .filter(|driver| driver.open().is_ok())
        .map(|driver| (Model::Tasks, driver));
    let green = [(Model::Green, Driver::best())];
    plain.chain(loops).chain(green).collect()
}

pub(crate) fn run<T>(model: Model, driver: Driver, future: impl Future<Output = T>) -> T {
    match model.has_loop() {
        true => model.run_with(driver, future).unwrap(),
        false => model.run(future).unwrap(),
    }
}
