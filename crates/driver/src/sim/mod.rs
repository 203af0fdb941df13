//! A simulated kernel, for tests.

mod adversary;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use crate::fd_table::FdTable;
use crate::notify::{Notifier, NotifyFd};
use crate::{Driver, Event, Interest, Mode, Poller, Ready, Token, error};

use adversary::{Adversary, Registration, within};

/// A kernel that does everything the contract of [`Poller`] permits, and that has its own time.
///
/// Descriptors are real, and the platform's best driver waits for them; an adversary stands between
/// that driver and the caller. As a seed decides, each wait
///
/// - reports events in any order,
/// - withholds some of them, each at most [`Sim::MAX_WITHHELD`] times in a row and never all,
/// - sometimes adds a spurious event, for a direction in the descriptor's interest.
///
/// Edges are those of the real kernel; one that is withheld is kept until it is reported.
///
/// **Time is virtual** and passes only when nothing is ready: a wait with a timeout then advances
/// [`now`](Poller::now) by it and returns at once. A wait without a timeout blocks until a
/// descriptor is ready or the notifier is used.
///
/// The same seed and the same calls give the same events, so a test that prints its seed when it
/// fails can be repeated.
///
/// ```
/// use std::time::Duration;
/// use switchboard_driver::{Poller, Sim};
///
/// let mut sim = Sim::new(42)?;
/// let (start, day) = (sim.now(), Duration::from_secs(86_400));
/// sim.wait(&mut Vec::new(), Some(day))?;
/// assert_eq!(sim.now(), start + day);
/// # std::io::Result::Ok(())
/// ```
pub struct Sim {
    seed: u64,
    adversary: Adversary,
    kernel: Box<dyn Poller>,
    notify_fd: NotifyFd,
    registrations: FdTable<Registration>,
    script: VecDeque<Step>,
    start: Instant,
    elapsed: Duration,
    // The kernel's events; reused by every wait.
    buffer: Vec<Event>,
}

/// One step of a script: readiness that a [`Sim`] reports at a virtual time, whatever the kernel
/// reports.
///
/// ```
/// use std::{os::fd::{AsFd, AsRawFd}, os::unix::net::UnixStream, time::Duration};
/// use switchboard_driver::{Interest, Mode, Poller, Ready, Sim, Step, Token};
///
/// let (here, _there) = UnixStream::pair()?;
/// let at = Duration::from_secs(10);
/// let step = Step { at, fd: here.as_raw_fd(), ready: Ready::HANG_UP };
/// let mut sim = Sim::scripted(42, vec![step])?;
/// sim.register(here.as_fd(), Token(0), Interest::NONE, Mode::Level)?;
///
/// let start = sim.now();
/// let mut events = Vec::new();
/// sim.wait(&mut events, None)?;
/// assert_eq!(events[0].ready, Ready::HANG_UP);
/// assert_eq!(sim.now(), start + at);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The virtual time since the start.
    pub at: Duration,
    /// The descriptor. The step is skipped if it is not registered at that time.
    pub fd: RawFd,
    /// The readiness to report. Directions outside the descriptor's interest are left out; hang-ups
    /// and errors are always reported.
    pub ready: Ready,
}

impl Sim {
    /// The number of waits in a row that may withhold the same descriptor.
    pub const MAX_WITHHELD: u32 = 3;

    /// Opens a kernel whose choices come from `seed`.
    ///
    /// # Errors
    /// The system's error if no descriptor is left.
    pub fn new(seed: u64) -> io::Result<Sim> {
        Sim::scripted(seed, Vec::new())
    }

