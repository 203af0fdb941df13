//! What the tests of the engine share.

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
