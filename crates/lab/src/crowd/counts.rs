//! What is counted of a group.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{Counts, Group};

pub(super) struct Tally {
    latencies: Histogram<u64>,
    pub(super) counts: Counts,
    deadline: Option<Duration>,
    /// When the last answer came.
    last: Option<Instant>,
}

impl Tally {
    pub(super) fn new(group: &Group) -> io::Result<Tally> {
        Ok(Tally {
            latencies: Histogram::new_with_bounds(1, 600_000_000_000, 3)
                .map_err(io::Error::other)?,
            counts: Counts {
                clients: group.clients,
                ..Counts::default()
            },
            deadline: group.deadline,
            last: None,
        })
    }

    fn took(&mut self, due: Instant, now: Instant) {
        let took = now.saturating_duration_since(due);
        self.latencies
            .saturating_record((took.as_nanos() as u64).max(1));
        self.counts.due += 1;
        self.counts.late += u64::from(self.deadline.is_some_and(|deadline| took > deadline));
    }

    pub(super) fn answered(&mut self, due: Instant, now: Instant) {
        self.took(due, now);
        self.counts.answered += 1;
        self.last = Some(now);
    }

    /// Ends a phase that began at `start`, and in which requests were due for `duration`.
    pub(super) fn end(&mut self, start: Instant, duration: Duration) {
        let until_last = self.last.map_or(duration, |last| last - start);
        self.counts.within_s = match self.counts.unanswered {
            0 => duration,
            _ => until_last.max(duration),
        }
        .as_secs_f64();
    }

    pub(super) fn failed(&mut self, error: &io::Error) {
        self.counts.due += 1;
        self.counts.failed += 1;
        self.counts.late += u64::from(self.deadline.is_some());
        self.note(error);
    }

    pub(super) fn note(&mut self, error: &io::Error) {
        self.counts.error.get_or_insert_with(|| error.to_string());
    }

    /// Counts a request that is still not answered: it takes at least until now.
    pub(super) fn unanswered(&mut self, due: Instant, now: Instant) {
        let late = self.counts.late;
        self.took(due, now);
        self.counts.unanswered += 1;
        self.counts.late = late + u64::from(self.deadline.is_some());
    }

    pub(super) fn counts(&self) -> Counts {
        let seconds = |quantile| self.latencies.value_at_quantile(quantile) as f64 / 1e9;
        Counts {
            p50_s: seconds(0.5),
            p99_s: seconds(0.99),
            worst_s: seconds(1.0),
            ..self.counts.clone()
        }
    }
}
