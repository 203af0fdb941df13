//! The models and drivers for which tests are stamped.

use std::future::Future;

use switchboard_runtime::{Driver, Model};

/// A model, and the driver of its loop if it has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way(pub(crate) Model, pub(crate) Driver);

impl Way {
    pub(crate) fn run<T>(self, future: impl Future<Output = T>) -> T {
        let Way(model, driver) = self;
        match model.has_loop() {
            true => model.run_with(driver, future).unwrap(),
            false => model.run(future).unwrap(),
        }
    }
}

/// Defines a module for each way to wait, and in it a test for each case.
macro_rules! stamp {
    ($($case:ident)*) => {
        $crate::ways::stamp!(@ blocking Blocking Poll $($case)*);
        $crate::ways::stamp!(@ threads Threads Poll $($case)*);
        $crate::ways::stamp!(@ pool Pool Poll $($case)*);
        $crate::ways::stamp!(@ processes Processes Poll $($case)*);
        $crate::ways::stamp!(@ tasks_select Tasks Select $($case)*);
        $crate::ways::stamp!(@ tasks_poll Tasks Poll $($case)*);
        $crate::ways::stamp!(@ tasks_epoll Tasks Epoll $($case)*);
        $crate::ways::stamp!(@ tasks_uring Tasks Uring $($case)*);
        $crate::ways::stamp!(@ tasks_portable Tasks Portable $($case)*);
        $crate::ways::stamp!(@ tasks_sim Tasks Sim $($case)*);
        $crate::ways::stamp!(@ green_poll Green Poll $($case)*);
        $crate::ways::stamp!(@ green_epoll Green Epoll $($case)*);
        $crate::ways::stamp!(@ green_uring Green Uring $($case)*);
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
