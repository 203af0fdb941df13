//! Tests of what flows wait for, under every model and driver.

mod children;
mod files;
mod join_sets;
mod locks;
mod pipes;
mod signalling;
mod sockets;
mod spans;
mod times;
#[path = "../support/ways.rs"]
mod ways;

use std::future::Future;

use switchboard_runtime::{self as runtime, JoinHandle, Model};

use ways::Way;

/// Starts a flow beside the running one: in a thread under `blocking`, which starts none itself.
pub(crate) fn beside<T: Send + 'static>(
    way: Way,
    future: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    match way.0 {
        Model::Blocking => runtime::run_blocking(move || Model::Threads.run(future).unwrap()),
        _ => runtime::spawn(future),
    }
}
