//! The models and drivers that tests run under, in this crate and in those above it.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test program uses a part of this"
)]

use std::future::Future;

use switchboard_runtime::{Driver, Model};

/// A model, and the driver of its loop if it has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way(pub(crate) Model, pub(crate) Driver);

impl Way {
    pub(crate) fn run<T>(self, future: impl Future<Output = T>) -> T {
        run(self.0, self.1, future)
    }
}

/// Defines a module for each way to wait, and in it a test for each case. Behind `real time:` stand cases with
/// peers outside of any flow, for which simulated time does not wait.
macro_rules! stamp {
    (real time: $($case:ident)*) => {
        $crate::ways::stamp!(@ blocking Blocking Poll $($case)*);
        $crate::ways::stamp!(@ threads Threads Poll $($case)*);
        $crate::ways::stamp!(@ pool Pool Poll $($case)*);
        $crate::ways::stamp!(@ processes Processes Poll $($case)*);
        $crate::ways::stamp!(@ tasks_select Tasks Select $($case)*);
        $crate::ways::stamp!(@ tasks_poll Tasks Poll $($case)*);
        $crate::ways::stamp!(@ tasks_epoll Tasks Epoll $($case)*);
        $crate::ways::stamp!(@ tasks_uring Tasks Uring $($case)*);
        $crate::ways::stamp!(@ tasks_portable Tasks Portable $($case)*);
        $crate::ways::stamp!(@ green_poll Green Poll $($case)*);
        $crate::ways::stamp!(@ green_epoll Green Epoll $($case)*);
        $crate::ways::stamp!(@ green_uring Green Uring $($case)*);
    };
    ($($case:ident)*) => {
        $crate::ways::stamp!(real time: $($case)*);
        $crate::ways::stamp!(@ tasks_sim Tasks Sim $($case)*);
    };
    (@ $way:ident $model:ident $driver:ident $($case:ident)*) => {
        mod $way {
            use switchboard_runtime::{Driver, Model};
            $(
                #[test]
                fn $case() {
                    super::$case($crate::ways::Way(Model::$model, Driver::$driver));
                }
            )*
        }
    };
}
pub(crate) use stamp;

/// Returns every model that runs async functions: each driver that can be opened here with `tasks`, and
/// the best one with `green`.
pub(crate) fn models_and_drivers() -> Vec<(Model, Driver)> {
    let plain = Model::ALL
        .into_iter()
        .filter(|model| !model.has_loop())
        .map(|model| (model, Driver::Poll));
    let loops = Driver::ALL
        .into_iter()
        // Simulated time does not wait for threads, and passes every limit at once.
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
