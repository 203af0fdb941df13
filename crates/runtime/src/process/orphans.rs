//! Processes whose `Child` was dropped, until they are reaped.

use std::process::Child;
use std::sync::{Mutex, PoisonError};

static ORPHANS: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Reaps those orphans that have ended. Never blocks.
pub(super) fn reap() {
    let mut orphans = ORPHANS.lock().unwrap_or_else(PoisonError::into_inner);
    orphans.retain_mut(|orphan| matches!(orphan.try_wait(), Ok(None)));
}

/// Adds a process, unless it has ended, and reaps others.
pub(super) fn add(child: Child) {
    ORPHANS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(child);
    reap();
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::process::Command;

    #[test]
    fn dropped_children_are_reaped() {
        drop(Command::new("true").spawn().unwrap());
        drop(
            Command::new("sleep")
                .arg("3600")
                .kill_on_drop(true)
                .spawn()
                .unwrap(),
        );
        let begin = Instant::now();
        while !ORPHANS.lock().unwrap().is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(600));
            std::thread::sleep(Duration::from_millis(1));
            reap();
        }
    }
}
