//! Connections that leave HTTP, whose line is written at their end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Record;

/// What is told of a connection that leaves HTTP: an extension of its answer. The line is written once nobody has
/// it any more.
#[derive(Clone, Default)]
pub(crate) struct Switch(Arc<Inner>);

#[derive(Default)]
struct Inner {
    received: AtomicU64,
    sent: AtomicU64,
    whole: AtomicBool,
    /// `None` if nobody watches.
    record: Mutex<Option<Record>>,
}

impl Switch {
    /// Notes how many bytes have come from the client and were sent to it.
    pub(crate) fn moved(&self, received: u64, sent: u64) {
        self.0.received.store(received, Ordering::Relaxed);
        self.0.sent.store(sent, Ordering::Relaxed);
    }

    /// Notes that both sides have ended.
    pub(crate) fn is_whole(&self) {
        self.0.whole.store(true, Ordering::Relaxed);
    }

    pub(super) fn keep(&self, record: Record) {
        *self.0.record.lock().unwrap_or_else(PoisonError::into_inner) = Some(record);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let record = self
            .record
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = record {
            record.sent = (*self.sent.get_mut(), *self.whole.get_mut());
            record.received = Some(*self.received.get_mut());
        }
    }
}
