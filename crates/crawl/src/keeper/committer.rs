//! The thread that writes commits, so that requests are dispatched and answers are taken while the disk works.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use switchboard_runtime::{Model, Sender};

use super::commit::Changes;
use crate::error::CrawlError;
use crate::failpoint;
use crate::job::News;
use crate::output::Outputs;
use crate::store::Writer;

/// Writes one commit at a time, and tells the keeper of its end.
pub(crate) struct Committer {
    /// `None` once no more commits come.
    commits: Option<SyncSender<Changes>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread, which owns the outputs and tells `news` of each commit.
    ///
    /// # Errors
    /// [`CrawlError::NoWorkers`] if no thread can be started.
    pub(crate) fn start(
        mut outputs: Outputs,
        store: Writer,
        news: Sender<News>,
    ) -> Result<Committer, CrawlError> {
        let (commits, received) = mpsc::sync_channel::<Changes>(1);
        let work = move || {
            for changes in received {
                let write = || write(changes, &mut outputs, &store);
                // The keeper waits for news of each commit, so it is told of a panic too.
                let (written, panic) = match catch_unwind(AssertUnwindSafe(write)) {
                    Ok(written) => (Some(written), None),
                    Err(panic) => (None, Some(panic)),
                };
                // Whoever stops a crawl very often may have filled the channel; this one is not lost.
                let told = news.send(News::Committed(written));
                let _ = Model::Blocking.run(told);
                if let Some(panic) = panic {
                    resume_unwind(panic);
                }
            }
        };
        let thread = thread::Builder::new().name("crawl-commits".to_owned());
        let thread = thread
            .spawn(work)
            .map_err(|error| CrawlError::NoWorkers(format!("no thread can be started: {error}")))?;
        Ok(Committer {
            commits: Some(commits),
            thread: Some(thread),
        })
    }

    /// Has a commit written. The one before has ended.
    pub(super) fn begin(&self, changes: Changes) {
        if let Some(commits) = &self.commits {
            // The thread ends only by a panic, of which there are news.
            let _ = commits.send(changes);
        }
    }

    /// Waits until the commit that is under way has ended, and for the end of the thread.
    pub(crate) fn end(&mut self) {
        self.commits = None;
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            resume_unwind(panic);
        }
    }
}

/// The commit point: rows are appended to the outputs and on the disk, then one transaction records all.
fn write(
    changes: Changes,
    outputs: &mut Outputs,
    store: &Writer,
) -> Result<Box<Changes>, CrawlError> {
    failpoint::hit("before-append");
    outputs.append(&changes.rows).map_err(CrawlError::Output)?;
    failpoint::hit("after-append");
    outputs.sync().map_err(CrawlError::Output)?;
    failpoint::hit("after-sync");
    let written = store.write(|tables| {
        changes.write(tables)?;
        for file in outputs.recorded() {
            tables.put_output(&file.name, file.length)?;
        }
        failpoint::hit("before-commit");
        Ok(())
    });
    written.map_err(|error| store.broken(&error))?;
    failpoint::hit("after-commit");
    Ok(Box::new(changes))
}
