//! A crawl that several processes share by a Redis server.
//!
//! Redis has the frontier, the records, and what is known of hosts; a process has only what its workers do just now, and
//! its outputs. So the limits of a host hold for all processes together. Each step is one script, by Redis's own clock:
//!
//! - `claim` tells how requests have begun and ended, renews the lease, and takes as many requests as may be sent now.
//! - `acknowledge` records what came of claims, new links, and the lengths of the outputs, all or nothing.
//! - `give_back` lets others have a claim, at once or later.
//! - `join` and `come_back` begin and go on.
//!
//! A session is a process's stay; its lease is renewed with each call. Who calls first after a lease has ended gives the
//! claims of that session back. A claim has a number that never comes again, and is acknowledged only while its session
//! holds it. Outputs are appended and on disk before that, and are cut to the lengths that Redis has whenever a process
//! begins, or has lost its session: so what was not acknowledged is in no output.

mod again;
mod ask;
mod batch;
mod call;
mod claim;
mod commit;
mod explain;
mod finish;
mod folder;
mod frontier;
mod join;
mod link;
mod outputs;
mod record;
mod report;
mod rules;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use switchboard_runtime::{Receiver, Sender};

use self::batch::{Batch, Event, GivenBack};
use self::call::Trouble;
use self::claim::{Arrived, Claim};
pub use self::explain::explain_shared;
pub(crate) use self::folder::FILE as FOLDER_FILE;
pub use self::frontier::Shared;
pub(crate) use self::join::{Joined, join};
use self::link::Link;
pub use self::report::{SharedReport, Uncut};
use self::rules::Rules;
use crate::error::CrawlError;
use crate::fate::Fate;
use crate::job::{Job, News, next_news};
use crate::keeper::Found;
use crate::output::{About, Outputs};
use crate::recent::Recent;
use crate::report::{Ended, Progress, Report};
use crate::scope::Scope;
use crate::settings::Settings;
use crate::store::Totals;
use crate::traps::{Limits, Traps};

/// The longest time between two looks for something to do, while other processes have all there is.
const POLL: Duration = Duration::from_millis(50);

/// How often progress is noted while nothing happens.
const TICK: Duration = Duration::from_secs(1);

/// The keeper of a process in a shared crawl.
pub(crate) struct Sharer {
    settings: Arc<Settings>,
    shared: Shared,
    joined: Joined,
    scope: Scope,
    /// How many additions to the scope are known.
    widened: u64,
    traps: Traps,
    outputs: Outputs,
    about: About,
    jobs: Sender<Job>,
    news: Receiver<News>,
    progress: Arc<Mutex<Progress>>,
    link: Option<Link>,
    /// How many connections were tried: what an earlier one has still to deliver is refused.
    links: u64,
    /// The run of the server to which the last connection led.
    run: String,
    /// Jobs that workers have, by their numbers; those of a lost session are not among them.
    claims: HashMap<u32, Claim>,
    next_job: u32,
    recent: Recent,
    /// The level that is claimed from.
    level: u32,
    /// Workers that have a job.
    busy: usize,
    /// What was claimed and is not handed out yet.
    arrived: Vec<Arrived>,
    events: Vec<Event>,
    given_back: Vec<GivenBack>,
    batch: Batch,
    /// The batch that is being committed.
    sealed: Batch,
    /// The last batch that is known to be acknowledged.
    batches: u64,
    rules: Rules,
    /// The counts of all processes.
    totals: Totals,
    /// Hosts, pages that somebody has claimed.
    counts: (usize, u64),
    /// Rows and pages of this process, and its requests in this run.
    rows: u64,
    requests: u64,
    workers: usize,
    stopping: bool,
    random: fastrand::Rng,
    /// When the last call began that renewed the lease, and when the next claim is due.
    renewed: Instant,
    claim_at: Instant,
    /// Whether the last claim got less than it wanted.
    hungry: bool,
    /// Whether the totals are older than the last commit.
    stale: bool,
    committed: (Instant, Duration),
    missing: Option<String>,
}

impl Sharer {
    /// Makes the keeper of a process that has joined.
    pub(crate) fn new(
        settings: Arc<Settings>,
        joined: Joined,
        scope: Scope,
        outputs: (Outputs, About),
        channels: (Sender<Job>, Receiver<News>),
        progress: Arc<Mutex<Progress>>,
        workers: usize,
    ) -> Sharer {
        let now = Instant::now();
        // Only a crawl that is shared has joined.
        let shared = settings.shared.clone().expect("the crawl is shared");
        Sharer {
            shared,
            scope,
            widened: 0,
            traps: Traps::new(Limits::default()),
            outputs: outputs.0,
            about: outputs.1,
            jobs: channels.0,
            news: channels.1,
            progress,
            link: None,
            links: 0,
            run: String::new(),
            claims: HashMap::new(),
            next_job: 0,
            recent: Recent::new(),
            level: 0,
            busy: 0,
            arrived: Vec::new(),
            events: Vec::new(),
            given_back: Vec::new(),
            batch: Batch::default(),
            sealed: Batch::default(),
            batches: 0,
            rules: Rules::default(),
            totals: Totals::default(),
            counts: (0, 0),
            rows: joined.rows,
            requests: 0,
            workers,
            stopping: false,
            random: fastrand::Rng::new(),
            renewed: joined.at,
            claim_at: now,
            hungry: false,
            stale: true,
            committed: (now, Duration::ZERO),
            missing: None,
            joined,
            settings,
        }
    }

