//! One host: what waits for it, and when it may be asked.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::job::{RobotsTask, Task};
use crate::robots::Robots;
use crate::store::{Entry, Key};

/// Entries of a host in memory, at most. The others are in the store.
pub(super) const FRONT: usize = 32;

/// The first and the longest extra time between two requests to a host that asks for fewer.
const SLOWED: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(60));

/// The longest time that a host may ask for by `Retry-After`.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The longest pause before a request is sent again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Good answers after which a host that was slowed down is asked a little faster.
const GOOD: u32 = 8;

/// Pages in a row for which no connection could be made, after which the others are not tried.
const UNREACHABLE: u32 = 5;

/// Rules of a robots.txt up to which it takes no time to look at them, and the time for which more are looked at in one
/// go.
const FEW: usize = 1_000;
const LOOKING: Duration = Duration::from_millis(5);

/// What is known of a host's robots.txt.
pub(super) enum Rules {
    /// It has to be asked for.
    Unasked,
    /// Its request is under way, or waits to be tried again.
    Asked,
    Known(Robots),
}

/// A host that has something in flight, something that waits in memory, or a time to wait for.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) rules: Rules,
    /// When the rules have to be asked for again; `None` if they are not asked for at all.
    stale_at: Option<Instant>,
    /// The rules before, which stay if there is no answer.
    before: Option<Robots>,
    /// The time between two requests that the user or robots.txt asks for.
    delay: Duration,
    /// The time by which it is asked more slowly, since it said so.
    pub(super) slowed: Duration,
    good: u32,
    /// When the next request may be sent.
    pub(super) next_at: Instant,
    pub(super) in_flight: usize,
    /// Of these, requests of which the worker has still to say when it sends them.
    pub(super) unstarted: usize,
    /// Entries in the order of their turns.
    pub(super) front: VecDeque<Entry>,
    /// Where the next load from the store begins.
    pub(super) cursor: Option<Key>,
    /// Whether the store may have entries that are not in memory.
    pub(super) more: bool,
    /// Requests that are tried again, and when.
    pub(super) waiting: Vec<(Instant, Task)>,
    /// Requests for robots.txt, also on behalf of other hosts.
    pub(super) errands: VecDeque<RobotsTask>,
    /// The time by which it is in the heap.
    pub(super) listed: Option<Instant>,
    /// Entries in this host's name that have a fate which is not committed.
    pub(super) uncommitted: usize,
    unreachable: u32,
}

impl Host {
    pub(super) fn new(name: String, delay: Duration, now: Instant) -> Host {
        Host {
            name,
            rules: Rules::Unasked,
            stale_at: None,
            before: None,
            delay,
            slowed: Duration::ZERO,
            good: 0,
            next_at: now,
            in_flight: 0,
            unstarted: 0,
            front: VecDeque::new(),
            cursor: None,
            more: true,
            waiting: Vec::new(),
            errands: VecDeque::new(),
            listed: None,
            uncommitted: 0,
            unreachable: 0,
        }
    }

    /// Returns the time between two requests.
    pub(super) fn delay(&self) -> Duration {
        self.delay + self.slowed
    }

    /// Keeps the rules of a robots.txt, and the time between requests that it asks for, for as long as they count. If there
    /// was no answer, those before go on.
    pub(super) fn learn(&mut self, robots: Robots, stale_at: Instant) {
        let before = self.before.take();
        let robots = match before {
            Some(before) if robots == Robots::unreachable() => before,
            _ => robots,
        };
        self.delay = self.delay.max(robots.delay().unwrap_or_default());
        self.rules = Rules::Known(robots);
        self.stale_at = Some(stale_at);
    }

    /// Takes rules that an earlier run has learned, and that have to be asked for again.
    pub(super) fn recall(&mut self, robots: Robots) {
        self.before = Some(robots);
    }

    /// Forgets rules that have counted for so long that they have to be asked for again.
    pub(super) fn drop_stale(&mut self, now: Instant) {
        if self.stale_at.take_if(|at| *at <= now).is_some()
            && let Rules::Known(rules) = std::mem::replace(&mut self.rules, Rules::Unasked)
        {
            self.before = Some(rules);
        }
    }

