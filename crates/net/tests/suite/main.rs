//! Connections and flows, under every model and driver. Under `processes` nothing is forked, because the
//! test harness has threads; a flow waits in this process as it would in its own. The tests of `cli` fork.

mod connecting;
mod copying;
mod datagrams;
mod files;
mod flows;
mod halves;
mod incoming;
mod messages;
mod options;
mod outside;
mod plain;
mod scopes;
mod shared;
mod sockets;
mod torture;
mod waits;

use std::future::Future;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use switchboard_net::Stream;
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

/// Returns a stream, and its peer for use outside of any flow.
pub(crate) fn pair() -> (Stream, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    (here.into(), there)
}

/// A value that says whether it was dropped.
pub(crate) struct Dropped(Arc<AtomicBool>);

impl Dropped {
    pub(crate) fn new() -> (Dropped, impl Fn() -> bool) {
        let flag = Arc::new(AtomicBool::new(false));
        let dropped = flag.clone();
        (Dropped(flag), move || dropped.load(Ordering::SeqCst))
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Defines a module for each way to wait, and in it a test for each case.
macro_rules! stamp {
    ($($case:ident)*) => {
        crate::stamp!(@ blocking Blocking Poll $($case)*);
        crate::stamp!(@ threads Threads Poll $($case)*);
        crate::stamp!(@ pool Pool Poll $($case)*);
        crate::stamp!(@ processes Processes Poll $($case)*);
        crate::stamp!(@ tasks_select Tasks Select $($case)*);
        crate::stamp!(@ tasks_poll Tasks Poll $($case)*);
        crate::stamp!(@ tasks_epoll Tasks Epoll $($case)*);
        crate::stamp!(@ tasks_uring Tasks Uring $($case)*);
        crate::stamp!(@ tasks_portable Tasks Portable $($case)*);
        crate::stamp!(@ tasks_sim Tasks Sim $($case)*);
        crate::stamp!(@ green_poll Green Poll $($case)*);
        crate::stamp!(@ green_epoll Green Epoll $($case)*);
        crate::stamp!(@ green_uring Green Uring $($case)*);
    };
    (@ $way:ident $model:ident $driver:ident $($case:ident)*) => {
        mod $way {
            use switchboard_runtime::{Driver, Model};
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
