//! The keeper: one thread that keeps all books of a crawl.
//!
//! It gives each worker one request at a time, so that the limits of a host hold for whatever is sent to it: pages,
//! robots.txt, redirects, what is tried again. What the workers report goes into a batch, which the committer, a thread
//! of its own, writes; links are followed only once the batch that has them is committed. One commit is under way at most.

mod again;
mod batch;
mod commit;
mod committer;
mod dispatch;
mod finder;
mod finish;
mod host;
mod hosts;
mod judge;
mod robots;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use switchboard_runtime::{self as runtime, Receiver, Sender};

use self::batch::Batch;
pub(crate) use self::batch::Found;
pub(crate) use self::commit::Changes;
pub(crate) use self::committer::Committer;
pub(crate) use self::host::back_off;
use self::hosts::Hosts;
pub(crate) use self::judge::{Judge, Rulings};
use crate::address::Address;
use crate::error::CrawlError;
use crate::fate::Fate;
use crate::job::{Job, News, next_news};
use crate::recent::Recent;
use crate::report::{Ended, Progress};
use crate::scope::Scope;
use crate::settings::Settings;
use crate::store::{Identity, Store, Totals};
use crate::traps::Traps;

/// How often progress is noted while nothing happens.
const TICK: Duration = Duration::from_secs(1);

/// With so many requests in flight, and while several pieces of news come in `BUNCH`, the keeper looks for news after that
/// time before it waits to be woken: a wake-up for each costs both threads more than the piece itself. A worker may wait
/// about so much longer for its next job.
const MANY: usize = 256;
const BUNCH: Duration = Duration::from_micros(200);

pub(crate) struct Keeper {
    pub(crate) settings: Arc<Settings>,
    pub(crate) identity: Identity,
    pub(crate) seeds: Vec<Address>,
    pub(crate) store: Store,
    pub(crate) committer: Committer,
    pub(crate) scope: Scope,
    pub(crate) traps: Traps,
    pub(crate) totals: Totals,
    pub(crate) jobs: Sender<Job>,
    pub(crate) news: Receiver<News>,
    pub(crate) progress: Arc<Mutex<Progress>>,
    pub(crate) state: State,
}

/// What the keeper knows while it runs.
pub(crate) struct State {
    hosts: Hosts,
    batch: Batch,
    recent: Recent,
    /// Entries that are in memory, and those of the batch: the store has them in its queue.
    claimed: HashSet<u64>,
    /// The deepest level that is dispatched.
    level: u32,
    in_flight: usize,
    /// Whether the last wait has brought more than one piece of news.
    bunched: bool,
    pages_in_flight: u64,
    /// Entries that wait to be tried again.
    waiting: u64,
    workers: usize,
    stopping: bool,
    random: fastrand::Rng,
    started: Instant,
    /// When the commit began that is under way, if one is.
    commit: Option<Instant>,
    /// When the last commit ended, and how long it took.
    committed: (Instant, Duration),
    /// Milliseconds of earlier runs.
    earlier: u64,
    /// Why workers are missing.
    missing: Option<String>,
}

impl State {
    pub(crate) fn new(settings: &Settings, obey: bool, totals: &Totals, workers: usize) -> State {
        let now = Instant::now();
        State {
            hosts: Hosts::new(settings, obey, totals.next_host),
            batch: Batch::default(),
            recent: Recent::new(),
            claimed: HashSet::new(),
            level: 0,
            in_flight: 0,
            bunched: false,
            pages_in_flight: 0,
            waiting: 0,
            workers,
            stopping: false,
            random: fastrand::Rng::new(),
            started: now,
            commit: None,
            committed: (now, Duration::ZERO),
            earlier: totals.millis,
            missing: None,
        }
    }
}

impl Keeper {
    /// Crawls until nothing is left to do, the budget is used up, or it is stopped.
    pub(crate) async fn run(&mut self) -> Result<Ended, CrawlError> {
        if self.totals.discovered() == 0 {
            self.plant();
        }
        loop {
            self.dispatch().map_err(|error| self.broken(&error))?;
            self.note_progress();
            if self.is_due(Instant::now()) {
                self.begin_commit()?;
                continue;
            }
            if self.is_idle() {
                if self.totals.levels.is_empty() {
                    return Ok(Ended::Complete);
                }
                if self.state.stopping {
                    return Ok(Ended::Stopped);
                }
                if !self.has_budget() {
                    return Ok(Ended::Budget);
                }
                if self.go_deeper() {
                    continue;
                }
            }
            self.wait().await?;
        }
    }