    /// Notes that its rules were looked at for a while from `now` on. A host with so many that this takes long waits for
    /// four times as long, so that the keeper has time for others. Returns whether it took long.
    pub(super) fn looked(&mut self, now: Instant, took: Duration) -> bool {
        let many = matches!(&self.rules, Rules::Known(rules) if rules.len() > FEW);
        let is_long = many && took > LOOKING;
        if is_long {
            self.next_at = self.next_at.max(now + took * 5);
        }
        is_long
    }

    /// Returns when the next request may be sent, as far as is known; `None` if nothing waits or the limit is reached.
    pub(super) fn ready_at(&self, limit: usize) -> Option<Instant> {
        if self.in_flight >= limit || (self.unstarted > 0 && !self.delay().is_zero()) {
            return None;
        }
        let pages = match self.rules {
            Rules::Asked => false,
            Rules::Unasked | Rules::Known(_) => !self.front.is_empty() || self.more,
        };
        if !self.errands.is_empty() || (pages && self.waiting.len() < FRONT) {
            return Some(self.next_at);
        }
        let tasks = self.waiting.iter().filter(|(_, task)| self.may_go(task));
        let first = tasks.map(|(at, _)| *at).min();
        first.map(|at| at.max(self.next_at))
    }

    /// Whether a request that is tried again may be sent as far as robots.txt is concerned.
    fn may_go(&self, task: &Task) -> bool {
        match task {
            Task::Robots(_) => true,
            Task::Page(_) => matches!(self.rules, Rules::Known(_)),
        }
    }

    /// Takes a request whose time to be tried again has come.
    pub(super) fn take_waiting(&mut self, now: Instant) -> Option<Task> {
        let due = self
            .waiting
            .iter()
            .position(|(at, task)| *at <= now && self.may_go(task))?;
        Some(self.waiting.swap_remove(due).1)
    }

    /// Whether nothing is known of it that the store has not.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.in_flight == 0
            && self.uncommitted == 0
            && self.front.is_empty()
            && !self.more
            && self.waiting.is_empty()
            && self.errands.is_empty()
            && self.next_at <= now
    }

    /// Asks the host more slowly, since it said that there are too many requests, and not before it wants.
    pub(super) fn slow_down(&mut self, now: Instant, retry_after: Option<Duration>) {
        let (first, longest) = SLOWED;
        self.slowed = (self.slowed * 2)
            .max(first)
            .max(self.delay / 2)
            .min(longest);
        self.good = 0;
        let wait = retry_after.map_or(self.delay(), |wait| wait.min(LONGEST_WAIT));
        self.next_at = self.next_at.max(now + wait);
    }

    /// Asks the host a little faster again once it has answered well for a while.
    pub(super) fn answered_well(&mut self) {
        self.unreachable = 0;
        if self.slowed.is_zero() {
            return;
        }
        self.good += 1;
        if self.good >= GOOD {
            self.good = 0;
            self.slowed = self.slowed * 3 / 4;
            if self.slowed < SLOWED.0 / 4 {
                self.slowed = Duration::ZERO;
            }
        }
    }

    /// Notes that a page was given up because no connection could be made.
    pub(super) fn not_reached(&mut self) {
        self.unreachable += 1;
    }

    /// Whether its pages are no longer tried.
    pub(super) fn is_given_up(&self) -> bool {
        self.unreachable >= UNREACHABLE
    }
}

