//! The hosts in memory, and the heap of those that are ready or have a time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use super::host::{Host, LONGEST_WAIT, Rules};
use crate::robots::Robots;
use crate::store::Store;

/// Hosts in memory, at most, unless more are needed for what is in flight.
const MOST: usize = 4096;

/// Hosts that may leave soon leave together.
const TOGETHER: Duration = Duration::from_millis(20);

/// Hosts that are loaded at once.
const LOADED: usize = 64;

pub(super) struct Hosts {
    by_id: HashMap<u32, Host>,
    ids: HashMap<String, u32>,
    /// Numbers that no transaction has recorded yet.
    fresh: HashMap<String, u32>,
    next_id: u32,
    heap: BinaryHeap<Reverse<(Instant, u32)>>,
    per_host: usize,
    delay: Duration,
    obey: bool,
    /// Whether hosts that are not in memory may have entries.
    pub(super) hidden: bool,
    /// Where the next look for such hosts begins.
    cursor: u32,
    /// Hosts that may have nothing more to do.
    resting: Vec<u32>,
    /// When the first of those that only wait for their next request's time may leave.
    leaves_at: Option<Instant>,
}

impl Hosts {
    pub(super) fn new(settings: &crate::Settings, obey: bool, next_id: u32) -> Hosts {
        Hosts {
            by_id: HashMap::new(),
            ids: HashMap::new(),
            fresh: HashMap::new(),
            next_id,
            heap: BinaryHeap::new(),
            per_host: settings.per_host.max(1),
            delay: settings.delay,
            obey,
            hidden: true,
            cursor: 0,
            resting: Vec::new(),
            leaves_at: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.by_id.len() < MOST
    }

    /// Whether there is room for another host, once those that have nothing more to do have left.
    pub(super) fn makes_room(&mut self, now: Instant) -> bool {
        if !self.has_room() && self.leaves_at.is_some_and(|at| at <= now) {
            self.give_back(now);
        }
        self.has_room()
    }

    /// Returns when there may be room for hosts that are not in memory, if they wait for that.
    pub(super) fn next_room(&self) -> Option<Instant> {
        self.leaves_at.filter(|_| self.hidden && !self.has_room())
    }

    pub(super) fn get(&mut self, id: u32) -> Option<&mut Host> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.by_id.keys().copied()
    }

