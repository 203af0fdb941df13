//! Permits: how many connections of a worker run, and the wait for one of them to end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use switchboard_runtime::{self as runtime, Event, race};

/// A count of the permits that are taken. One flow takes them and waits for them; connections give them
/// back, on any thread.
pub(crate) struct Permits {
    taken: AtomicUsize,
    /// The most that were taken at once.
    peak: AtomicUsize,
    /// Set unless a flow waits, so that giving back costs no wake-up while none does.
    returned: Event,
}

impl Permits {
    pub(crate) fn new() -> Permits {
        let returned = Event::new();
        returned.set();
        Permits {
            taken: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            returned,
        }
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self) {
        let taken = self.taken.fetch_add(1, Ordering::SeqCst) + 1;
        // Only the accepting flow writes it.
        if taken > self.peak() {
            self.peak.store(taken, Ordering::Relaxed);
        }
    }

    pub(crate) fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::SeqCst);
        // Sequentially consistent, as the look at `taken` after `clear` below: one of the two sees what
        // the other has done.
        if !self.returned.is_set() {
            self.returned.set();
        }
    }

    /// Waits until fewer than `limit` permits are taken.
    pub(crate) async fn below(&self, limit: usize) {
        while self.taken() >= limit {
            self.returned.clear();
            if self.taken() >= limit {
                self.returned.wait().await;
            }
            self.returned.set();
        }
    }

    /// Waits until a permit is given back, but no longer than `limit`.
    pub(crate) async fn returned_within(&self, limit: Duration) {
        self.returned.clear();
        race(self.returned.wait(), runtime::sleep(limit)).await;
        self.returned.set();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use switchboard_runtime::Model;

    use super::*;

    #[test]
    fn a_permit_given_back_ends_the_wait() {
        for model in [Model::Threads, Model::Tasks] {
            let permits = Arc::new(Permits::new());
            (0..1000).for_each(|_| permits.take());
            let own = permits.clone();
            let others = std::thread::spawn(move || (0..1000).for_each(|_| own.give_back()));
            model.run(permits.below(1)).unwrap();
            others.join().unwrap();
            assert_eq!((permits.taken(), permits.peak()), (0, 1000));
        }
    }

    #[test]
    fn a_pause_ends_early_when_a_permit_is_given_back() {
        let permits = Arc::new(Permits::new());
        permits.take();
        let own = permits.clone();
        let other = std::thread::spawn(move || {
            // Cleared when the pause begins.
            while own.returned.is_set() {
                std::thread::yield_now();
            }
            own.give_back();
        });
        let start = Instant::now();
        let pause = permits.returned_within(Duration::from_secs(3600));
        Model::Tasks.run(pause).unwrap();
        assert!(start.elapsed() < Duration::from_secs(600));
        other.join().unwrap();
    }
}
