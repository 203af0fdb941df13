//! A worker: takes a job, sends one request, reads what came, reports.

mod ask;
mod page;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use switchboard_fetch::Client;
use switchboard_runtime::{Receiver, Sender};

pub(crate) use self::ask::client;
use crate::address::Address;
use crate::check::Checked;
use crate::job::{End, Finished, Job, News, Task};
use crate::output::{Answer, Fetched};
use crate::robots::Robots;
use crate::settings::Settings;

/// Bytes of a body, decoded, that a check reads of what has no links for it.
const ENOUGH: usize = 64 << 10;

/// What all workers share.
pub(crate) struct Worker {
    client: Client,
    settings: Arc<Settings>,
    /// Whether rows are wanted, with bodies.
    rows: bool,
    news: Sender<News>,
}

/// A job that is told to be lost if its worker ends before it has reported.
struct Claim<'w> {
    job: Option<Job>,
    news: &'w Sender<News>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            // There is room: the channel has a place for each report.
            let _ = self.news.try_send(News::Lost(job));
        }
    }
}

impl Worker {
    /// Makes what all workers share, which report to `news`, with rows if those are wanted.
    pub(crate) fn new(
        client: Client,
        settings: Arc<Settings>,
        rows: bool,
        news: Sender<News>,
    ) -> Worker {
        Worker {
            client,
            settings,
            rows,
            news,
        }
    }

    /// Works until the keeper has no more jobs.
    pub(crate) async fn run(self: Arc<Self>, jobs: Receiver<Job>) {
        while let Ok(job) = jobs.recv().await {
            let mut claim = Claim {
                job: Some(job),
                news: &self.news,
            };
            let Some(job) = claim.job.as_mut() else {
                return;
            };
            if job.until.is_some_and(|until| Instant::now() >= until) {
                let late = claim.job.take().map(News::Late);
                // There is room: the channel has a place for each report.
                late.map(|late| self.news.try_send(late));
                continue;
            }
            let (end, page) = self.ask(job).await;
            let Some(job) = claim.job.take() else { return };
            let finished = Finished {
                job,
                end,
                links: page.links,
                row: page.row,
                checked: page.checked,
                bytes: page.bytes,
            };
            if self
                .news
                .send(News::Finished(Box::new(finished)))
                .await
                .is_err()
            {
                return;
            }
        }
    }

    async fn ask(&self, job: &mut Job) -> (End, Page) {
        let watch = job.timed.then(|| Watch::new(job.host, self.news.clone()));
        let task = &job.task;
        let is_check = self.settings.check.is_some();
        let limit = |answer: &Answer| match task {
            Task::Page(entry) if is_check && !page::is_read(entry, answer) => ENOUGH,
            Task::Page(_) => self.settings.max_size,
            Task::Robots(_) => Robots::MAX_BYTES + 1,
        };
        let started = (SystemTime::now(), Instant::now());
        let asked = self.request(task.address(), limit, watch.clone()).await;
        job.timed = watch.is_some_and(|watch| !watch.was_sent());
        // A link to what is long is not broken.
        let may_be_cut = is_check || matches!(task, Task::Robots(_));
        let (mut end, mut page) = (asked.end(task.address(), may_be_cut), Page::default());
        let bytes = asked.body().len() as u64;
        page.bytes = bytes;
        match (task, &mut end) {
            (Task::Robots(_), End::Answered { text, .. }) => *text = Some(asked.body().into()),
            (
                Task::Page(entry),
                End::Answered {
                    status: 200..=299, ..
                },
            ) => {
                let read = || page::read(entry, &asked, &self.settings);
                // A page that no reader of ours stands is one page, and not the end of its worker.
                match catch_unwind(AssertUnwindSafe(read)) {
                    Ok(read) => page = Page { bytes, ..read },
                    Err(_) => end = failed("panic: its links cannot be read"),
                }
            }
            (Task::Page(entry), End::Moved { .. }) if is_check => {
                page.checked = page::moved(asked.fragment(&entry.address));
            }
            _ => {}
        }
        if let (Task::Page(entry), true) = (task, self.rows) {
            page.row = Some(asked.row(entry, started, &page));
        }
        (end, page)
    }
}

/// Tells the keeper when the request of a job is sent.
#[derive(Clone)]
struct Watch {
    host: u32,
    news: Sender<News>,
    sent: Arc<AtomicBool>,
}

impl Watch {
    fn new(host: u32, news: Sender<News>) -> Watch {
        Watch {
            host,
            news,
            sent: Arc::default(),
        }
    }

    /// Tells that the request is about to be sent, once or again.
    fn send(&self) {
        let started = News::Started {
            host: self.host,
            at: Instant::now(),
            first: !self.sent.swap(true, Ordering::Relaxed),
        };
        // There is room: the channel has a place for each report.
        let _ = self.news.try_send(started);
    }

    fn was_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }
}

/// What a page has.
#[derive(Default)]
struct Page {
    links: Vec<Address>,
    title: String,
    /// Links, before each is taken once.
    found: u32,
    row: Option<Fetched>,
    checked: Option<Checked>,
    bytes: u64,
}

fn failed(cause: &str) -> End {
    End::Failed {
        status: 0,
        cause: cause.to_owned(),
        unreachable: false,
        again: false,
    }
}
