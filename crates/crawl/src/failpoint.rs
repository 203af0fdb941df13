//! Places where a test ends the process as a power cut would.

/// Kills this process if the variable `SWITCHBOARD_CRAWL_KILL` names this place: `NAME` or `NAME:N` for the Nth time.
#[cfg(debug_assertions)]
pub(crate) fn hit(name: &str) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static HITS: AtomicUsize = AtomicUsize::new(0);
    let Ok(wanted) = std::env::var("SWITCHBOARD_CRAWL_KILL") else {
        return;
    };
    let (place, time) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if place == name {
        let hits = HITS.fetch_add(1, Ordering::Relaxed) + 1;
        if time.parse() == Ok(hits) {
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        }
    }
}

/// Does nothing: release builds have no such places.
#[cfg(not(debug_assertions))]
pub(crate) fn hit(_name: &str) {}
