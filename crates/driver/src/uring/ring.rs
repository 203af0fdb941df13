//! The ring itself: requests in, completions out, one system call for both.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, squeue};
use rustix::io::Errno;

/// Requests that can wait for the next system call, and completions that can wait to be looked at.
/// More of either costs system calls, and nothing else.
const REQUESTS: u32 = 1024;
const COMPLETIONS: u32 = 8192;

/// How often this process is a forked child.
static FORKS: AtomicU32 = AtomicU32::new(0);

pub(super) struct Ring {
    /// Unclaimed as it is in a forked child: its memory is not there, and others' may be in its place.
    ring: ManuallyDrop<IoUring>,
    /// Whether this thread is the one that the ring serves; else `enter` makes it so.
    enabled: bool,
    /// What was queued must not be handed over any more.
    broken: bool,
    forks: u32,
}

impl Ring {
    pub(super) fn open() -> io::Result<Ring> {
        static COUNTING: Once = Once::new();
        COUNTING.call_once(|| {
            extern "C" fn count() {
                FORKS.fetch_add(1, Ordering::Relaxed);
            }
            // SAFETY: the handler does nothing but count.
            unsafe { libc::pthread_atfork(None, None, Some(count)) };
        });
        let builder = || {
            let mut builder = IoUring::builder();
            builder
                .setup_r_disabled()
                .setup_single_issuer()
                .setup_submit_all()
                .setup_taskrun_flag()
                .setup_cqsize(COMPLETIONS)
                .dontfork();
            builder
        };
        // Work that comes in is done when this thread asks for it, not when it is interrupted.
        let deferred = builder().setup_defer_taskrun().build(REQUESTS);
        let ring = match deferred {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                builder().setup_coop_taskrun().build(REQUESTS)
            }
            result => result,
        }?;
        Ok(Ring {
            ring: ManuallyDrop::new(ring),
            enabled: false,
            broken: false,
            forks: FORKS.load(Ordering::Relaxed),
        })
    }

    /// Whether it belongs to the process that this one was forked from, whose memory it isn't.
    pub(super) fn is_foreign(&self) -> bool {
        self.forks != FORKS.load(Ordering::Relaxed)
    }

    pub(super) fn submitter(&self) -> io_uring::Submitter<'_> {
        self.ring.submitter()
    }

    /// Queues a request for the next [`enter`](Ring::enter).
    ///
    /// # Safety
    /// What it names, memory above all, must stay valid until its completion.
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        self.check()?;
        loop {
            // SAFETY: the caller's promise.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            self.enable()?;
            self.ring.submit()?;
        }
    }

    /// Hands over what was queued, waits for `want` completions, for `timeout` at most. Time that runs
    /// out, and a signal, look like a wait in which nothing was done.
    pub(super) fn enter(&mut self, want: usize, timeout: Option<Duration>) -> io::Result<()> {
        self.check()?;
        self.enable()?;
        let queue = self.ring.submission();
        if want == 0 && queue.is_empty() && !queue.taskrun() && !queue.cq_overflow() {
            return Ok(());
        }
        drop(queue);
        // More seconds than the kernel can count are for ever.
        let bounded = |limit: &Duration| want > 0 && i64::try_from(limit.as_secs()).is_ok();
        let limit = timeout.filter(bounded).map(Timespec::from);
        let entered = match &limit {
            Some(limit) => {
                let arguments = SubmitArgs::new().timespec(limit);
                self.ring.submitter().submit_with_args(want, &arguments)
            }
            None => self.ring.submitter().submit_and_wait(want),
        };
        match entered.map_err(|error| (error.raw_os_error().map(Errno::from_raw_os_error), error)) {
            // Busy: completions must be looked at first. Again: there was no memory.
            Ok(_) | Err((Some(Errno::TIME | Errno::INTR | Errno::BUSY | Errno::AGAIN), _)) => {
                Ok(())
            }
            Err((Some(Errno::EXIST), _)) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this io_uring serves the thread that first waited with it, and no other",
            )),
            Err((_, error)) => Err(error),
        }
    }

    /// Whether the kernel has taken all that was queued.
    pub(super) fn is_submitted(&mut self) -> bool {
        self.ring.submission().is_empty()
    }

    /// That it may be used still.
    pub(super) fn check(&self) -> io::Result<()> {
        match (self.is_foreign(), self.broken) {
            (true, _) => Err(foreign()),
            (false, true) => Err(io::Error::other(
                "this io_uring has failed: make a new loop",
            )),
            (false, false) => Ok(()),
        }
    }

    /// Hands nothing over any more: what is queued names descriptors that may be others' by now.
    pub(super) fn give_up(&mut self) {
        self.broken = true;
    }

    fn enable(&mut self) -> io::Result<()> {
        if !self.enabled {
            self.ring.submitter().register_enable_rings()?;
            self.enabled = true;
        }
        Ok(())
    }

    pub(super) fn next(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }

    /// Whether completions wait that the queue had no room for.
    pub(super) fn is_behind(&mut self) -> bool {
        self.ring.submission().cq_overflow()
    }

    pub(super) fn has_completions(&mut self) -> bool {
        !self.ring.completion().is_empty()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: it is not used after this; in a forked child, only its descriptor was there.
        unsafe {
            match self.is_foreign() {
                false => ManuallyDrop::drop(&mut self.ring),
                true => drop(OwnedFd::from_raw_fd(self.ring.as_raw_fd())),
            }
        }
    }
}

fn foreign() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "this io_uring belongs to the process that this one was forked from: make a new loop",
    )
}
