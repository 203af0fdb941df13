//! How far a crawl is: a line that changes in a terminal, else a line now and then.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use switchboard_crawl::{Fate, Handle, Progress};

use crate::output;

/// Between two looks in a terminal.
const LIVE: Duration = Duration::from_millis(250);

/// Between two lines of a log.
const LOGGED: Duration = Duration::from_secs(10);

/// Shows progress until `end` is closed.
pub(super) fn show(handle: &Handle, pages: Option<u64>, end: &Receiver<()>) {
    let live = io::stderr().is_terminal();
    let pause = if live { LIVE } else { LOGGED };
    let mut last = (Instant::now(), handle.progress());
    let mut rate = None;
    while end.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let now = (Instant::now(), handle.progress());
        let pages_now = fetched(&now.1).saturating_sub(fetched(&last.1));
        let measured = pages_now as f64 / (now.0 - last.0).as_secs_f64();
        // What a terminal shows changes often, so it is smoothed.
        let smooth = |before: f64| {
            if live {
                before * 0.9 + measured * 0.1
            } else {
                measured
            }
        };
        let shown = rate.map_or(measured, smooth);
        rate = Some(shown);
        let line = Line {
            progress: &now.1,
            rate: shown,
            pages,
        };
        match live {
            true => {
                let _ = write!(io::stderr(), "\r\x1b[K{line}");
            }
            false => output::remark(&line),
        }
        last = now;
    }
    if live {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

fn fetched(progress: &Progress) -> u64 {
    progress.counts.of(Fate::Fetched)
}

struct Line<'p> {
    progress: &'p Progress,
    /// Pages a second.
    rate: f64,
    pages: Option<u64>,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Progress {
            counts,
            in_flight,
            hosts,
        } = self.progress;
        let (fetched, queue) = (counts.of(Fate::Fetched), counts.of(Fate::Pending));
        let failed = counts.of(Fate::Failed);
        let megabytes = counts.bytes as f64 / 1e6;
        write!(
            f,
            "{fetched} fetched, {:.1} pages/s, {queue} in the queue, {in_flight} under way, {hosts} hosts, \
             {failed} failed, {megabytes:.1} MB",
            self.rate
        )?;
        match self.pages {
            Some(most) if self.rate > 0.0 => {
                let left = most.saturating_sub(fetched) as f64 / self.rate;
                write!(f, ", {left:.0} s to go for {most} pages")
            }
            _ => Ok(()),
        }
    }
}
