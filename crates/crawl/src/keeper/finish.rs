//! What the end of a request means for its page and its host.

use std::time::{Duration, Instant};

use super::again::Again;
use super::batch::Found;
use super::host::back_off;
use super::hosts::unix_millis;
use super::{Keeper, State};
use crate::address::Address;
use crate::check::Checked;
use crate::error::CrawlError;
use crate::fate::Fate;
use crate::job::{End, Finished, Job, News, Task};
use crate::output::Fetched;
use crate::store::Entry;

/// What a worker found out about a page, besides its end.
struct Page {
    links: Vec<Address>,
    row: Option<Fetched>,
    checked: Option<Checked>,
    bytes: u64,
}

impl Keeper {
    /// Takes one piece of news from a worker.
    pub(super) fn take(&mut self, news: News) -> Result<(), CrawlError> {
        match news {
            News::Started {
                host: id,
                at,
                first,
            } => {
                if let Some(host) = self.state.hosts.get(id) {
                    host.unstarted -= usize::from(first);
                    host.next_at = host.next_at.max(at + host.delay());
                }
                self.state.hosts.list(id);
            }
            News::Finished(finished) => {
                let broken = self.finished(*finished);
                broken.map_err(|error| self.broken(&error))?;
            }
            // Nobody waits for a job of this keeper.
            News::Late(job) | News::Lost(job) => {
                let broken = self.finished(Finished::lost(job));
                broken.map_err(|error| self.broken(&error))?;
            }
            News::Gone(why) => {
                self.state.workers = self.state.workers.saturating_sub(1);
                self.state.missing = Some(why);
                if self.state.workers == 0 {
                    let why = self.state.missing.take().unwrap_or_default();
                    return Err(CrawlError::NoWorkers(why));
                }
            }
            News::Committed(Some(committed)) => {
                let committed = self.committed(&*committed?);
                committed.map_err(|error| self.broken(&error))?;
            }
            // The panic goes on here.
            News::Committed(None) => self.committer.end(),
            News::Stop => self.state.stopping = true,
        }
        Ok(())
    }

    fn finished(&mut self, finished: Finished) -> Result<(), redb::Error> {
        let Finished {
            job,
            end,
            links,
            row,
            checked,
            bytes,
        } = finished;
        let Job {
            host: id,
            task,
            timed,
            ..
        } = job;
        self.state.batch.touch(Instant::now());
        self.state.in_flight -= 1;
        self.totals.requests += 1;
        self.totals.bytes += bytes;
        if let Some(host) = self.state.hosts.get(id) {
            host.in_flight -= 1;
            // No request was sent, but a connection was tried.
            if timed {
                host.unstarted = host.unstarted.saturating_sub(1);
                host.next_at = host.next_at.max(Instant::now() + host.delay());
            }
        }
        match task {
            Task::Page(entry) => {
                self.state.pages_in_flight -= 1;
                let page = Page {
                    links,
                    row,
                    checked,
                    bytes,
                };
                self.page_ended(entry, end, page);
            }
            Task::Robots(task) => {
                self.totals.robots_requests += 1;
                self.robots_ended(id, task, end)?;
            }
        }
        self.state.hosts.list(id);
        Ok(())
    }

    fn page_ended(&mut self, mut entry: Entry, end: End, page: Page) {
        let id = entry.host();
        let again = self.judge(id, &end);
        if again.is_sent(&mut entry.tries, &mut entry.waits, self.settings.retries) {
            self.state.batch.again.push(entry.clone());
            self.state.waiting += 1;
            self.wait_again(id, Task::Page(entry));
            return;
        }
        let (fate, status, cause) = end.fate();
        if let End::Failed {
            unreachable: true, ..
        } = end
            && let Some(host) = self.state.hosts.get(id)
        {
            host.not_reached();
        }
        if let Some(mut row) = page.row {
            self.totals.rows += 1;
            row.seq = self.totals.rows;
            row.fate = fate.name();
            row.cause = (fate == Fate::Failed).then(|| cause.clone());
            self.state.batch.add_row(row, page.bytes as usize);
        }
        if let End::Moved { to: Ok(to), .. } = end {
            self.totals.redirects += 1;
            if self.scope.is_seed(&entry.address) && self.scope.add(&to) {
                self.state.recent.clear();
            }
            self.state.batch.found.push(Found {
                address: to,
                parent: Some(entry.address.clone()),
                depth: entry.depth,
                hops: entry.hops.saturating_add(1),
            });
        }
        let State { batch, recent, .. } = &mut self.state;
        if let Some(checked) = page.checked {
            batch.add_checked(&entry.address, checked);
        }
        for address in page.links {
            if recent.is_new(&address) {
                batch.found.push(Found {
                    address,
                    parent: Some(entry.address.clone()),
                    depth: entry.depth + 1,
                    hops: 0,
                });
            }
        }
        self.settle(entry, fate, status, &cause);
    }

    /// Learns from the end of a request how its host is. Returns whether another try may succeed.
    pub(super) fn judge(&mut self, id: u32, end: &End) -> Again {
        let now = Instant::now();
        let State { hosts, batch, .. } = &mut self.state;
        let Some(host) = hosts.get(id) else {
            return Again::Never;
        };
        match end {
            End::Answered {
                status: 429 | 503,
                retry_after,
                ..
            } => {
                host.slow_down(now, *retry_after);
                let wait = host.next_at.saturating_duration_since(now);
                let slowed = (millis(host.slowed), unix_millis() + millis(wait));
                batch.slowed.insert(id, slowed);
            }
            End::Answered { status: 500.., .. } | End::Failed { .. } => {}
            End::Answered { .. } | End::Moved { .. } => host.answered_well(),
        }
        end.again()
    }

    /// Has a request sent again after a pause.
    pub(super) fn wait_again(&mut self, id: u32, task: Task) {
        let pause = back_off(self.settings.pause, task.tries(), &mut self.state.random);
        if let Some(host) = self.state.hosts.get(id) {
            host.waiting.push((Instant::now() + pause, task));
        }
    }

    /// Gives an entry its fate.
    pub(super) fn settle(&mut self, entry: Entry, fate: Fate, status: u16, cause: &str) {
        self.totals.change(Fate::Pending, fate);
        self.totals.dequeued(entry.level());
        if fate == Fate::Failed {
            self.totals.failed(cause);
        }
        if let Some(host) = self.state.hosts.get(entry.host()) {
            host.uncommitted += 1;
        }
        let record = entry.record(fate, status, cause);
        self.state.batch.touch(Instant::now());
        self.state.batch.done.push((entry, record));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
