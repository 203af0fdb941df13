//! What a crowd does as a whole: come in, speak again, and be measured for a time.

use std::cmp::Reverse;
use std::io;
use std::time::{Duration, Instant};

use super::Pace;
use super::client::Client;
use super::clients::Crowd;
use super::counts::Tally;

/// So many times their patience clients come in at most, even if some still do.
const LONGEST: u32 = 10;

/// The clients that may wait for a connection or a first answer at once, while they come in.
const WINDOW: usize = 128;

/// How long a crowd was measured.
pub(crate) struct Times {
    /// The time for which the groups did what they do.
    pub(crate) elapsed: Duration,
    /// That, and the time for which answers were waited for.
    pub(crate) whole: Duration,
}

impl Crowd {
    /// Brings clients of a group in, up to this number, so that each is answered once. Ends early when for `patience`
    /// nothing has moved, even after all have been let in at once, and after ten times that.
    pub(crate) fn gather(
        &mut self,
        group: usize,
        upto: usize,
        patience: Duration,
    ) -> io::Result<()> {
        let first = self.firsts[group];
        let mut waiting: Vec<usize> = (first..first + upto)
            .filter(|&at| self.clients[at].requests == 0)
            .collect();
        waiting.reverse();
        self.ask_in_turn(group, waiting, patience)
    }

    /// Returns how many clients of a group were answered and are still connected.
    pub(crate) fn held(&self, group: usize) -> usize {
        let of_it = self.clients.iter().filter(|one| one.group == group);
        of_it
            .filter(|one| one.served && one.stream.is_some())
            .count()
    }

    /// Has each client of a group that was answered before and is still connected say it once more. Returns how many
    /// were answered.
    pub(crate) fn ask_again(&mut self, group: usize, patience: Duration) -> io::Result<u64> {
        let first = self.firsts[group];
        let held = (first..first + self.groups[group].clients).filter(|&at| {
            let client = &self.clients[at];
            client.served && !client.asking && client.stream.is_some()
        });
        let held: Vec<usize> = held.collect();
        self.ask_in_turn(group, held.clone(), patience)?;
        // A late answer of another client is none of theirs.
        let answered = held.iter().filter(|&&at| {
            let client = &self.clients[at];
            !client.asking && client.stream.is_some()
        });
        Ok(answered.count() as u64)
    }

    fn ask_in_turn(
        &mut self,
        group: usize,
        mut waiting: Vec<usize>,
        patience: Duration,
    ) -> io::Result<()> {
        let done = |crowd: &Crowd| {
            let counts = &crowd.tallies[group].counts;
            (counts.answered + counts.failed) as usize
        };
        let before = done(self);
        let (mut window, mut asked, mut seen) = (WINDOW, 0_usize, before);
        let start = Instant::now();
        let mut moved = start;
        loop {
            while asked.saturating_sub(done(self) - before) < window
                && let Some(at) = waiting.pop()
            {
                asked += 1;
                self.begin(at, Instant::now());
            }
            if waiting.is_empty() && done(self) - before >= asked {
                return Ok(());
            }
            if start.elapsed() > patience * LONGEST {
                return Ok(());
            }
            if moved.elapsed() > patience {
                if waiting.is_empty() {
                    return Ok(());
                }
                window = usize::MAX;
                moved = Instant::now();
            }
            self.pump(Instant::now() + Duration::from_millis(10))?;
            if done(self) != seen {
                (seen, moved) = (done(self), Instant::now());
            }
        }
    }

