//! Forking a process, waiting until the child ends, and the signals of a child.
//!
//! After `fork` in a process of several threads, a lock that another thread held stays locked in
//! the child for ever. `fork` is therefore refused unless the process has a single thread; the
//! child may then do whatever any process may do.
#![allow(unsafe_code)]

use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Pid, Signal, WaitOptions};
use serde::{Deserialize, Serialize};

/// The exit status of a child that panicked.
pub const PANICKED: i32 = 101;

/// A forked process. Dropping the handle neither ends nor reaps the process.
///
/// ```standalone_crate
/// use switchboard_process::{ExitStatus, fork};
///
/// let child = fork(|| loop { std::thread::park() })?;
/// assert_eq!(child.try_wait()?, None);
/// child.kill();
/// assert_eq!(child.wait()?, ExitStatus::Killed(9));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Child {
    pid: Pid,
}

/// The status with which a process ended: a number that it chose, or the signal that killed it.
///
/// ```
/// use switchboard_process::ExitStatus;
///
/// assert_eq!(ExitStatus::Exited(3).to_string(), "exited with status 3");
/// assert_eq!(ExitStatus::Killed(9).to_string(), "was killed by signal 9");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// The process exited with this status, 0 to 255.
    Exited(i32),
    /// This signal killed the process.
    Killed(i32),
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitStatus::Exited(status) => write!(f, "exited with status {status}"),
            ExitStatus::Killed(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}

/// Forks this process and runs `child` in the new one, which exits with the status that `child`
/// returns, or with [`PANICKED`].
///
/// # Errors
/// `Unsupported` if this process has more than one thread; otherwise the error of the system call,
/// such as `WouldBlock` at the limit of processes.
pub fn fork(child: impl FnOnce() -> i32) -> io::Result<Child> {
    fork_with_setup(|| (), child)
}

/// Forks as [`fork`] does; the new process runs `setup` before `child`, with all signals blocked.
///
/// `setup` is the place to replace or remove signal handlers of the parent: a handler that runs in
/// the child may write to a pipe that the parent reads, and the parent would take the signal for
/// its own.
///
/// # Errors
/// The same as those of [`fork`].
pub fn fork_with_setup(setup: impl FnOnce(), child: impl FnOnce() -> i32) -> io::Result<Child> {
    check_single_thread()?;
    // Buffered output would be printed by both processes. A closed stdout is no reason not to fork.
    let _ = io::stdout().flush();
    let blocked = BlockedSignals::new();
    // SAFETY: this is the only thread, so no lock is held by a thread that the child lacks, and the
    // child runs its closure and exits without returning into frames that it shares with the
    // parent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let run = AssertUnwindSafe(|| {
                setup();
                drop(blocked);
                child()
            });
            std::process::exit(catch_unwind(run).unwrap_or(PANICKED))
        }
        pid => match Pid::from_raw(pid) {
            Some(pid) => Ok(Child { pid }),
            None => unreachable!("fork returns a positive number to the parent"),
        },
    }
}

/// Checks that this process may fork: that it has a single thread.
///
/// # Errors
/// `Unsupported` if it has more; the text says what to do.
pub fn check_single_thread() -> io::Result<()> {
    match thread_count().filter(|threads| *threads > 1) {
        None => Ok(()),
        Some(threads) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "cannot fork with {threads} threads running, whose locks would stay locked in the \
                 child: fork before starting threads, or use model `threads` or `tasks`"
            ),
        )),
    }
}

/// A guard that blocks all signals of this thread until it is dropped.
struct BlockedSignals {
    previous: libc::sigset_t,
}

impl BlockedSignals {
    fn new() -> BlockedSignals {
        // SAFETY: `sigset_t` is plain data, for which zero bytes are valid; both sets live on this
        // stack frame, and the system call writes `previous` before it is read.
        unsafe {
            let mut all = std::mem::zeroed();
            let mut previous = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut previous);
            BlockedSignals { previous }
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: `previous` is a mask that `pthread_sigmask` wrote, and a null third argument
        // means that the current mask is not asked for.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.previous, std::ptr::null_mut());
        }
    }
}

