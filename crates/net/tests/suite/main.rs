//! Connections and flows, under every model that runs in this process. (`processes` forks, which
//! the harness's threads forbid; the command's tests run it.)

mod waits;

use std::future::Future;

use switchboard_flow::{Driver, Model};

/// Every way to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way(pub(crate) Model, pub(crate) Driver);

impl Way {
    pub(crate) fn run<T>(self, future: impl Future<Output = T>) -> T {
        self.0.run(self.1, future).unwrap()
    }
}

/// Stamps cases over all ways: a module for each way, a test for each case.
macro_rules! stamp {
    ($($case:ident)*) => {
        crate::stamp!(@ blocking Blocking Poll $($case)*);
        crate::stamp!(@ threads Threads Poll $($case)*);
        crate::stamp!(@ pool Pool Poll $($case)*);
        crate::stamp!(@ tasks_select Tasks Select $($case)*);
        crate::stamp!(@ tasks_poll Tasks Poll $($case)*);
        crate::stamp!(@ tasks_epoll Tasks Epoll $($case)*);
        crate::stamp!(@ tasks_portable Tasks Portable $($case)*);
        crate::stamp!(@ tasks_sim Tasks Sim $($case)*);
    };
    (@ $way:ident $model:ident $driver:ident $($case:ident)*) => {
        mod $way {
            use switchboard_flow::{Driver, Model};
            $(
                #[test]
                fn $case() {
                    super::$case(crate::Way(Model::$model, Driver::$driver));
                }
            )*
        }
    };
}
pub(crate) use stamp;