/// Returns the time before a request is sent again: at random up to a limit, which is `first` before the first time and
/// doubles with each try.
pub(crate) fn back_off(first: Duration, tries: u8, random: &mut fastrand::Rng) -> Duration {
    let doubled = first.saturating_mul(1 << tries.saturating_sub(1).min(10));
    doubled.min(LONGEST_PAUSE).mul_f64(random.f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(delay: Duration, now: Instant) -> Host {
        let mut host = Host::new("http://h".to_owned(), delay, now);
        host.rules = Rules::Known(Robots::of_answer(404, b"", ""));
        host
    }

    #[test]
    fn a_host_that_was_slowed_down_gets_as_fast_as_before() {
        let now = Instant::now();
        let mut host = host(Duration::ZERO, now);
        host.slow_down(now, None);
        host.slow_down(now, Some(Duration::from_secs(3)));
        assert_eq!(host.delay(), SLOWED.0 * 2);
        assert_eq!(host.next_at, now + Duration::from_secs(3));
        // A server may not stop a crawl for days.
        host.slow_down(now, Some(Duration::from_secs(1_000_000)));
        assert_eq!(host.next_at, now + LONGEST_WAIT);
        let mut answers = 0;
        while !host.delay().is_zero() {
            host.answered_well();
            answers += 1;
        }
        // Slowly: by a quarter for each eight answers.
        assert!((64..=128).contains(&answers), "{answers}");
    }

    #[test]
    fn a_host_whose_rules_take_long_to_look_at_waits_for_others() {
        let now = Instant::now();
        let took = Duration::from_millis(80);
        let of = |rules: usize| {
            let rules: String = (0..rules)
                .map(|it| format!("Disallow: /*{it}x\n"))
                .collect();
            let text = format!("User-agent: *\n{rules}");
            let mut host = host(Duration::ZERO, now);
            host.learn(Robots::of_answer(200, text.as_bytes(), "x"), now);
            host
        };
        let mut host = of(FEW + 1);
        assert!(!host.looked(now, LOOKING));
        assert_eq!(host.next_at, now);
        assert!(host.looked(now, took));
        assert_eq!(host.next_at, now + took * 5);
        // With few rules it was another program that took the time.
        assert!(!of(FEW).looked(now, took));
    }

    #[test]
    fn rules_are_asked_for_again_after_their_time_and_stay_without_an_answer() {
        let now = Instant::now();
        let mut host = host(Duration::ZERO, now);
        host.drop_stale(now + Robots::FRESH * 2);
        assert!(
            matches!(host.rules, Rules::Known(_)),
            "they are not asked for"
        );
        let robots = Robots::of_answer(200, b"User-agent: *\nDisallow: /a", "x");
        let stale_at = now + Robots::FRESH;
        host.learn(robots, stale_at);
        host.drop_stale(stale_at - Duration::from_millis(1));
        assert!(matches!(host.rules, Rules::Known(_)));
        host.drop_stale(stale_at);
        assert!(matches!(host.rules, Rules::Unasked));
        host.rules = Rules::Asked;
        host.learn(Robots::unreachable(), stale_at + Robots::FRESH);
        let allows = |host: &Host, path| match &host.rules {
            Rules::Known(rules) => rules.allows(path),
            _ => panic!("the rules before are known"),
        };
        assert!(allows(&host, "/b") && !allows(&host, "/a"));
        host.drop_stale(stale_at + Robots::FRESH);
        host.learn(
            Robots::of_answer(404, b"", ""),
            stale_at + Robots::FRESH * 2,
        );
        assert!(allows(&host, "/a"));
    }

    #[test]
    fn rules_of_an_earlier_run_are_asked_for_and_stay_without_an_answer() {
        let now = Instant::now();
        let recalled = || {
            let mut host = Host::new("http://h".to_owned(), Duration::ZERO, now);
            let text = b"User-agent: *\nDisallow: /a\nCrawl-delay: 2";
            host.recall(Robots::of_answer(200, text, "x"));
            assert!(matches!(host.rules, Rules::Unasked));
            host
        };
        let mut host = recalled();
        host.learn(Robots::unreachable(), now + Robots::FRESH);
        let Rules::Known(rules) = &host.rules else {
            panic!("the rules before are known");
        };
        assert!(rules.allows("/b") && !rules.allows("/a"));
        assert_eq!(host.delay(), Duration::from_secs(2));
        // New rules take the place of all that the old ones said.
        let mut host = recalled();
        host.learn(Robots::of_answer(200, b"", "x"), now + Robots::FRESH);
        assert_eq!(host.delay(), Duration::ZERO);
    }

    #[test]
    fn a_host_is_ready_by_its_limits() {
        let now = Instant::now();
        let mut host = host(Duration::from_secs(1), now);
        assert_eq!(host.ready_at(2), Some(now), "the store may have entries");
        (host.in_flight, host.unstarted) = (1, 1);
        assert_eq!(
            host.ready_at(2),
            None,
            "it is not known when the request is sent"
        );
        (host.unstarted, host.next_at) = (0, now + Duration::from_secs(1));
        assert_eq!(host.ready_at(2), Some(host.next_at));
        host.in_flight = 2;
        assert_eq!(host.ready_at(2), None);
        (host.in_flight, host.more) = (0, false);
        assert_eq!(host.ready_at(2), None, "nothing waits");
        assert!(!host.is_idle(now), "there is a time to wait for");
        assert!(host.is_idle(host.next_at));
    }
}
