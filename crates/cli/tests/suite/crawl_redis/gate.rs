//! A limit of what a site answers, so that a crawl cannot end before a test has done its steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::chat_nodes::redis::until;

#[derive(Clone)]
pub(super) struct Gate(Arc<Counts>);

struct Counts {
    asked: AtomicUsize,
    /// As many requests are answered.
    limit: AtomicUsize,
}

impl Gate {
    pub(super) fn new(limit: usize) -> Gate {
        Gate(Arc::new(Counts {
            asked: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
        }))
    }

    /// Blocks, for one request, while as many as the limit allows are answered.
    pub(super) fn pass(&self) {
        let asked = self.0.asked.fetch_add(1, Ordering::SeqCst);
        until("the gate is open", || {
            asked < self.0.limit.load(Ordering::SeqCst)
        });
    }

    pub(super) fn set(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::SeqCst);
    }

    pub(super) fn open(&self) {
        self.set(usize::MAX);
    }
}
