//! Events: flags that flows wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::Event as Listeners;

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
    listeners: Listeners,
}

impl Event {
    /// Returns an event that is not set.
    pub fn new() -> Event {
        Event::default()
    }

    /// Sets the event and wakes every flow that waits for it. Never blocks.
    pub fn set(&self) {
        self.0.set.store(true, Ordering::SeqCst);
        self.0.listeners.notify(usize::MAX);
    }

    /// Clears the event: flows that wait from now on wait for the next [`set`](Event::set).
    pub fn clear(&self) {
        self.0.set.store(false, Ordering::SeqCst);
    }

    /// Returns whether the event is set.
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::SeqCst)
    }

    /// Waits until the event is set. The wait also ends if the event is set and cleared at once. Dropping
    /// the future ends the wait.
    pub async fn wait(&self) {
        if self.is_set() {
            return;
        }
        let listener = self.0.listeners.listen();
        // A `set` between the first check and `listen` does not notify this listener.
        if !self.is_set() {
            listener.await;
        }
    }
}