    /// Connects the clients that keep their connection, in turn, without a request. Ends early as
    /// [`gather`](Crowd::gather) does. Returns how many are connected.
    pub(super) fn connect_all(&mut self, patience: Duration) -> io::Result<usize> {
        let open = |crowd: &Crowd| crowd.clients.iter().filter(|one| one.connected).count();
        let (mut next, mut connected) = (0, 0);
        let mut moved = Instant::now();
        let start = Instant::now();
        while (next < self.clients.len() || connected < next)
            && start.elapsed() < patience * LONGEST
        {
            while next < self.clients.len() && next - connected < WINDOW {
                if !self.group(next).fresh {
                    self.connect(next);
                }
                next += 1;
            }
            self.pump(Instant::now() + Duration::from_millis(10))?;
            let now = open(self);
            if now != connected {
                (connected, moved) = (now, Instant::now());
            } else if moved.elapsed() > patience {
                break;
            }
        }
        Ok(connected)
    }

    /// Lets the groups do what they do for `duration`, those only that are early if so; calls `at_end` then, and waits
    /// for answers that are under way, at most for `drain`. Counts begin anew.
    pub(crate) fn measure(
        &mut self,
        duration: Duration,
        drain: Duration,
        early: bool,
        at_end: impl FnOnce(),
    ) -> io::Result<Times> {
        self.tallies = self
            .groups
            .iter()
            .map(Tally::new)
            .collect::<io::Result<_>>()?;
        let (groups, clients) = (&self.groups, &self.clients);
        self.timers
            .retain(|Reverse((_, at))| matches!(groups[clients[*at].group].pace, Pace::Trickle(_)));
        let start = Instant::now();
        self.end = start + duration;
        self.paused = false;
        for at in 0..self.clients.len() {
            self.clients[at].served &= self.group(at).pace == Pace::Idle;
            if !early || self.group(at).early {
                self.set_off(at, start);
            }
        }
        while Instant::now() < self.end {
            self.pump(self.end)?;
        }
        self.paused = true;
        let elapsed = start.elapsed();
        at_end();
        let last = Instant::now() + drain;
        while Instant::now() < last && self.clients.iter().any(|one| self.is_awaited(one, early)) {
            self.pump(last.min(Instant::now() + Duration::from_millis(20)))?;
        }
        for at in 0..self.clients.len() {
            if !early || self.group(at).early {
                self.settle(at);
            }
        }
        for tally in &mut self.tallies {
            tally.end(start, duration);
        }
        Ok(Times {
            elapsed,
            whole: start.elapsed(),
        })
    }

    fn is_awaited(&self, client: &Client, early: bool) -> bool {
        let group = &self.groups[client.group];
        match group.pace {
            Pace::Closed => client.asking,
            // Behind a failure, what was due before the end is still to be asked.
            Pace::Every(every) => {
                let runs = !early || group.early;
                client.asking || (runs && client.due + every < self.end)
            }
            _ => false,
        }
    }

    fn set_off(&mut self, at: usize, start: Instant) {
        let (pace, clients) = (self.group(at).pace, self.group(at).clients);
        match pace {
            Pace::Closed if !self.clients[at].asking => self.begin(at, start),
            Pace::Every(every) => {
                let client = &mut self.clients[at];
                let first = start + every.mul_f64(client.index as f64 / clients as f64);
                client.due = first.checked_sub(every).unwrap_or(first);
                self.timers.push(Reverse((first, at)));
            }
            Pace::Half | Pace::Trickle(_) if self.clients[at].requests == 0 => {
                self.begin(at, start)
            }
            _ => {}
        }
    }

    /// Counts what was due and has had no answer, and gives the connection up that it waits on.
    fn settle(&mut self, at: usize) {
        let now = Instant::now();
        let client = &mut self.clients[at];
        let (group, mut due) = (client.group, client.due);
        let pace = self.groups[group].pace;
        if !matches!(pace, Pace::Closed | Pace::Every(_)) {
            return;
        }
        if std::mem::take(&mut client.asking) {
            self.tallies[group].unanswered(due, now);
            self.close(at);
        }
        if let Pace::Every(every) = pace {
            due += every;
            while due < self.end {
                self.tallies[group].unanswered(due, now);
                due += every;
            }
        }
    }
}
