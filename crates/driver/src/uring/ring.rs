//! The ring itself: a queue of submissions, a queue of completions, and one system call for both.

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, squeue};
use rustix::io::Errno;

use super::pressure::Pressure;

/// The capacities of the two queues. Exceeding either costs additional system calls, and nothing else.
const SUBMISSIONS: u32 = 1024;
const COMPLETIONS: u32 = 8192;

/// How many forks lie between this process and the first one.
static FORKS: AtomicU32 = AtomicU32::new(0);

pub(super) struct Ring {
    /// Not dropped in a forked child, where its memory is not mapped and other memory may have its
    /// address.
    ring: ManuallyDrop<IoUring>,
    state: State,
    /// Requests that the queue has no space for, in order; not empty only while the queue is full.
    waiting: VecDeque<squeue::Entry>,
    pub(super) pressure: Pressure,
    /// [`FORKS`] when the ring was opened.
    forks: u32,
}

/// The flags of `io_uring_enter` for waiting, and for an argument that is a [`WaitArgument`].
const ENTER_GETEVENTS: u32 = 1;
const ENTER_EXT_ARG: u32 = 8;

/// The kernel's `io_uring_getevents_arg`.
#[repr(C)]
struct WaitArgument {
    signals: u64,
    signals_length: u32,
    least: u32,
    limit: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first thread that enters the ring enables it, and becomes the only one that may use it.
    Disabled,
    Enabled,
    /// Queued requests must not be submitted any more: their descriptors may be others' by now.
    Broken,
}

impl Ring {
    pub(super) fn open() -> io::Result<Ring> {
        static COUNT_FORKS: Once = Once::new();
        COUNT_FORKS.call_once(|| {
            extern "C" fn count() {
                FORKS.fetch_add(1, Ordering::Relaxed);
            }
            // SAFETY: the handler only increments an atomic number, which is allowed after a fork.
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
        // The kernel does its work in this thread when that enters the ring, and does not interrupt it.
        let deferred = builder().setup_defer_taskrun().build(SUBMISSIONS);
        let ring = match deferred {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                builder().setup_coop_taskrun().build(SUBMISSIONS)
            }
            result => result,
        }?;
        Ok(Ring {
            ring: ManuallyDrop::new(ring),
            state: State::Disabled,
            waiting: VecDeque::new(),
            pressure: Pressure::default(),
            forks: FORKS.load(Ordering::Relaxed),
        })
    }

    /// Returns whether the ring belongs to the process that this one was forked from.
    #[inline]
    pub(super) fn is_forked(&self) -> bool {
        self.forks != FORKS.load(Ordering::Relaxed)
    }

    pub(super) fn submitter(&self) -> io_uring::Submitter<'_> {
        self.ring.submitter()
    }

