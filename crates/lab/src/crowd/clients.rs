//! The crowd itself: one poller, one heap of due times, all clients.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use switchboard_driver::{Driver, Event, Mode, Poller, Token};

use super::client::Client;
use super::counts::Tally;
use super::setup::{self, Sources};
use super::{Counts, Group, Pace};

/// The pause after a failure in a closed loop.
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) struct Crowd {
    pub(super) groups: Vec<Group>,
    pub(super) tallies: Vec<Tally>,
    pub(super) clients: Vec<Client>,
    /// The number of each group's first client.
    pub(super) firsts: Vec<usize>,
    pub(super) poller: Box<dyn Poller>,
    pub(super) timers: BinaryHeap<Reverse<(Instant, usize)>>,
    pub(super) buffer: Vec<u8>,
    pub(super) events: Vec<Event>,
    pub(super) sources: Option<Sources>,
    /// Whether the last millisecond before a due time is spent without sleep, since polls have whole ones.
    pub(super) spins: bool,
    /// Whether closed loops rest.
    pub(super) paused: bool,
    pub(super) end: Instant,
    /// By how many nanoseconds clients that were free sent later than was due.
    pub(super) lateness: Histogram<u64>,
}

impl Crowd {
    pub(crate) fn new(groups: Vec<Group>, spins: bool) -> io::Result<Crowd> {
        setup::raise_descriptor_limit()?;
        let now = Instant::now();
        let (mut clients, mut firsts) = (Vec::new(), Vec::new());
        for (at, group) in groups.iter().enumerate() {
            firsts.push(clients.len());
            clients.extend((0..group.clients).map(|index| Client::new(at, index, now)));
        }
        Ok(Crowd {
            tallies: groups.iter().map(Tally::new).collect::<io::Result<_>>()?,
            groups,
            clients,
            firsts,
            poller: Driver::best().open()?,
            timers: BinaryHeap::new(),
            buffer: vec![0; 256 << 10],
            events: Vec::new(),
            sources: Sources::of_process(),
            spins,
            paused: true,
            end: now,
            lateness: Histogram::new_with_bounds(1, 600_000_000_000, 3)
                .map_err(io::Error::other)?,
        })
    }

    pub(crate) fn counts(&self, group: usize) -> Counts {
        self.tallies[group].counts()
    }

    pub(super) fn group(&self, at: usize) -> &Group {
        &self.groups[self.clients[at].group]
    }

    /// Begins a request, on a new connection if there is none.
    pub(super) fn begin(&mut self, at: usize, due: Instant) {
        let client = &self.clients[at];
        let group = &self.groups[client.group];
        let (says, nth) = (&group.says, client.requests);
        let request = client
            .request_again(says)
            .unwrap_or_else(|| says.request(client.index, group.clients, nth, group.fresh));
        let allowed = match group.pace {
            Pace::Half => request.len() / 2,
            Pace::Trickle(_) => 1,
            _ => request.len(),
        };
        let answer = says.answer();
        self.clients[at].ask(request, allowed, answer, due);
        if let Pace::Trickle(every) = self.group(at).pace {
            self.timers.push(Reverse((due + every, at)));
        }
        if self.clients[at].stream.is_none() {
            self.connect(at);
        } else {
            let sent = self.clients[at].send();
            self.after(at, sent.map(|()| false));
        }
    }

    pub(super) fn connect(&mut self, at: usize) {
        let addr = self.group(at).addr;
        let client = &mut self.clients[at];
        let begun = client.connect(addr, self.sources.as_ref()).and_then(|()| {
            let Some(stream) = &client.stream else {
                return Ok(());
            };
            self.poller
                .register(stream.as_fd(), Token(at), client.interest, Mode::Level)
        });
        if let Err(error) = begun {
            let text = format!("connect to {addr}: {error}");
            self.fail(at, &io::Error::new(error.kind(), text));
        }
    }

    /// Goes on after a client has moved.
    fn after(&mut self, at: usize, moved: io::Result<bool>) {
        match moved {
            Ok(true) => self.complete(at),
            Ok(false) => {
                if let Err(error) = self.set_interest(at) {
                    self.fail(at, &error);
                }
            }
            Err(error) => self.fail(at, &error),
        }
    }