    /// Returns the number of a host, which gets one if it has none. `look_up` finds it in the store.
    pub(super) fn id(
        &mut self,
        name: &str,
        look_up: impl FnOnce(&str) -> Result<Option<u32>, redb::Error>,
    ) -> Result<u32, redb::Error> {
        if let Some(id) = self.ids.get(name).or_else(|| self.fresh.get(name)) {
            return Ok(*id);
        }
        if let Some(id) = look_up(name)? {
            return Ok(id);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.fresh.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Returns the numbers that a transaction has to record, and the next one.
    pub(super) fn fresh(&self) -> (Vec<(String, u32)>, u32) {
        let fresh = self.fresh.iter();
        let fresh = fresh.map(|(name, id)| (name.clone(), *id));
        (fresh.collect(), self.next_id)
    }

    /// Notes that these are recorded.
    pub(super) fn recorded(&mut self, hosts: &[(String, u32)]) {
        for (name, _) in hosts {
            self.fresh.remove(name);
        }
    }

    /// Takes a host into memory, with what is known of it from earlier.
    pub(super) fn wake(
        &mut self,
        id: u32,
        name: &str,
        store: &mut Store,
    ) -> Result<(), redb::Error> {
        if self.by_id.contains_key(&id) {
            return Ok(());
        }
        let now = Instant::now();
        let mut host = Host::new(name.to_owned(), self.delay, now);
        let state = store.host_state(id)?;
        let wall = unix_millis();
        host.slowed = Duration::from_millis(state.slowed);
        // A clock that was set back may not stop a host for years.
        let wait = Duration::from_millis(state.next_at.saturating_sub(wall));
        host.next_at = now + wait.min(LONGEST_WAIT);
        let fresh = state.robots_at + Robots::FRESH.as_secs();
        let fresh = Duration::from_secs(fresh.saturating_sub(wall / 1000)).min(Robots::FRESH);
        if !self.obey {
            host.rules = Rules::Known(Robots::of_answer(404, b"", ""));
        } else if !fresh.is_zero() {
            host.learn(Robots::stored(&state.robots), now + fresh);
        } else if state.robots_at > 0 {
            host.recall(Robots::stored(&state.robots));
        }
        self.ids.insert(name.to_owned(), id);
        self.by_id.insert(id, host);
        self.list(id);
        Ok(())
    }

    /// Takes hosts with entries up to a level into memory, some at a time. Returns whether there was one.
    pub(super) fn wake_hidden(
        &mut self,
        level: u32,
        store: &mut Store,
    ) -> Result<bool, redb::Error> {
        let mut found = 0;
        while self.hidden && found < LOADED && self.has_room() {
            let known = &self.by_id;
            match store.next_host(self.cursor, level, |id| known.contains_key(&id))? {
                Some((id, name)) => {
                    self.cursor = id + 1;
                    found += 1;
                    self.wake(id, &name, store)?;
                }
                None if self.cursor == 0 => self.hidden = false,
                None => self.cursor = 0,
            }
        }
        Ok(found > 0)
    }

    /// Puts a host into the heap by the time at which it is ready, or notes that it rests.
    pub(super) fn list(&mut self, id: u32) {
        let Some(host) = self.by_id.get_mut(&id) else {
            return;
        };
        match host.ready_at(self.per_host) {
            Some(at) if host.listed != Some(at) => {
                host.listed = Some(at);
                self.heap.push(Reverse((at, id)));
            }
            Some(_) => {}
            None => {
                host.listed = None;
                if host.in_flight == 0 {
                    self.resting.push(id);
                    if host.uncommitted == 0 {
                        self.leaves_at = earlier(self.leaves_at, host.next_at);
                    }
                }
            }
        }
    }

    /// Takes the host that has been ready for the longest time.
    pub(super) fn take_ready(&mut self, now: Instant) -> Option<u32> {
        while let Some(Reverse((at, id))) = self.heap.peek().copied() {
            let listed = self.by_id.get(&id).and_then(|host| host.listed);
            if listed == Some(at) && at > now {
                return None;
            }
            self.heap.pop();
            if listed == Some(at) {
                // The host is in memory, for it is listed.
                if let Some(host) = self.by_id.get_mut(&id) {
                    host.listed = None;
                }
                return Some(id);
            }
        }
        None
    }

    /// Returns when the next host is ready.
    pub(super) fn next_ready(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Gives back the hosts that have nothing more to do.
    pub(super) fn give_back(&mut self, now: Instant) {
        let mut later = Vec::new();
        let mut leaves_at = None;
        for id in std::mem::take(&mut self.resting) {
            match self.by_id.get(&id) {
                Some(host) if host.is_idle(now) => {
                    let host = self.by_id.remove(&id);
                    host.map(|host| self.ids.remove(&host.name));
                }
                Some(host) if host.listed.is_none() && host.in_flight == 0 => {
                    later.push(id);
                    // A host that waits for anything else is looked at again at the next commit, or at news of it.
                    if host.next_at > now {
                        leaves_at = earlier(leaves_at, host.next_at);
                    }
                }
                _ => {}
            }
        }
        self.leaves_at = leaves_at.map(|at: Instant| at.max(now + TOGETHER));
        self.resting = later;
        self.resting.sort_unstable();
        self.resting.dedup();
    }
}

fn earlier(first: Option<Instant>, at: Instant) -> Option<Instant> {
    Some(first.map_or(at, |first| first.min(at)))
}

/// Returns the milliseconds since 1970.
pub(super) fn unix_millis() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn times() -> (Instant, Instant) {
        let now = Instant::now();
        (now, now + Duration::from_secs(10))
    }

    /// As many hosts as there is room for, which have nothing to do and may be asked again at `next_at`.
    fn full(uncommitted: usize, next_at: Instant) -> Hosts {
        let mut hosts = Hosts::new(&Settings::default(), false, 0);
        for id in 0..MOST as u32 {
            let mut host = Host::new(format!("http://h{id}"), Duration::ZERO, next_at);
            (host.more, host.uncommitted) = (false, uncommitted);
            hosts.by_id.insert(id, host);
            hosts.list(id);
        }
        hosts
    }

    #[test]
    fn hosts_that_only_wait_for_their_time_make_room_once_it_has_come() {
        let (now, later) = times();
        let mut hosts = full(0, later);
        assert!(!hosts.makes_room(now));
        assert_eq!(hosts.next_room(), Some(later));
        assert!(hosts.makes_room(later));
        assert_eq!((hosts.len(), hosts.next_room()), (0, None));
    }

    #[test]
    fn a_commit_leaves_hosts_whose_time_has_not_come() {
        let (now, later) = times();
        let mut hosts = full(1, later);
        assert_eq!(hosts.next_room(), None);
        hosts
            .by_id
            .values_mut()
            .for_each(|host| host.uncommitted = 0);
        hosts.give_back(now);
        assert_eq!(hosts.next_room(), Some(later));
        assert!(hosts.makes_room(later));
    }
}
