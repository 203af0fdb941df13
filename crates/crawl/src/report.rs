//! How far a crawl is, and what came of it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::fate::Fate;
use crate::shared::SharedReport;
use crate::store::Totals;

/// The counts of a crawl, over all its runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    fates: [u64; Fate::ALL.len()],
    /// Pending addresses that are left out because the crawl has fetched as many pages as it may.
    pub budget: u64,
    /// Redirects among the fetched.
    pub redirects: u64,
    /// Requests that were sent, with those for robots.txt and those that were tried again.
    pub requests: u64,
    /// Requests for robots.txt, and for where its redirects lead.
    pub robots_requests: u64,
    /// Bytes of bodies, decoded.
    pub bytes: u64,
    /// Time of all runs.
    pub elapsed: Duration,
}

impl Counts {
    pub(crate) fn take(&mut self, totals: &Totals) {
        self.fates = totals.fates;
        self.redirects = totals.redirects;
        self.requests = totals.requests;
        self.robots_requests = totals.robots_requests;
        self.bytes = totals.bytes;
        self.elapsed = Duration::from_millis(totals.millis);
    }

    /// Returns how many addresses have this fate.
    pub fn of(&self, fate: Fate) -> u64 {
        match fate {
            Fate::Pending => self.fates[fate as usize] - self.budget,
            fate => self.fates[fate as usize],
        }
    }

    /// Returns how many addresses were discovered: the sum of all fates.
    pub fn discovered(&self) -> u64 {
        self.fates.iter().sum()
    }
}

/// The sum of the fates: discovered = fetched + failed + …
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "discovered {} =", self.discovered())?;
        for fate in [
            Fate::Fetched,
            Fate::Failed,
            Fate::Robots,
            Fate::Scope,
            Fate::Depth,
        ] {
            write!(f, " {fate} {} +", self.of(fate))?;
        }
        let (trap, pending) = (self.of(Fate::Trap), self.of(Fate::Pending));
        write!(
            f,
            " budget {} + trap {trap} + pending {pending}",
            self.budget
        )
    }
}

/// How far a crawl is that runs.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The counts, with what is not committed yet.
    pub counts: Counts,
    /// Requests that are under way.
    pub in_flight: usize,
    /// Hosts in memory: those that are asked, or wait for their turn.
    pub hosts: usize,
}

/// Why a crawl has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is left to fetch.
    Complete,
    /// As many pages are fetched as there may be.
    Budget,
    /// It was stopped, and can go on.
    Stopped,
}

/// What came of a crawl.
#[derive(Clone, Debug)]
pub struct Report {
    /// Why it has ended.
    pub ended: Ended,
    /// The counts of all runs.
    pub counts: Counts,
    /// How often each kind of failure came.
    pub causes: Vec<(String, u64)>,
    /// The folder in which the crawl is kept.
    pub state: PathBuf,
    /// The time of this run.
    pub elapsed: Duration,
    /// Requests of this run.
    pub requests: u64,
    /// Why there were fewer workers than asked for; `None` if there were not.
    pub missing: Option<String>,
    /// What a process of a shared crawl says besides; the counts are those of all processes then.
    pub shared: Option<SharedReport>,
}

impl Report {
    pub(crate) fn new(ended: Ended, totals: &Totals, state: PathBuf) -> Report {
        let mut counts = Counts::default();
        counts.take(totals);
        if ended == Ended::Budget {
            counts.budget = totals.of(Fate::Pending);
        }
        Report {
            ended,
            counts,
            causes: totals.causes.clone().into_iter().collect(),
            state,
            elapsed: Duration::ZERO,
            requests: 0,
            missing: None,
            shared: None,
        }
    }
}