    /// Whether nothing is under way, neither a request nor a commit, and nothing waits for one.
    fn is_idle(&self) -> bool {
        let State {
            in_flight,
            batch,
            commit,
            ..
        } = &self.state;
        *in_flight == 0 && batch.is_empty() && commit.is_none()
    }

    /// Puts the seeds into the first batch.
    fn plant(&mut self) {
        let seeds = self.seeds.iter().map(|seed| Found {
            address: seed.clone(),
            parent: None,
            depth: 0,
            hops: 0,
        });
        self.state.batch.found.extend(seeds);
        self.state.batch.touch(Instant::now());
    }

    /// Goes on to the next level, if all of this one is done. Returns whether it did.
    fn go_deeper(&mut self) -> bool {
        let State { hosts, level, .. } = &mut self.state;
        let Some((&next, _)) = self.totals.levels.first_key_value() else {
            return false;
        };
        if next <= *level {
            return false;
        }
        *level = next;
        hosts.hidden = true;
        let ids: Vec<u32> = hosts.ids().collect();
        for id in ids {
            if let Some(host) = hosts.get(id) {
                (host.more, host.cursor) = (true, None);
            }
            hosts.list(id);
        }
        true
    }

    /// Whether another page may be fetched.
    fn has_budget(&self) -> bool {
        let taken = self.totals.of(Fate::Fetched) + self.state.pages_in_flight;
        self.settings.pages.is_none_or(|most| taken < most)
    }

    /// Returns how many entries that may be dispatched are neither in flight nor wait to be tried again.
    fn undispatched(&self) -> u64 {
        let levels = self.totals.levels.range(..=self.state.level);
        let all: u64 = levels.map(|(_, count)| count).sum();
        all.saturating_sub(self.state.pages_in_flight + self.state.waiting)
    }

    /// Whether the batch has to be committed now.
    fn is_due(&self, now: Instant) -> bool {
        let batch = &self.state.batch;
        if batch.is_empty() || self.state.commit.is_some() {
            return false;
        }
        batch.is_full(self.state.workers)
            || self.state.in_flight == 0 && self.undispatched() == 0
            || batch.due().is_some_and(|due| due <= now)
            || self.hungry_from().is_some_and(|from| from <= now)
            || self.state.in_flight == 0 && (self.state.stopping || !self.has_budget())
    }

    /// Returns from when on a batch is committed because there may be nothing but its links to dispatch. Commits may
    /// not take more than half of the time.
    fn hungry_from(&self) -> Option<Instant> {
        let (at, took) = self.state.committed;
        let free = self.state.in_flight < self.state.workers && !self.state.stopping;
        let hungry = free && !self.state.batch.found.is_empty() && self.undispatched() == 0;
        hungry.then(|| at + took)
    }

    /// Waits for news, or until something is due; takes all news that there are.
    async fn wait(&mut self) -> Result<(), CrawlError> {
        let now = Instant::now();
        let mut until = now + TICK;
        let hosts = &self.state.hosts;
        let ready = hosts
            .next_ready()
            .into_iter()
            .chain(hosts.next_room())
            .min();
        let may = self.state.in_flight < self.state.workers
            && !self.state.stopping
            && !self.state.batch.is_full(self.state.workers);
        let ready = ready.filter(|_| may && self.has_budget());
        let due = [self.state.batch.due(), self.hungry_from()];
        // The end of a commit is news.
        let due = due.map(|at| at.filter(|_| self.state.commit.is_none()));
        for at in [ready, due[0], due[1]] {
            until = at.map_or(until, |at| until.min(at));
        }
        let mut first = self.news.try_recv().ok();
        if first.is_none() {
            if self.state.in_flight >= MANY && self.state.bunched {
                runtime::sleep(BUNCH).await;
            }
            first = next_news(&self.news, until).await;
        }
        self.state.bunched = false;
        let Some(first) = first else {
            return Ok(());
        };
        self.take(first)?;
        while !self.state.batch.is_full(self.state.workers)
            && let Ok(news) = self.news.try_recv()
        {
            self.take(news)?;
            self.state.bunched = true;
        }
        Ok(())
    }

    /// Returns why workers are missing, if any are.
    pub(crate) fn into_missing(self) -> Option<String> {
        self.state.missing
    }

    fn note_progress(&self) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.counts.take(&self.totals);
        progress.in_flight = self.state.in_flight;
        progress.hosts = self.state.hosts.len();
    }

    /// Says that the store cannot be read or written.
    fn broken(&self, error: &redb::Error) -> CrawlError {
        CrawlError::broken(self.store.folder(), error)
    }
}
