//! What the tests of the engine share.

// Each test program uses a part of it.
#![allow(dead_code)]

use switchboard_chat::Connection;

pub(crate) mod client;
pub(crate) mod disk;
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
