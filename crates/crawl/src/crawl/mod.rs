//! A crawl: opened, run, stopped.

mod open;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use switchboard_runtime::{self as runtime, Dispatch, JobError, Model, Receiver, Sender, run_each};

use self::open::{about_of, check_model, open_outputs, open_store, widen};
pub(crate) use self::open::{identity_of, parse_scope, parse_seeds};
use crate::address::Address;
use crate::error::CrawlError;
use crate::job::{Job, News};
use crate::keeper::{Committer, Keeper, State};
use crate::output::{About, Outputs};
use crate::report::{Progress, Report};
use crate::scope::Scope;
use crate::settings::Settings;
use crate::shared::{Joined, Sharer, join};
use crate::store::{Identity, Store, Totals};
use crate::traps::{Limits, Traps};
use crate::worker::{self, Worker};

/// A crawl that is open, and ready to run.
///
/// ```no_run
/// use switchboard_crawl::{Crawl, Settings};
///
/// let settings = Settings {
///     seeds: vec!["http://127.0.0.1:8080/".to_owned()],
///     state: "docs.crawl".into(),
///     resume: true,
///     ..Settings::default()
/// };
/// let report = Crawl::open(settings)?.run()?;
/// println!("{}", report.counts);
/// # Ok::<(), switchboard_crawl::CrawlError>(())
/// ```
pub struct Crawl {
    settings: Arc<Settings>,
    books: Books,
    scope: Scope,
    outputs: Outputs,
    progress: Arc<Mutex<Progress>>,
    news: (Sender<News>, Receiver<News>),
    worker: Arc<Worker>,
    workers: usize,
}

/// Who has the frontier and the records.
enum Books {
    /// A file of this process.
    Own(Box<Own>),
    /// A server that processes share.
    Shared(Box<Joined>, About),
}

impl Books {
    fn identity(&self) -> &Identity {
        match self {
            Books::Own(own) => &own.identity,
            Books::Shared(joined, _) => &joined.identity,
        }
    }
}

/// What the folder of a crawl has.
struct Own {
    identity: Identity,
    seeds: Vec<Address>,
    store: Store,
    traps: Traps,
    totals: Totals,
}

/// The keeper's thread.
type Keeping = thread::JoinHandle<Result<Report, CrawlError>>;

/// Stops a crawl softly, and tells how far it is. Clones stop the same crawl; any thread may.
#[derive(Clone)]
pub struct Handle {
    news: Sender<News>,
    progress: Arc<Mutex<Progress>>,
}

impl Handle {
    /// Has nothing more begun: what is in flight is finished and kept. Returns at once.
    pub fn stop(&self) {
        // A full channel has news enough that the keeper looks; there is room kept for this.
        let _ = self.news.try_send(News::Stop);
    }