    /// Queues a request for the next [`enter`](Ring::enter).
    ///
    /// # Errors
    /// That of a ring that must not be used any more. A full queue is no error: the request waits.
    ///
    /// # Safety
    /// Everything the request refers to, above all memory, must stay valid until its completion.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        self.check()?;
        // SAFETY: the caller guarantees it.
        if unsafe { self.ring.submission().push(entry) }.is_err() {
            return self.push_to_full_queue(entry);
        }
        Ok(())
    }

    #[cold]
    fn push_to_full_queue(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        self.waiting.push_back(entry.clone());
        self.enable()?;
        // After a failure the requests wait for the next `enter`, which tries again.
        if !self.pressure.is_high() {
            let submitted = self.submit(0, None);
            if submitted.is_err() {
                // The caller learns that the request is not queued.
                self.waiting.pop_back();
            }
            return submitted;
        }
        Ok(())
    }

    /// Submits queued requests and waits for `want` completions, for `timeout` at most. Returns `Ok`
    /// without completions if the time is over, a signal comes, or the kernel has no memory for the
    /// requests, which then stay queued; in that case it has paused before it returns.
    pub(super) fn enter(&mut self, want: usize, timeout: Option<Duration>) -> io::Result<()> {
        self.check()?;
        self.enable()?;
        let queue = self.ring.submission();
        if want == 0 && queue.is_empty() && !queue.taskrun() && !queue.cq_overflow() {
            return Ok(());
        }
        drop(queue);
        // Completions may be those of requests that wait for space.
        let want = if self.waiting.is_empty() { want } else { 0 };
        self.submit(want, timeout)?;
        if self.pressure.is_high() && !self.has_completions() {
            self.back_off(timeout);
        }
        Ok(())
    }

    /// Waits for a completion for as long as the back-off says, and submits nothing: the end of other
    /// requests may free the memory.
    #[cold]
    fn back_off(&mut self, timeout: Option<Duration>) {
        let pause = self.pressure.pause(timeout);
        let limit = Timespec::from(pause);
        let argument = WaitArgument {
            signals: 0,
            signals_length: 0,
            least: 0,
            limit: (&raw const limit) as u64,
        };
        let flags = ENTER_GETEVENTS | ENTER_EXT_ARG;
        // SAFETY: the argument has the layout that the flag tells, and the kernel reads it and the limit
        // only during the call, which submits no request.
        let waited = unsafe { self.ring.submitter().enter(0, 1, flags, Some(&argument)) };
        match waited.map_err(|error| error.raw_os_error().map(Errno::from_raw_os_error)) {
            Ok(_) | Err(Some(Errno::TIME | Errno::INTR)) => {}
            Err(_) => std::thread::sleep(pause),
        }
    }

    /// Makes the system call, and fills the queue with requests that wait for space.
    fn submit(&mut self, want: usize, timeout: Option<Duration>) -> io::Result<()> {
        // A timeout of more seconds than the kernel can count is none.
        let bounded = |limit: &Duration| want > 0 && i64::try_from(limit.as_secs()).is_ok();
        let limit = timeout.filter(bounded).map(Timespec::from);
        let entered = match (self.pressure.injected(), &limit) {
            (Some(error), _) => Err(error),
            (None, Some(limit)) => {
                let arguments = SubmitArgs::new().timespec(limit);
                self.ring.submitter().submit_with_args(want, &arguments)
            }
            (None, None) => self.ring.submitter().submit_and_wait(want),
        };
        let result = self.pressure.result(entered.map(drop));
        if !self.waiting.is_empty() {
            self.fill_queue();
        }
        result
    }

    #[cold]
    fn fill_queue(&mut self) {
        while let Some(entry) = self.waiting.pop_front() {
            // SAFETY: the caller of `push` guarantees it until the completion of the request.
            if unsafe { self.ring.submission().push(&entry) }.is_err() {
                return self.waiting.push_front(entry);
            }
        }
    }

    /// Returns whether the kernel has taken every queued request.
    pub(super) fn is_submitted(&mut self) -> bool {
        self.ring.submission().is_empty()
    }

    /// Returns an error if the ring must not be used any more.
    #[inline]
    pub(super) fn check(&self) -> io::Result<()> {
        match self.state != State::Broken && !self.is_forked() {
            true => Ok(()),
            false => Err(self.failure()),
        }
    }

    #[cold]
    fn failure(&self) -> io::Error {
        if self.is_forked() {
            return io::Error::new(
                io::ErrorKind::Unsupported,
                "this io_uring belongs to the process that this one was forked from: \
                 make a new loop",
            );
        }
        io::Error::other("this io_uring has failed: make a new loop")
    }

    /// Ends the use of the ring.
    pub(super) fn set_broken(&mut self) {
        self.state = State::Broken;
    }

    fn enable(&mut self) -> io::Result<()> {
        if self.state == State::Disabled {
            self.ring.submitter().register_enable_rings()?;
            self.state = State::Enabled;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn next_completion(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }

    /// Returns whether the kernel has completions that the queue has no space for.
    pub(super) fn has_overflow(&mut self) -> bool {
        self.ring.submission().cq_overflow()
    }

    pub(super) fn has_completions(&mut self) -> bool {
        !self.ring.completion().is_empty()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the ring is not used after this. In a forked child, which has only its descriptor,
        // nothing else owns that.
        unsafe {
            match self.is_forked() {
                false => ManuallyDrop::drop(&mut self.ring),
                true => drop(OwnedFd::from_raw_fd(self.ring.as_raw_fd())),
            }
        }
    }
}