    fn set_interest(&mut self, at: usize) -> io::Result<()> {
        let client = &mut self.clients[at];
        let wanted = client.wanted();
        if let Some(stream) = client.stream.as_ref().filter(|_| wanted != client.interest) {
            client.interest = wanted;
            self.poller
                .modify(stream.as_fd(), Token(at), wanted, Mode::Level)?;
        }
        Ok(())
    }

    fn complete(&mut self, at: usize) {
        let now = Instant::now();
        let client = &mut self.clients[at];
        client.asking = false;
        let tally = &mut self.tallies[client.group];
        tally.counts.served += usize::from(!client.served);
        client.served = true;
        tally.answered(client.due, now);
        if self.group(at).fresh {
            self.close(at);
        } else if let Err(error) = self.set_interest(at) {
            self.fail(at, &error);
            return;
        }
        self.schedule(at, now);
    }

    fn schedule(&mut self, at: usize, now: Instant) {
        match self.group(at).pace {
            Pace::Closed if !self.paused => self.begin(at, now),
            // What was due before the end is asked after it, too.
            Pace::Every(every) if self.clients[at].due + every < self.end => {
                let next = self.clients[at].due + every;
                if next < now {
                    self.begin(at, next);
                } else {
                    self.timers.push(Reverse((next, at)));
                }
            }
            _ => {}
        }
    }

    fn fail(&mut self, at: usize, error: &io::Error) {
        self.close(at);
        let client = &mut self.clients[at];
        let asking = std::mem::take(&mut client.asking);
        let (group, due) = (client.group, client.due);
        let pace = self.groups[group].pace;
        match pace {
            Pace::Half | Pace::Trickle(_) => self.tallies[group].note(error),
            _ if asking => self.tallies[group].failed(error),
            // A server may close a connection that is idle, and the next request gets another one.
            Pace::Closed | Pace::Every(_) => return,
            Pace::Idle => self.tallies[group].note(error),
        }
        let now = Instant::now();
        match pace {
            Pace::Closed => self.timers.push(Reverse((now + PAUSE, at))),
            // What was due meanwhile is asked late, one after another, but not in a turn without a pause.
            Pace::Every(every) => {
                let next = (due + every).max(now + PAUSE.min(every));
                self.timers.push(Reverse((next, at)));
            }
            _ => {}
        }
    }

    pub(super) fn close(&mut self, at: usize) {
        let client = &mut self.clients[at];
        if let Some(stream) = client.stream.take() {
            // One that could not be registered is not known.
            let _ = self.poller.deregister(stream.as_raw_fd());
        }
        client.connected = false;
    }

    /// Fires what is due, and waits for events, but not past `until`.
    pub(super) fn pump(&mut self, until: Instant) -> io::Result<()> {
        let mut now = Instant::now();
        while let Some(&Reverse((due, at))) = self.timers.peek() {
            if due > now {
                break;
            }
            self.timers.pop();
            self.fire(at, due, now);
            now = Instant::now();
        }
        let due = self.timers.peek().map(|Reverse((due, _))| *due);
        let next = due.unwrap_or(until).min(until);
        let mut left = next.saturating_duration_since(Instant::now());
        if self.spins && due.is_some_and(|due| due <= until) {
            let whole = left.as_millis().saturating_sub(1);
            left = Duration::from_millis(whole as u64);
        }
        let mut events = std::mem::take(&mut self.events);
        let waited = self.poller.wait(&mut events, Some(left));
        for event in &events {
            let at = event.token.0;
            let moved = self.clients[at].step(event.ready, &mut self.buffer);
            self.after(at, moved);
        }
        self.events = events;
        waited
    }

    fn fire(&mut self, at: usize, timer: Instant, now: Instant) {
        if let Pace::Trickle(every) = self.group(at).pace {
            if self.clients[at].stream.is_some() {
                self.clients[at].allow_one();
                let sent = self.clients[at].send();
                self.after(at, sent.map(|()| false));
                self.timers.push(Reverse((timer + every, at)));
            }
            return;
        }
        // Behind a failure a timer is later than what was due.
        let due = match self.group(at).pace {
            Pace::Every(every) => self.clients[at].due + every,
            _ => timer,
        };
        let closed = self.group(at).pace == Pace::Closed;
        if self.clients[at].asking || due >= self.end || (closed && self.paused) {
            return;
        }
        let late = now.saturating_duration_since(timer).as_nanos() as u64;
        self.lateness.saturating_record(late.max(1));
        self.begin(at, due);
    }
}