    /// Returns how far the crawl is.
    pub fn progress(&self) -> Progress {
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Crawl {
    /// Checks all settings, and opens the folder and the outputs, or makes them. Outputs are cut to what the store knows
    /// of. Blocks on the disk.
    ///
    /// # Errors
    /// [`CrawlError::Settings`], [`CrawlError::Store`] if the folder is another crawl's, is open in another process, or
    /// is none; [`CrawlError::Output`].
    pub fn open(mut settings: Settings) -> Result<Crawl, CrawlError> {
        check_model(settings.model)?;
        let client = worker::client(&settings)?;
        let mut progress = Progress::default();
        let (books, scope, outputs) = match settings.shared {
            None => open_own(&settings, &mut progress)?,
            Some(_) => open_shared(&settings)?,
        };
        // The crawl's own rule counts: a process that resumes or joins it need not name `nofollow` again.
        settings.nofollow = books.identity().nofollow;
        let workers = match settings.model.dispatch() {
            Dispatch::InTurn => 1,
            _ => settings.concurrency.max(1),
        };
        // Room for two pieces of news of each worker's job, one of its end, one of a commit, and stops.
        let news = runtime::channel(workers * 3 + 17);
        let settings = Arc::new(settings);
        let rows = !outputs.is_empty();
        let worker = Worker::new(client, settings.clone(), rows, news.0.clone());
        Ok(Crawl {
            settings,
            books,
            scope,
            outputs,
            progress: Arc::new(Mutex::new(progress)),
            news,
            worker: Arc::new(worker),
            workers,
        })
    }

    /// Returns what stops the crawl and tells how far it is.
    pub fn handle(&self) -> Handle {
        Handle {
            news: self.news.0.clone(),
            progress: self.progress.clone(),
        }
    }

    /// Crawls until nothing is left, the budget is used up, or the crawl is stopped. Blocks this thread, on which the
    /// pages are fetched under a model with a loop; the keeper has a thread of its own.
    ///
    /// # Errors
    /// Those of the disk, and those of the model. What was committed is kept, and the crawl can go on from there.
    pub fn run(self) -> Result<Report, CrawlError> {
        let begin = Instant::now();
        let (jobs, received) = runtime::channel::<Job>(self.workers);
        let worker = self.worker.clone();
        let news = self.news.0.clone();
        let (settings, workers) = (self.settings.clone(), self.workers);
        let keeper = self.keep(jobs)?;
        let fetched = run_each(
            settings.model,
            settings.driver,
            workers,
            workers,
            move |_| worker.clone().run(received.clone()),
            |_, ended: Result<(), JobError>| {
                if let Err(error) = ended {
                    let _ = news.try_send(News::Gone(error.to_string()));
                }
            },
        );
        if fetched.is_err() {
            for _ in 0..workers {
                let _ = news.try_send(News::Gone("the event loop cannot run".to_owned()));
            }
        }
        let kept = keeper
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        fetched.map_err(CrawlError::Model)?;
        let mut report = kept?;
        report.elapsed = begin.elapsed();
        Ok(report)
    }

    /// Starts the keeper. The channel of jobs ends with it.
    fn keep(self, jobs: Sender<Job>) -> Result<Keeping, CrawlError> {
        let (settings, progress, workers) = (self.settings, self.progress, self.workers);
        let (scope, outputs, (told, news)) = (self.scope, self.outputs, self.news);
        let thread = thread::Builder::new().name("crawl-keeper".to_owned());
        let started = match self.books {
            Books::Own(own) => {
                let Own {
                    identity,
                    seeds,
                    store,
                    traps,
                    totals,
                } = *own;
                let state = State::new(&settings, identity.robots, &totals, workers);
                let committer = Committer::start(outputs, store.writer(), told)?;
                let keeper = Keeper {
                    settings,
                    identity,
                    seeds,
                    store,
                    committer,
                    scope,
                    traps,
                    totals,
                    jobs,
                    news,
                    progress,
                    state,
                };
                thread.spawn(move || keep_own(keeper))
            }
            Books::Shared(joined, about) => {
                let (outputs, channels) = ((outputs, about), (jobs, news));
                let sharer = Sharer::new(
                    settings, *joined, scope, outputs, channels, progress, workers,
                );
                thread.spawn(move || keep_shared(sharer))
            }
        };
        started.map_err(|error| CrawlError::NoWorkers(format!("no thread can be started: {error}")))
    }
}

/// Opens the folder of a crawl, or makes it, and its outputs.
fn open_own(
    settings: &Settings,
    progress: &mut Progress,
) -> Result<(Books, Scope, Outputs), CrawlError> {
    let (mut store, identity, totals) = open_store(settings)?;
    let seeds = parse_seeds(&identity.seeds)?;
    let mut scope = parse_scope(&identity, &seeds)?;
    let outputs = open_outputs(settings, &identity, &totals, &mut store)?;
    let widened = widen(&mut scope, &seeds, &mut store);
    let counted = widened.and_then(|()| store.counted());
    let counted = counted.map_err(|error| CrawlError::broken(store.folder(), &error))?;
    let traps = Traps::stored(Limits::default(), counted);
    progress.counts.take(&totals);
    let own = Own {
        identity,
        seeds,
        store,
        traps,
        totals,
    };
    let books = Books::Own(Box::new(own));
    Ok((books, scope, outputs))
}

/// Joins a shared crawl, and opens the outputs of this process.
fn open_shared(settings: &Settings) -> Result<(Books, Scope, Outputs), CrawlError> {
    let about = about_of(settings, settings.robots);
    let (joined, outputs) = join(settings, &about)?;
    let scope = parse_scope(&joined.identity, &joined.seeds)?;
    Ok((Books::Shared(Box::new(joined), about), scope, outputs))
}

/// Runs the keeper of a crawl of its own.
fn keep_own(mut keeper: Keeper) -> Result<Report, CrawlError> {
    let requests = keeper.totals.requests;
    let ended = Model::Blocking.run(keeper.run()).map_err(CrawlError::Model);
    let ended = ended.and_then(|ended| ended);
    // Workers that wait for a job end.
    keeper.jobs.close();
    // A commit that is under way ends before the folder is left; nobody takes news of it any more.
    keeper.news.close();
    keeper.committer.end();
    let ended = ended?;
    let folder = keeper.store.folder().to_owned();
    let mut report = Report::new(ended, &keeper.totals, folder);
    report.requests = report.counts.requests - requests;
    report.missing = keeper.into_missing();
    Ok(report)
}

/// Runs the keeper of a process in a shared crawl.
fn keep_shared(mut sharer: Sharer) -> Result<Report, CrawlError> {
    let report = Model::Blocking.run(sharer.run()).map_err(CrawlError::Model);
    // Workers that wait for a job end.
    sharer.close();
    report.and_then(|report| report)
}
