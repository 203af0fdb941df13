//! A simulated kernel, for tests.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::notify::{Notifier, NotifyFd};
use crate::select::is_open;
use crate::slots::Slots;
use crate::{Driver, Event, Interest, Mode, Poller, Ready, Token, refuse};

/// A kernel that does everything the contract of [`Poller`] lets a kernel do, and that keeps its
/// own time.
///
/// It watches real descriptors, with the platform's best driver beneath it, and puts an adversary
/// between. From a seed, each wait
///
/// - reports in any order,
/// - withholds some of what is ready, at most [`Sim::MAX_WITHHELD`] times in a row and never all of it,
/// - adds now and then an event that is spurious, for something in the descriptor's interest.
///
/// Edges are the kernel's own; one that is withheld is kept until it is reported.
///
/// **Time is virtual** and passes only when nothing is ready: a wait with a timeout then moves
/// [`now`](Poller::now) on by it and returns at once. A wait without one does block, until a
/// descriptor is ready or the waker is used.
///
/// The same seed over the same calls gives the same events, so a test that prints its seed on
/// failure can be run again.
pub struct Sim {
    seed: u64,
    rng: Rng,
    kernel: Box<dyn Poller>,
    bell: NotifyFd,
    slots: Slots<Watch>,
    steps: VecDeque<Step>,
    start: Instant,
    elapsed: Duration,
    // Scratch.
    heard: Vec<Event>,
}

/// One line of a script: what a [`Sim`] reports at a time of its own, whatever the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The virtual time since the start.
    pub at: Duration,
    /// The descriptor. If it is not registered at that time, the step is passed over.
    pub fd: RawFd,
    /// What is reported, of that which the descriptor's interest has asked for; hang-ups and errors
    /// always.
    pub ready: Ready,
}

struct Watch {
    token: Token,
    interest: Interest,
    mode: Mode,
    /// What the kernel says now, in level mode.
    level: Ready,
    /// What was said once, an edge or a step of the script, and is not reported yet.
    owed: Ready,
    withheld: u32,
}

impl Sim {
    /// How many waits in a row may withhold the same descriptor.
    pub const MAX_WITHHELD: u32 = 3;

    /// A kernel whose whims come from `seed`.
    ///
    /// # Errors
    /// The system's, where it has no descriptor left.
    pub fn new(seed: u64) -> io::Result<Sim> {
        Sim::scripted(seed, Vec::new())
    }

    /// One that reports `steps` as well, each at its virtual time.
    ///
    /// # Errors
    /// The system's, where it has no descriptor left.
    pub fn scripted(seed: u64, mut steps: Vec<Step>) -> io::Result<Sim> {
        let mut kernel = Driver::best().open()?;
        let bell = NotifyFd::new()?;
        let token = Token(bell.as_fd().as_raw_fd() as usize);
        kernel.register(bell.as_fd(), token, Interest::READ, Mode::Level)?;
        steps.sort_by_key(|step| step.at);
        Ok(Sim {
            seed,
            rng: Rng::with_seed(seed),
            kernel,
            bell,
            slots: Slots::new(),
            steps: steps.into(),
            start: Instant::now(),
            elapsed: Duration::ZERO,
            heard: Vec::new(),
        })
    }

    /// The seed, to be printed when a test fails.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Asks the kernel, and says whether the waker was used.
    fn look(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        self.kernel.wait(&mut self.heard, timeout)?;
        for watch in self.slots.iter_mut() {
            watch.level = Ready::NONE;
        }
        let bell = self.bell.as_fd().as_raw_fd();
        let mut woken = false;
        for event in &self.heard {
            let fd = event.token.0 as RawFd;
            if fd == bell {
                self.bell.drain();
                woken = true;
            } else if let Ok(slot) = self.slots.find(fd) {
                let watch = self.slots.get_mut(slot);
                match watch.mode {
                    Mode::Level => watch.level |= event.ready,
                    Mode::Edge => watch.owed |= event.ready,
                }
            }
        }
        Ok(woken)
    }

    /// Plays the steps whose time has come.
    fn play(&mut self) {
        while let Some(step) = self.steps.pop_front_if(|step| step.at <= self.elapsed) {
            if let Ok(slot) = self.slots.find(step.fd) {
                let watch = self.slots.get_mut(slot);
                watch.owed |= heeded(step.ready, watch.interest);
            }
        }
    }