    /// Crawls until nothing is left for any process, the budget is used up, or it is stopped.
    pub(crate) async fn run(&mut self) -> Result<Report, CrawlError> {
        loop {
            self.plant();
            match self.crawl().await {
                Ok(ended) => return self.report(ended).await,
                Err(Trouble::Ends(error)) => return Err(error),
                Err(Trouble::Lost) => self.join_again().await?,
            }
        }
    }

    /// Lets the workers that wait for a job end.
    pub(crate) fn close(&self) {
        self.jobs.close();
    }

    async fn crawl(&mut self) -> Result<Ended, Trouble> {
        loop {
            if self.is_claim_due(Instant::now()) {
                self.claim().await?;
            }
            self.note_progress();
            if self.is_due(Instant::now()) {
                self.commit().await?;
                continue;
            }
            if self.busy == 0 && self.is_settled() {
                if self.stopping {
                    return Ok(Ended::Stopped);
                }
                if self.totals.of(Fate::Pending) == 0 {
                    return Ok(Ended::Complete);
                }
                let most = self.settings.pages;
                if most.is_some_and(|most| self.totals.of(Fate::Fetched) >= most) {
                    return Ok(Ended::Budget);
                }
            }
            self.wait().await?;
        }
    }

    /// Whether Redis knows all that this process does.
    fn is_settled(&self) -> bool {
        let told = self.events.is_empty() && self.given_back.is_empty();
        told && self.batch.is_empty() && !self.stale
    }

    /// Puts the seeds into the first batch of a session: who has brought them before may have lost some. Those that are
    /// known are left out at the commit.
    fn plant(&mut self) {
        let seeds = self.joined.seeds.iter().map(|seed| Found {
            address: seed.clone(),
            parent: None,
            depth: 0,
            hops: 0,
        });
        self.batch.found.extend(seeds);
        self.batch.touch(Instant::now());
    }

    /// Returns how many requests could be sent besides those under way.
    fn wanted(&self) -> usize {
        match self.stopping || self.batch.is_full(self.workers) {
            true => 0,
            false => self.workers.saturating_sub(self.busy),
        }
    }

    fn is_claim_due(&self, now: Instant) -> bool {
        !self.events.is_empty()
            || !self.given_back.is_empty()
            || (self.stale && self.batch.is_empty())
            || (self.wanted() > 0 && self.claim_at <= now)
            || now >= self.renewed + self.shared.lease / 3
    }

    /// Returns from when on a batch is committed because somebody may wait for its links. Commits may not take more
    /// than a part of the time.
    fn hungry_from(&self) -> Option<Instant> {
        let queued = self.totals.of(Fate::Pending).saturating_sub(self.counts.1);
        let links = !self.batch.found.is_empty() && queued == 0;
        let (at, took) = self.committed;
        let hungry = self.hungry && (links || !self.batch.rules.is_empty());
        (hungry || self.joined.discovered == 0).then(|| at + took * 4)
    }

    /// Whether the batch has to be committed now.
    fn is_due(&self, now: Instant) -> bool {
        if self.batch.is_empty() {
            return false;
        }
        self.batch.is_full(self.workers)
            || (self.busy == 0 && (self.hungry || self.stopping))
            || self.batch.due().is_some_and(|due| due <= now)
            || self.hungry_from().is_some_and(|from| from <= now)
    }

    /// Waits for news, or until something is due; takes all news that there are.
    async fn wait(&mut self) -> Result<(), Trouble> {
        let now = Instant::now();
        let mut until = (now + TICK).min(self.renewed + self.shared.lease / 3);
        let claim = (self.wanted() > 0).then_some(self.claim_at);
        for at in [claim, self.batch.due(), self.hungry_from()] {
            until = at.map_or(until, |at| until.min(at));
        }
        self.wait_until(until).await
    }

    /// Takes the news that come until then, or at once if there are some.
    async fn wait_until(&mut self, until: Instant) -> Result<(), Trouble> {
        let Some(first) = next_news(&self.news, until).await else {
            return Ok(());
        };
        self.take(first)?;
        while let Ok(news) = self.news.try_recv() {
            self.take(news)?;
        }
        Ok(())
    }

    fn note_progress(&self) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.counts.take(&self.totals);
        progress.in_flight = self.busy;
        progress.hosts = self.counts.0;
    }

    /// Returns the line that tells how to go on with this process.
    fn advice(&self) -> String {
        let folder = self.settings.state.display();
        format!(
            "go on with --resume --redis {} --state {folder}",
            self.shared.url
        )
    }
}
