//! Which request is sent next.

use std::time::Instant;

use super::host::{FRONT, Rules};
use super::{Keeper, State};
use crate::address::Address;
use crate::fate::Fate;
use crate::job::{Job, RobotsTask, Task};
use crate::store::Entry;

/// Entries that are decided upon without a request, in one go.
const REFUSED: usize = 256;

/// What a host has to do next.
enum Next {
    Send(Task),
    /// Its robots.txt has to be asked for first.
    Ask,
    Nothing,
}

impl Keeper {
    /// Gives the workers all requests that may be sent now.
    pub(super) fn dispatch(&mut self) -> Result<(), redb::Error> {
        while !self.state.stopping
            && self.state.in_flight < self.state.workers
            && !self.state.batch.is_full(self.state.workers)
            && self.has_budget()
        {
            let State { hosts, level, .. } = &mut self.state;
            match hosts.take_ready(Instant::now()) {
                Some(id) => self.serve(id)?,
                None if hosts.hidden && hosts.makes_room(Instant::now()) => {
                    if !hosts.wake_hidden(*level, &mut self.store)? {
                        break;
                    }
                }
                None => break,
            }
        }
        Ok(())
    }

    /// Sends the next request of a host that is ready.
    fn serve(&mut self, id: u32) -> Result<(), redb::Error> {
        let task = match self.next(id)? {
            Next::Send(task) => task,
            Next::Ask => Task::Robots(self.ask_robots(id)),
            Next::Nothing => {
                self.state.hosts.list(id);
                return Ok(());
            }
        };
        self.send(id, task);
        Ok(())
    }

    fn next(&mut self, id: u32) -> Result<Next, redb::Error> {
        let now = Instant::now();
        // A host that is ready is in memory.
        let Some(host) = self.state.hosts.get(id) else {
            return Ok(Next::Nothing);
        };
        if let Some(task) = host.errands.pop_front() {
            return Ok(Next::Send(Task::Robots(task)));
        }
        if let Some(task) = host.take_waiting(now) {
            self.state.waiting -= u64::from(matches!(task, Task::Page(_)));
            return Ok(Next::Send(task));
        }
        if host.waiting.len() >= FRONT || matches!(host.rules, Rules::Asked) {
            return Ok(Next::Nothing);
        }
        for _ in 0..REFUSED {
            self.load(id)?;
            let Some(host) = self.state.hosts.get(id) else {
                break;
            };
            if host.front.is_empty() {
                break;
            }
            // Only with an entry at hand, for which they are asked for at once.
            host.drop_stale(now);
            let Rules::Known(rules) = &host.rules else {
                return Ok(Next::Ask);
            };
            let Some(entry) = host.front.pop_front() else {
                break;
            };
            let why = rules.refusal(entry.address.path_and_query());
            let is_long = host.looked(now, now.elapsed());
            if let Some(why) = why {
                self.settle(entry, Fate::Robots, 0, &why);
                if is_long {
                    break;
                }
            } else if host.is_given_up() {
                self.settle(
                    entry,
                    Fate::Failed,
                    0,
                    "unreachable: others of this host were not either",
                );
            } else {
                return Ok(Next::Send(Task::Page(entry)));
            }
        }
        Ok(Next::Nothing)
    }

    /// Fills the front of a host from the store, if it is empty.
    fn load(&mut self, id: u32) -> Result<(), redb::Error> {
        let State {
            hosts,
            claimed,
            level,
            ..
        } = &mut self.state;
        let Some(host) = hosts.get(id) else {
            return Ok(());
        };
        while host.front.is_empty() && host.more {
            let skip = |seq| claimed.contains(&seq);
            let front = &mut host.front;
            let loaded = self
                .store
                .load(id, host.cursor, *level, skip, FRONT, front)?;
            (host.cursor, host.more) = loaded;
            claimed.extend(host.front.iter().map(Entry::seq));
        }
        Ok(())
    }

    /// Hands a request to a worker, and counts it against its host's limits.
    fn send(&mut self, id: u32, task: Task) {
        let state = &mut self.state;
        let Some(host) = state.hosts.get(id) else {
            return;
        };
        let timed = !host.delay().is_zero();
        host.in_flight += 1;
        host.unstarted += usize::from(timed);
        host.next_at = host.next_at.max(Instant::now());
        state.in_flight += 1;
        state.pages_in_flight += u64::from(matches!(task, Task::Page(_)));
        state.hosts.list(id);
        let job = Job {
            host: id,
            task,
            timed,
            until: None,
        };
        // There is a place for each worker's job. Without workers, news of that are under way.
        let _ = self.jobs.try_send(job);
    }

    fn ask_robots(&mut self, id: u32) -> RobotsTask {
        let host = self.state.hosts.get(id);
        // The host was looked at just now.
        let host = host.expect("the host is in memory");
        host.rules = Rules::Asked;
        let address = Address::parse(&format!("{}/robots.txt", host.name));
        RobotsTask {
            of: id,
            address: address.expect("an origin with a path is an address"),
            hops: 0,
            tries: 0,
            waits: 0,
        }
    }
}
