//! The workers that a fork server has forked: each is reaped as soon as it ends, and its exit status kept
//! until the pool asks to replace it.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec};
use switchboard_process::{Child, Children, ExitStatus};

/// The pause between two looks at workers whose end cannot be waited for.
const LOOK_AGAIN: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// The forked workers, by number.
#[derive(Default)]
pub(crate) struct Forked {
    running: Children<Running>,
    /// The exit statuses of workers that ended before they were replaced.
    ended: HashMap<u64, ExitStatus>,
    /// The number of the last worker.
    last: u64,
}

struct Running {
    number: u64,
    /// A descriptor that is readable once the process has ended; `None` where the system has none.
    end: Option<OwnedFd>,
}

impl Forked {
    /// Adds a worker, and returns its number, which is not zero.
    pub(crate) fn add(&mut self, worker: Child) -> u64 {
        self.last += 1;
        let end = end_of(&worker);
        let number = self.last;
        self.running.push(worker, Running { number, end });
        number
    }

    /// Kills a worker, if it runs, and returns its exit status. Blocks until it has ended.
    pub(crate) fn end(&mut self, number: u64) -> Option<ExitStatus> {
        if let Some(status) = self.ended.remove(&number) {
            return Some(status);
        }
        let (worker, _) = self.running.remove_if(|running| running.number == number)?;
        // Has no effect on a worker that has ended: it keeps its status.
        worker.kill();
        worker.wait().ok()
    }

    /// Reaps workers as they end, until `control` is readable or closed.
    pub(crate) fn reap_until_readable(&mut self, control: &UnixStream) {
        loop {
            self.reap();
            let ends = self.running.values().map(|running| &running.end);
            let mut fds = vec![PollFd::from_borrowed_fd(control.as_fd(), PollFlags::IN)];
            fds.extend(
                ends.clone()
                    .flatten()
                    .map(|end| PollFd::new(end, PollFlags::IN)),
            );
            let limit = ends.clone().any(Option::is_none).then_some(LOOK_AGAIN);
            // A poll that fails is not tried again: the receive that follows waits without reaping.
            match rustix::event::poll(&mut fds, limit.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) if fds[0].revents().is_empty() => {}
                _ => return,
            }
        }
    }

    fn reap(&mut self) {
        for reaped in self.running.reap() {
            if let Ok(status) = reaped.status {
                self.ended.insert(reaped.value.number, status);
            }
        }
    }

    /// Forgets all workers, in a process that is one of them.
    pub(crate) fn forget(&mut self) {
        *self = Forked::default();
    }

    /// Kills all workers, and blocks until they have ended.
    pub(crate) fn kill(&mut self) {
        self.running.kill();
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn end_of(worker: &Child) -> Option<OwnedFd> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    pidfd_open(Pid::from_raw(worker.pid())?, PidfdFlags::empty()).ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn end_of(_worker: &Child) -> Option<OwnedFd> {
    None
}
