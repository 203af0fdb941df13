//! Processes: forking, and waiting for what was forked.
//!
//! Between `fork` and `exec` a child of a process with several threads may hardly do anything: a lock
//! that another thread held is held for ever in the child. So forking is refused unless the process
//! has a single thread, and then the child is a process like any other.
#![allow(unsafe_code)]

use std::io::{self, Write};

use rustix::process::{Pid, Signal, WaitOptions};

/// A forked process. Dropping it neither ends nor waits for it.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
}

/// How a forked process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this status.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
}

/// Forks: `child` runs in the new process, which exits with what it returns; a panic is status 101.
///
/// # Errors
/// `Unsupported` if this process has more than one thread; the system's if there is no room for a
/// process.
pub fn fork(child: impl FnOnce() -> i32) -> io::Result<Child> {
    fork_after(|| (), child)
}

/// As [`fork`]; before `child`, the new process runs `first`, and no signal reaches it until that is
/// done. There it lets go of the parent's handlers: one that ran in the child would write to a pipe
/// that the parent reads, and the parent would take the signal for its own.
///
/// # Errors
/// As [`fork`].
pub fn fork_after(first: impl FnOnce(), child: impl FnOnce() -> i32) -> io::Result<Child> {
    if let Some(threads) = threads().filter(|threads| *threads > 1) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "cannot fork with {threads} threads running, whose locks would stay locked in the \
                 child: fork before starting threads, or use model `threads` or `tasks`"
            ),
        ));
    }
    // What waits to be printed is not to be printed twice. Nobody may hear it: that is found out later.
    let _ = io::stdout().flush();
    let held = Held::new();
    // SAFETY: this is the only thread, so that no lock is held by a thread that the child lacks, and
    // the child runs its closure and exits without returning into frames it shares with the parent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let run = std::panic::AssertUnwindSafe(|| {
                first();
                drop(held);
                child()
            });
            let status = std::panic::catch_unwind(run).unwrap_or(101);
            std::process::exit(status)
        }
        pid => match Pid::from_raw(pid) {
            Some(pid) => Ok(Child { pid }),
            None => unreachable!("fork gives the parent a positive number"),
        },
    }
}

/// While it lives, signals wait.
struct Held(libc::sigset_t);

impl Held {
    fn new() -> Held {
        // SAFETY: both sets are this function's own, and each is written before it is read.
        unsafe {
            let mut all = std::mem::zeroed();
            let mut before = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
            Held(before)
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the set is what the system gave.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut());
        }
    }
}

/// How many threads this process has, where the system tells.
fn threads() -> Option<usize> {
    std::fs::read_dir("/proc/self/task")
        .ok()
        .map(Iterator::count)
}

impl Child {
    /// The process's number.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// How it ended, if it has. Never blocks. After it has told once, the child is unknown.
    ///
    /// # Errors
    /// `ECHILD` if it was waited for before.
    pub fn try_wait(&self) -> io::Result<Option<Ended>> {
        self.wait_with(WaitOptions::NOHANG)
    }

    /// Blocks until it ends.
    ///
    /// # Errors
    /// `ECHILD` if it was waited for before.
    pub fn wait(&self) -> io::Result<Ended> {
        loop {
            if let Some(ended) = self.wait_with(WaitOptions::empty())? {
                return Ok(ended);
            }
        }
    }

    fn wait_with(&self, options: WaitOptions) -> io::Result<Option<Ended>> {
        let waited = loop {
            match rustix::process::waitpid(Some(self.pid), options) {
                Err(rustix::io::Errno::INTR) => {}
                waited => break waited?,
            }
        };
        Ok(waited.and_then(|(_, status)| {
            let exited = status.exit_status().map(Ended::Exited);
            exited.or_else(|| status.terminating_signal().map(Ended::Killed))
        }))
    }

    /// Asks it to end: SIGTERM.
    pub fn terminate(&self) {
        // It may have ended; its number is not used again before it is waited for.
        let _ = rustix::process::kill_process(self.pid, Signal::TERM);
    }

    /// Ends it: SIGKILL.
    pub fn kill(&self) {
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
    }
}

/// In a child: ends it when `parent`, its parent, ends, however that ends; with SIGTERM, or
/// `at_once` with SIGKILL. Elsewhere than on Linux it stays.
pub fn end_with_parent(parent: u32, at_once: bool) {
    #[cfg(target_os = "linux")]
    {
        let signal = if at_once { Signal::KILL } else { Signal::TERM };
        let _ = rustix::process::set_parent_process_death_signal(Some(signal));
        // It may have ended before.
        let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
        if now.and_then(|pid| u32::try_from(pid).ok()) != Some(parent) {
            let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (parent, at_once);
}

/// Makes this process deaf to `signals`.
pub fn ignore_signals(signals: &[i32]) {
    for &signal in signals {
        // SAFETY: to ignore is always valid, and no handler of ours runs after this.
        unsafe {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
}

/// Gives `signals` their default meaning again, as in a child that must not share its parent's
/// handlers.
pub fn default_signals(signals: &[i32]) {
    for &signal in signals {
        // SAFETY: the default action is always valid, and no handler of ours runs after this.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}
