//! What the end of a request means for its page and its host.

use std::time::{Duration, Instant};

use super::Sharer;
use super::batch::{Done, Event, GivenBack, Learned, What};
use super::claim::{Claim, errand};
use super::record;
use crate::address::Address;
use crate::error::CrawlError;
use crate::fate::Fate;
use crate::job::{End, Finished, Job, News, RobotsTask, Task};
use crate::keeper::{Found, Rulings, back_off};
use crate::output::Fetched;
use crate::robots::Robots;
use crate::store::Entry;

/// How long it counts that a robots.txt cannot be had.
const UNREACHABLE: Duration = Duration::from_secs(600);

impl Sharer {
    /// Takes one piece of news from a worker.
    pub(super) fn take(&mut self, news: News) -> Result<(), CrawlError> {
        match news {
            News::Started { host, at, .. } => {
                if let Some(claim) = self.claims.get(&host) {
                    let claim = claim.number;
                    self.event(claim, What::Started(at));
                }
            }
            News::Finished(finished) => self.finished(*finished),
            News::Late(job) => self.late(&job),
            News::Lost(job) => self.finished(Finished::lost(job)),
            News::Gone(why) => {
                self.workers = self.workers.saturating_sub(1);
                if self.workers == 0 {
                    return Err(CrawlError::NoWorkers(why));
                }
                self.missing = Some(why);
            }
            News::Committed(_) => unreachable!("a shared crawl has no committer"),
            News::Stop => self.stopping = true,
        }
        Ok(())
    }

    /// Gives back what was not begun while it was this process's for sure.
    fn late(&mut self, job: &Job) {
        self.busy -= 1;
        if let Some(claim) = self.claims.remove(&job.host) {
            self.event(claim.number, What::Unused);
            self.given_back.push(GivenBack {
                claim: claim.number,
                pause: Duration::ZERO,
                payload: String::new(),
                record: String::new(),
            });
        }
    }

    pub(super) fn event(&mut self, claim: u64, what: What) {
        self.events.push(Event { claim, what });
    }

    fn finished(&mut self, finished: Finished) {
        let Finished {
            job: Job { host, task, .. },
            end,
            links,
            row,
            bytes,
            ..
        } = finished;
        self.busy -= 1;
        self.requests += 1;
        // A claim of a session that was lost is others'.
        let Some(claim) = self.claims.remove(&host) else {
            return;
        };
        self.batch.touch(Instant::now());
        self.batch.count("requests", 1);
        self.batch.count("bytes", bytes);
        match task {
            Task::Page(entry) => {
                self.batch.bytes += row.as_ref().map_or(0, |_| bytes as usize);
                self.page_ended(claim.number, entry, end, links, row);
            }
            Task::Robots(task) => {
                self.batch.count("robots_requests", 1);
                self.robots_ended(claim, task, end);
            }
        }
    }

    fn page_ended(
        &mut self,
        claim: u64,
        mut entry: Entry,
        end: End,
        links: Vec<Address>,
        row: Option<Fetched>,
    ) {
        let again = end.again();
        let again = again.is_sent(&mut entry.tries, &mut entry.waits, self.settings.retries);
        self.event(claim, what(&end, again));
        if again {
            let pause = back_off(self.settings.pause, entry.tries, &mut self.random);
            self.given_back.push(GivenBack {
                claim,
                pause,
                payload: String::new(),
                record: record::waits(&entry),
            });
            return;
        }
        let (fate, status, cause) = end.fate();
        if let Some(mut row) = row {
            row.fate = fate.name();
            row.cause = (fate == Fate::Failed).then(|| cause.clone());
            self.batch.rows.push(row);
        }
        if let End::Moved { to: Ok(to), .. } = end {
            self.batch.count("redirects", 1);
            if self.scope.is_seed(&entry.address) {
                self.widen_by(&to);
                self.batch.scope.push(to.clone());
            }
            self.batch.found.push(Found {
                address: to,
                parent: Some(entry.address.clone()),
                depth: entry.depth,
                hops: entry.hops.saturating_add(1),
            });
        }
        let found = links.into_iter().map(|address| Found {
            address,
            parent: Some(entry.address.clone()),
            depth: entry.depth + 1,
            hops: 0,
        });
        for found in found {
            if self.recent.is_new(&found.address) {
                self.batch.found.push(found);
            }
        }
        self.settle(claim, &entry, fate, status, &cause);
    }

    /// Gives an entry its fate.
    pub(super) fn settle(
        &mut self,
        claim: u64,
        entry: &Entry,
        fate: Fate,
        status: u16,
        cause: &str,
    ) {
        self.batch.touch(Instant::now());
        if fate == Fate::Failed {
            let kind = cause.split(':').next().unwrap_or_default();
            *self.batch.causes.entry(record::line(kind)).or_default() += 1;
        }
        self.batch.done.push(Done {
            claim,
            address: entry.address.clone(),
            fate,
            depth: entry.depth,
            record: record::write(&entry.record(fate, status, cause)),
        });
    }

    /// Takes the end of a request for robots.txt.
    fn robots_ended(&mut self, claim: Claim, mut task: RobotsTask, end: End) {
        let Claim { number, of } = claim;
        let again = end.again();
        let again = again.is_sent(&mut task.tries, &mut task.waits, self.settings.retries);
        let told = match what(&end, true) {
            What::Unreachable => What::Ended,
            told => told,
        };
        self.event(number, told);
        let (pause, payload) = match again {
            true => {
                let pause = back_off(self.settings.pause, task.tries, &mut self.random);
                (pause, errand(&of, &task))
            }
            false => match end.rules(task.hops, &self.settings.user_agent, false) {
                Rulings::Elsewhere(address) => {
                    let task = RobotsTask {
                        address,
                        hops: task.hops + 1,
                        tries: 0,
                        waits: 0,
                        ..task
                    };
                    (Duration::ZERO, errand(&of, &task))
                }
                Rulings::Are { robots, lasts } => return self.learn(number, of, robots, lasts),
            },
        };
        self.given_back.push(GivenBack {
            claim: number,
            pause,
            payload,
            record: String::new(),
        });
    }

    /// Takes the rules of a host, and the sitemaps that they name.
    fn learn(&mut self, claim: u64, origin: String, robots: Robots, lasts: bool) {
        let file = Address::parse(&format!("{origin}/robots.txt"));
        if let (true, Ok(file)) = (self.joined.identity.sitemaps, file) {
            let base = file.url();
            for sitemap in robots.sitemaps() {
                if let Ok((address, _)) = Address::join(&base, sitemap) {
                    self.batch.found.push(Found {
                        address,
                        parent: Some(file.clone()),
                        depth: self.level,
                        hops: 0,
                    });
                }
            }
        }
        self.batch.bytes += robots.to_string().len();
        let lasts = if lasts { Robots::FRESH } else { UNREACHABLE };
        self.batch.rules.push(Learned {
            claim,
            origin,
            robots,
            lasts,
        });
    }
}

/// Returns what the end of a request tells of its host. A page that is asked for `again` is not given up.
fn what(end: &End, again: bool) -> What {
    match end {
        End::Answered {
            status: 429 | 503,
            retry_after,
            ..
        } => What::SlowDown(*retry_after),
        End::Answered { status: 500.., .. } => What::Ended,
        End::Answered { .. } | End::Moved { .. } => What::AnsweredWell,
        End::Failed {
            unreachable: true, ..
        } if !again => What::Unreachable,
        End::Failed { .. } => What::Ended,
    }
}
