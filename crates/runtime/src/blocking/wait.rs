//! The wait of a blocking flow whose future is pending.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use switchboard_reactor::plumbing::Descriptor;

use super::BlockingFlow;
use crate::io::syscalls::poll_flags;

/// The time between two looks where the flow cannot wait for all that may wake it.
const INTERVAL: Duration = Duration::from_millis(10);

impl BlockingFlow {
    /// Waits until the future is worth polling again, as the table in the parent module describes.
    pub(super) fn wait(&self) {
        // Two references to the parker are the flow's and its waker's. The count is read before
        // `was_notified`, because a thread that drops the last other waker has called it before.
        let alone = Arc::strong_count(&self.parker) == 2;
        fence(Ordering::Acquire);
        if self.may_block.take() || self.parker.was_notified() {
            if self.parker.was_notified() {
                return;
            }
            // The future did not use the permission: its pending operation was dropped or was not
            // polled, but may be polled again.
            return self.poll_pending();
        }
        let (waiting, own) = {
            let pending = self.pending.borrow();
            let waiting = pending.iter().filter(|entry| entry.waiting);
            let own = waiting.clone().all(|entry| entry.waker.is_none());
            (waiting.count(), own)
        };
        if alone && own && waiting == 1 && self.timers.borrow().is_empty() {
            self.may_block.set(true);
        } else if alone && waiting == 0 && !self.timers.borrow().is_empty() {
            self.sleep();
        } else {
            self.poll_pending();
        }
    }

    /// Sleeps until the next timer.
    fn sleep(&self) {
        let next = self.timers.borrow().next_deadline();
        if let Some(next) = next {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        self.fire_timers();
    }

    /// Waits in poll(2) for the pending operations, the next timer and the notifier.
    fn poll_pending(&self) {
        self.pending
            .borrow_mut()
            .retain(|entry| entry.source.strong_count() > 0);
        // Strong references keep the descriptors open during the call.
        let sources: Vec<(Arc<Descriptor>, PollFlags)> = self
            .pending
            .borrow()
            .iter()
            .filter(|entry| entry.waiting)
            .filter_map(|entry| Some((entry.source.upgrade()?, poll_flags(entry.direction))))
            .collect();
        let mut ready = vec![false; sources.len()];
        self.parker.park(|notifier| {
            let mut fds: Vec<PollFd<'_>> = sources
                .iter()
                .map(|(source, flags)| PollFd::from_borrowed_fd(source.fd(), *flags))
                .collect();
            fds.extend(notifier.map(|notifier| PollFd::new(notifier, PollFlags::IN)));
            let timeout = self.timeout(notifier.is_none());
            match rustix::event::poll(&mut fds, timeout.as_ref()) {
                // After an interrupted call nothing is ready, and the flow waits again.
                Ok(_) | Err(Errno::INTR) => {}
                // The process may have fewer descriptors by now than it waits for. Each of them is tried.
                Err(_) => {
                    std::thread::sleep(INTERVAL);
                    return ready.fill(true);
                }
            }
            if let Some(notifier) = notifier
                && fds.pop().is_some_and(|fd| !fd.revents().is_empty())
            {
                notifier.drain();
            }
            ready = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        });
        for ((source, flags), _) in sources.iter().zip(ready).filter(|(_, ready)| *ready) {
            self.end_waits(|entry| {
                entry.is(source, entry.direction) && poll_flags(entry.direction) == *flags
            });
        }
        self.fire_timers();
    }

    /// Returns the time until the next timer. Without a notifier, because the process has no descriptor
    /// left for one, the flow looks for notifications every 10 ms.
    fn timeout(&self, without_notifier: bool) -> Option<Timespec> {
        let next = self.timers.borrow().next_deadline();
        let wait = next.map(|next| next.saturating_duration_since(Instant::now()));
        let wait = match (wait, without_notifier) {
            (Some(wait), true) => Some(wait.min(INTERVAL)),
            (None, true) => Some(INTERVAL),
            (wait, false) => wait,
        };
        wait.and_then(|wait| Timespec::try_from(wait).ok())
    }

    /// Calls the wakers of the timers whose deadlines have passed.
    fn fire_timers(&self) {
        if self.timers.borrow().is_empty() {
            return;
        }
        let now = Instant::now();
        loop {
            let fired = self.timers.borrow_mut().pop(now, u64::MAX);
            match fired {
                None => break,
                // The flow's own waker: its future is polled next anyway.
                Some(None) => {}
                Some(Some(waker)) => waker.wake(),
            }
        }
    }
}