    /// Reports what the adversary lets through.
    fn deal(&mut self, events: &mut Vec<Event>) {
        // What was closed before its time is forgotten, and with it what was owed.
        let mut ready: Vec<usize> = (0..self.slots.len())
            .filter(|&slot| !self.slots.get(slot).ready().is_empty())
            .filter(|&slot| is_open(self.slots.fd(slot)))
            .collect();
        self.rng.shuffle(&mut ready);
        for (nth, &slot) in ready.iter().enumerate() {
            let watch = self.slots.get_mut(slot);
            // The first in line is always reported, so that no wait withholds everything.
            if nth > 0 && watch.withheld < Sim::MAX_WITHHELD && self.rng.u8(..4) == 0 {
                watch.withheld += 1;
                continue;
            }
            events.push(Event {
                token: watch.token,
                ready: watch.ready(),
            });
            watch.owed = Ready::NONE;
            watch.withheld = 0;
        }
        if self.rng.u8(..8) == 0 && self.slots.len() > 0 {
            self.invent(events);
        }
    }

    /// Adds an event for nothing, somewhere among the others.
    fn invent(&mut self, events: &mut Vec<Event>) {
        let slot = self.rng.usize(..self.slots.len());
        let watch = self.slots.get(slot);
        let choices: Vec<Ready> = [
            (Interest::READ, Ready::READ),
            (Interest::WRITE, Ready::WRITE),
        ]
        .into_iter()
        .filter_map(|(wish, ready)| watch.interest.contains(wish).then_some(ready))
        .collect();
        if !watch.ready().is_empty() || !is_open(self.slots.fd(slot)) {
            return;
        }
        if let Some(&ready) = self.rng.choice(&choices) {
            let token = watch.token;
            let place = self.rng.usize(..=events.len());
            events.insert(place, Event { token, ready });
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
        refuse::reserved(token)?;
        let number = fd.as_raw_fd();
        self.kernel
            .register(fd, Token(number as usize), interest, mode)?;
        self.slots.put(number, Watch::new(token, interest, mode));
        Ok(())
    }

    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        refuse::reserved(token)?;
        let number = fd.as_raw_fd();
        let slot = self.slots.find(number)?;
        self.kernel
            .modify(fd, Token(number as usize), interest, mode)?;
        let watch = self.slots.get_mut(slot);
        let owed = heeded(watch.owed, interest);
        *watch = Watch::new(token, interest, mode);
        watch.owed = owed;
        Ok(())
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        let slot = self.slots.find(fd)?;
        self.slots.swap_remove(slot);
        match self.kernel.deregister(fd) {
            // It was closed before its time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        // A deadline past the end of the clock is none.
        let deadline = timeout
            .and_then(|timeout| self.elapsed.checked_add(timeout))
            .filter(|&deadline| self.start.checked_add(deadline).is_some());
        let mut patience = Some(Duration::ZERO);
        loop {
            let woken = self.look(patience)?;
            self.play();
            self.deal(events);
            if woken || !events.is_empty() {
                return Ok(());
            }
            // Nothing is ready: time moves on, to the next step of the script or to the end.
            let step = self.steps.front().map(|step| step.at);
            match (step, deadline) {
                (Some(step), None) => self.elapsed = step,
                (Some(step), Some(deadline)) if step <= deadline => self.elapsed = step,
                (_, Some(deadline)) => {
                    self.elapsed = deadline;
                    return Ok(());
                }
                (None, None) => patience = None,
            }
        }
    }

    fn notifier(&self) -> Notifier {
        self.bell.notifier()
    }

    fn now(&self) -> Instant {
        self.start + self.elapsed
    }
}

impl Watch {
    fn new(token: Token, interest: Interest, mode: Mode) -> Watch {
        Watch {
            token,
            interest,
            mode,
            level: Ready::NONE,
            owed: Ready::NONE,
            withheld: 0,
        }
    }

    fn ready(&self) -> Ready {
        self.level | self.owed
    }
}

/// The part of `ready` that a descriptor watched for `interest` is told of.
fn heeded(mut ready: Ready, interest: Interest) -> Ready {
    for (wish, bits) in [
        (Interest::READ, Ready::READ | Ready::READ_CLOSED),
        (Interest::WRITE, Ready::WRITE),
        (Interest::PRIORITY, Ready::PRIORITY),
    ] {
        if !interest.contains(wish) {
            ready = ready.without(bits);
        }
    }
    ready
}
