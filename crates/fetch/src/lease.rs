//! The descriptors of a client's connections, and the wake-up of a flow that waits for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use switchboard_runtime::{self as runtime, Receiver, Sender, race};

/// Descriptors that connections of a client gave back, and the flows that wait for one.
pub(crate) struct Freed {
    waiting: AtomicUsize,
    /// How many descriptors were given back so far.
    count: AtomicUsize,
    /// One message for each descriptor, so that it wakes one flow only.
    sender: Sender<()>,
    receiver: Receiver<()>,
}

impl Freed {
    pub(crate) fn new() -> Freed {
        // Descriptors beyond the capacity are found after a pause.
        let (sender, receiver) = runtime::channel(64);
        Freed {
            waiting: AtomicUsize::new(0),
            count: AtomicUsize::new(0),
            sender,
            receiver,
        }
    }

    /// Wakes one waiting flow, because a connection has ended or become idle. Never blocks.
    pub(crate) fn notify(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let _ = self.sender.try_send(());
        }
    }

    /// Returns a number that changes with each descriptor that is given back.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits for a connection that ends or becomes idle, but no longer than `pause`.
    pub(crate) async fn wait(&self, pause: Duration) {
        let pause = runtime::sleep(pause);
        if !runtime::is_on_loop() {
            // A blocking flow that another thread may wake needs a descriptor for that. With a timer alone
            // it needs none.
            return pause.await;
        }
        let freed = async {
            let _ = self.receiver.recv().await;
        };
        race(freed, pause).await;
    }
}

/// The descriptor of an open connection. Its drop, which follows the connection's, wakes a flow that waits
/// for a descriptor.
pub(crate) struct Lease(pub(crate) Arc<Freed>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.notify();
    }
}

/// The mark of a flow that waits for a descriptor.
pub(crate) struct Waiting<'a>(&'a Freed);

impl<'a> Waiting<'a> {
    pub(crate) fn new(freed: &'a Freed) -> Waiting<'a> {
        freed.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting(freed)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
