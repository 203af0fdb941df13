//! Events: one flow tells many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::Event as Bell;

/// A flag that flows of any model wait for. A clone is the same flag.
///
/// ```
/// use switchboard_runtime::{self as runtime, Event, Model};
///
/// let event = Event::new();
/// let other = event.clone();
/// let thread = std::thread::spawn(move || other.set());
/// Model::Tasks.run(event.wait())?;
/// assert!(event.is_set());
/// # thread.join().unwrap();
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Event(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    set: AtomicBool,
    bell: Bell,
}

impl Event {
    /// One that is not set.
    pub fn new() -> Event {
        Event::default()
    }

    /// Sets it and wakes everybody who waits. Never blocks.
    pub fn set(&self) {
        self.0.set.store(true, Ordering::SeqCst);
        self.0.bell.notify(usize::MAX);
    }

    /// Unsets it, for those who wait from now on.
    pub fn clear(&self) {
        self.0.set.store(false, Ordering::SeqCst);
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::SeqCst)
    }

    /// Waits until it is set.
    pub async fn wait(&self) {
        if self.is_set() {
            return;
        }
        let listener = self.0.bell.listen();
        // Set between the two: nobody would ring again.
        if !self.is_set() {
            // Rung, it was set, even if it was cleared right after.
            listener.await;
        }
    }
}
