//! What the tests of the engine share.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::future::poll_fn;

use switchboard_chat::Connection;
use switchboard_runtime::Model;

pub(crate) mod client;
pub(crate) mod disk;
pub(crate) mod file;
pub(crate) mod world;

/// Prints the seed of a schedule that fails.
pub(crate) struct Shown(pub(crate) u64);

impl Drop for Shown {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the schedule of SEED={} failed", self.0);
        }
    }
}

/// Returns what a client has been told since the last call, one JSON object a line.
pub(crate) fn told(connection: &mut Connection) -> String {
    let mut parcels = Vec::new();
    connection.take(usize::MAX, &mut parcels);
    let lines = parcels.iter().map(|parcel| format!("{parcel:?}\n"));
    lines.collect()
}

/// Waits until what a client has been told is as `done` says, and returns it.
pub(crate) fn told_until(connection: &mut Connection, done: impl Fn(&str) -> bool) -> String {
    let mut all = String::new();
    while !done(&all) {
        let ready = poll_fn(|context| connection.poll_ready(context));
        Model::Blocking.run(ready).unwrap();
        all += &told(connection);
    }
    all
}
