//! Places where a test ends the process as a power cut would, or holds it.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicUsize, Ordering};

/// Kills this process if the variable `SWITCHBOARD_CRAWL_KILL` names this place: `NAME` or `NAME:N` for the Nth time.
/// Holds this thread until a file is there if `SWITCHBOARD_CRAWL_HOLD` is `NAME:N:FILE`.
#[cfg(debug_assertions)]
pub(crate) fn hit(name: &str) {
    static KILLS: AtomicUsize = AtomicUsize::new(0);
    static HOLDS: AtomicUsize = AtomicUsize::new(0);
    if is_wanted("SWITCHBOARD_CRAWL_KILL", name, &KILLS).is_some() {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
    if let Some(file) = is_wanted("SWITCHBOARD_CRAWL_HOLD", name, &HOLDS) {
        while !std::path::Path::new(&file).exists() {
            std::thread::yield_now();
        }
    }
}

/// Whether a test holds this process at a place. Then commits come by the size of what they have, and not by its age.
#[cfg(debug_assertions)]
pub(crate) fn is_held() -> bool {
    std::env::var_os("SWITCHBOARD_CRAWL_HOLD").is_some()
}

/// Returns what stands behind the place and the time in a variable, if that is this place and time.
#[cfg(debug_assertions)]
fn is_wanted(variable: &str, name: &str, hits: &AtomicUsize) -> Option<String> {
    let wanted = std::env::var(variable).ok()?;
    let mut parts = wanted.splitn(3, ':');
    if parts.next() != Some(name) {
        return None;
    }
    let time = parts.next().unwrap_or("1").parse();
    let hits = hits.fetch_add(1, Ordering::Relaxed) + 1;
    (time == Ok(hits)).then(|| parts.next().unwrap_or_default().to_owned())
}

/// Does nothing: release builds have no such places.
#[cfg(not(debug_assertions))]
pub(crate) fn hit(_name: &str) {}

/// Returns `false`: release builds have no such places.
#[cfg(not(debug_assertions))]
pub(crate) fn is_held() -> bool {
    false
}