    /// Opens a kernel that also reports `steps`, each at its virtual time.
    ///
    /// # Errors
    /// The system's error if no descriptor is left.
    pub fn scripted(seed: u64, mut steps: Vec<Step>) -> io::Result<Sim> {
        let mut kernel = Driver::best().open()?;
        let notify_fd = NotifyFd::new()?;
        let token = Token(notify_fd.as_fd().as_raw_fd() as usize);
        kernel.register(notify_fd.as_fd(), token, Interest::READ, Mode::Level)?;
        steps.sort_by_key(|step| step.at);
        Ok(Sim {
            seed,
            adversary: Adversary::new(seed),
            kernel,
            notify_fd,
            registrations: FdTable::new(),
            script: steps.into(),
            start: Instant::now(),
            elapsed: Duration::ZERO,
            buffer: Vec::new(),
        })
    }

    /// Returns the seed, which a failing test should print.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Waits with the kernel's driver; returns whether the notifier was used.
    fn wait_for_kernel(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        self.kernel.wait(&mut self.buffer, timeout)?;
        for registration in self.registrations.iter_mut() {
            registration.level = Ready::NONE;
        }
        let notify_fd = self.notify_fd.as_fd().as_raw_fd();
        let mut notified = false;
        for event in &self.buffer {
            let fd = event.token.0 as RawFd;
            if fd == notify_fd {
                self.notify_fd.drain();
                notified = true;
            } else if let Ok(at) = self.registrations.find(fd) {
                let registration = self.registrations.get_mut(at);
                match registration.mode {
                    Mode::Level => registration.level |= event.ready,
                    Mode::Edge => registration.pending |= event.ready,
                }
            }
        }
        Ok(notified)
    }

    /// Runs the steps of the script whose time has come.
    fn run_script(&mut self) {
        while let Some(step) = self.script.pop_front_if(|step| step.at <= self.elapsed) {
            if let Ok(at) = self.registrations.find(step.fd) {
                let registration = self.registrations.get_mut(at);
                registration.pending |= within(step.ready, registration.interest);
            }
        }
    }
}

impl Poller for Sim {
    fn driver(&self) -> Driver {
        Driver::Sim
    }

    fn has_edge(&self) -> bool {
        self.kernel.has_edge()
    }

    fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        error::check_token(token)?;
        let number = fd.as_raw_fd();
        self.kernel
            .register(fd, Token(number as usize), interest, mode)?;
        self.registrations
            .insert(number, Registration::new(token, interest, mode));
        Ok(())
    }

    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        error::check_token(token)?;
        let number = fd.as_raw_fd();
        let at = self.registrations.find(number)?;
        self.kernel
            .modify(fd, Token(number as usize), interest, mode)?;
        let registration = self.registrations.get_mut(at);
        let pending = within(registration.pending, interest);
        *registration = Registration::new(token, interest, mode);
        registration.pending = pending;
        Ok(())
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        let at = self.registrations.find(fd)?;
        self.registrations.swap_remove(at);
        match self.kernel.deregister(fd) {
            // The descriptor was closed too early.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        // A deadline past the end of the clock counts as none.
        let deadline = timeout
            .and_then(|timeout| self.elapsed.checked_add(timeout))
            .filter(|&deadline| self.start.checked_add(deadline).is_some());
        let mut kernel_timeout = Some(Duration::ZERO);
        loop {
            let notified = self.wait_for_kernel(kernel_timeout)?;
            self.run_script();
            self.adversary.report(&mut self.registrations, events);
            if notified || !events.is_empty() {
                return Ok(());
            }
            // Nothing is ready: advance the time to the next step of the script or to the deadline.
            let step = self.script.front().map(|step| step.at);
            match (step, deadline) {
                (Some(step), None) => self.elapsed = step,
                (Some(step), Some(deadline)) if step <= deadline => self.elapsed = step,
                (_, Some(deadline)) => {
                    self.elapsed = deadline;
                    return Ok(());
                }
                (None, None) => kernel_timeout = None,
            }
        }
    }

    fn notifier(&self) -> Notifier {
        self.notify_fd.notifier()
    }

    fn now(&self) -> Instant {
        self.start + self.elapsed
    }
}