/// Returns how many threads this process has; `None` where there is no `/proc`.
fn thread_count() -> Option<usize> {
    std::fs::read_dir("/proc/self/task")
        .ok()
        .map(Iterator::count)
}

impl Child {
    /// Returns the process identifier.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Reaps the process if it has ended. Never blocks.
    ///
    /// # Errors
    /// `ECHILD` if the process was reaped before.
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.wait_with(WaitOptions::NOHANG)
    }

    /// Blocks until the process ends, and reaps it.
    ///
    /// # Errors
    /// `ECHILD` if the process was reaped before.
    pub fn wait(&self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.wait_with(WaitOptions::empty())? {
                return Ok(status);
            }
        }
    }

    fn wait_with(&self, options: WaitOptions) -> io::Result<Option<ExitStatus>> {
        let waited = loop {
            match rustix::process::waitpid(Some(self.pid), options) {
                Err(rustix::io::Errno::INTR) => {}
                waited => break waited?,
            }
        };
        Ok(waited.and_then(|(_, status)| {
            let exited = status.exit_status().map(ExitStatus::Exited);
            exited.or_else(|| status.terminating_signal().map(ExitStatus::Killed))
        }))
    }

    /// Sends SIGTERM, which asks the process to end. Has no effect on a process that has ended.
    pub fn terminate(&self) {
        // The identifier is not reused before the process is reaped.
        let _ = rustix::process::kill_process(self.pid, Signal::TERM);
    }

    /// Sends a signal, given by number. A number without a name sends nothing, and a process that has ended
    /// gets nothing.
    pub fn signal(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    /// Sends SIGKILL, which ends the process. Has no effect on a process that has ended.
    pub fn kill(&self) {
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
    }
}

/// Sends this process SIGKILL when `parent`, its parent, ends for any reason, or has ended already.
///
/// To be called in a child. Has no effect on systems other than Linux.
pub fn kill_with_parent(parent: u32) {
    signal_with_parent(parent, Signal::KILL);
}

/// Sends this process SIGTERM when `parent`, its parent, ends for any reason, or has ended already.
///
/// To be called in a child. Has no effect on systems other than Linux.
pub fn terminate_with_parent(parent: u32) {
    signal_with_parent(parent, Signal::TERM);
}

#[cfg(target_os = "linux")]
fn signal_with_parent(parent: u32, signal: Signal) {
    let _ = rustix::process::set_parent_process_death_signal(Some(signal));
    // The parent may have ended before the line above; the kernel then sends nothing.
    let current = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if current.and_then(|pid| u32::try_from(pid).ok()) != Some(parent) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
    }
}

#[cfg(not(target_os = "linux"))]
fn signal_with_parent(_parent: u32, _signal: Signal) {}

/// Has `signals` do nothing in this process, and in the children that it forks from now on. Programs
/// that these processes execute get the default actions.
///
/// Calls that the system restarts after a signal are restarted. Waits such as `poll(2)` fail with
/// `EINTR`, as after any signal that is caught.
pub fn ignore_signals(signals: &[i32]) {
    // SIG_IGN would survive `exec`, and the programs that this process starts could not be asked to
    // end. A handler does not survive.
    let handler: extern "C" fn(libc::c_int) = do_nothing;
    for &signal in signals {
        // SAFETY: all fields of a sigaction are plain numbers, for which zero is valid. The handler
        // touches no memory, so it may interrupt any code. `action` lives during the calls, which
        // keep no pointer to it; an invalid signal number is refused with EINVAL.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

extern "C" fn do_nothing(_signal: libc::c_int) {}

/// Gives `signals` their default action again in this process, as in a child that must not share
/// the handlers of its parent.
pub fn default_signals(signals: &[i32]) {
    for &signal in signals {
        // SAFETY: SIG_DFL is valid for every signal number; an invalid number is refused with
        // EINVAL.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}
