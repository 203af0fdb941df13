//! What the keeper and the workers say to each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_runtime::{self as runtime, Receiver};

use crate::address::Address;
use crate::check::Checked;
use crate::error::CrawlError;
use crate::keeper::Changes;
use crate::output::Fetched;
use crate::store::Entry;

/// One request that a worker is to send.
pub(crate) struct Job {
    /// The host whose limits hold for it.
    pub(crate) host: u32,
    pub(crate) task: Task,
    /// The keeper waits for the time at which it is sent; false once it is told.
    pub(crate) timed: bool,
    /// When it may no longer be begun, since others may do it then; `None` if nobody may.
    pub(crate) until: Option<Instant>,
}

/// What a request is for.
#[derive(Debug)]
pub(crate) enum Task {
    Page(Entry),
    Robots(RobotsTask),
}

/// A robots.txt, or what its redirects lead to.
#[derive(Debug)]
pub(crate) struct RobotsTask {
    /// The host that it is for, which is not always the one that is asked.
    pub(crate) of: u32,
    pub(crate) address: Address,
    pub(crate) hops: u8,
    pub(crate) tries: u8,
    /// Of these, those that were answered by a wish to wait.
    pub(crate) waits: u8,
}

impl Task {
    pub(crate) fn address(&self) -> &Address {
        match self {
            Task::Page(entry) => &entry.address,
            Task::Robots(task) => &task.address,
        }
    }

    /// Returns how often it was sent before.
    pub(crate) fn tries(&self) -> u8 {
        match self {
            Task::Page(entry) => entry.tries,
            Task::Robots(task) => task.tries,
        }
    }
}

/// What a worker tells the keeper.
pub(crate) enum News {
    /// The request to a host is about to be sent.
    Started {
        host: u32,
        at: Instant,
        /// It is not sent again because its connection turned out to be closed.
        first: bool,
    },
    Finished(Box<Finished>),
    /// The worker of a job has ended, by a panic.
    Lost(Job),
    /// A job that was not begun in its time.
    Late(Job),
    /// A commit has ended, with what it wrote; `None` if it has panicked.
    Committed(Option<Result<Box<Changes>, CrawlError>>),
    /// A worker ended, or could not be started.
    Gone(String),
    /// Nothing more is to be begun.
    Stop,
}

/// A request that has ended.
pub(crate) struct Finished {
    pub(crate) job: Job,
    pub(crate) end: End,
    /// What the page links to, each once.
    pub(crate) links: Vec<Address>,
    /// The row for the outputs, if there are any. The keeper numbers it.
    pub(crate) row: Option<Fetched>,
    /// What a check keeps of the page.
    pub(crate) checked: Option<Checked>,
    /// Bytes of the body, decoded.
    pub(crate) bytes: u64,
}

impl Finished {
    /// The end of a job whose worker has ended.
    pub(crate) fn lost(job: Job) -> Finished {
        Finished {
            job,
            end: End::Failed {
                status: 0,
                cause: "panic: the worker of this page has ended".to_owned(),
                unreachable: false,
                again: false,
            },
            links: Vec::new(),
            row: None,
            checked: None,
            bytes: 0,
        }
    }
}

/// How a request has ended.
#[derive(Debug)]
pub(crate) enum End {
    /// An answer that leads nowhere else.
    Answered {
        status: u16,
        retry_after: Option<Duration>,
        /// The text of a robots.txt.
        text: Option<Arc<[u8]>>,
    },
    /// A redirect.
    Moved {
        status: u16,
        /// Where to, or why that is nowhere.
        to: Result<Address, String>,
    },
    /// No answer, or not all of it.
    Failed {
        status: u16,
        cause: String,
        /// Whether no connection could be made.
        unreachable: bool,
        /// Whether another try may succeed.
        again: bool,
    },
}

/// Takes the next piece of news, at once if there is one; `None` if none comes until then.
pub(crate) async fn next_news(news: &Receiver<News>, until: Instant) -> Option<News> {
    if let Ok(news) = news.try_recv() {
        return Some(news);
    }
    // An ended channel is no event: whoever takes the news has a sender, too.
    let news = runtime::timeout_at(until, news.recv()).await;
    news.ok().and_then(Result::ok)
}
