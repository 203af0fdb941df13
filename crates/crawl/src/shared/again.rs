//! A process joins again, after it has lost its session.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use switchboard_redis::warn;

use super::Sharer;
use super::ask::{Ask, Refusal};
use super::call::stopped;
use super::folder::Member;
use super::join::number;
use crate::error::CrawlError;
use crate::output::Outputs;
use crate::recent::Recent;
use crate::traps::{Limits, Traps};

/// The time between two tries to join again.
const PAUSE: Duration = Duration::from_millis(500);

impl Sharer {
    /// Begins a new session after the last one was lost: what it had is others', and its rows are cut off.
    pub(super) async fn join_again(&mut self) -> Result<(), CrawlError> {
        warn(&format!(
            "the lease at Redis has ended: what was under way here is done by others; going on as a new session \
             of `{}`",
            self.joined.name
        ));
        let member = Member {
            crawl: self.joined.name.clone(),
            id: self.joined.id.clone(),
            process: self.joined.process.clone(),
        };
        self.joined.session = number();
        self.joined.at = Instant::now();
        let settings = self.settings.clone();
        let ask = Ask {
            settings: &settings,
            name: &member.crawl,
            member: Some(&member),
            identity: None,
            process: &member.process,
            session: &self.joined.session.clone(),
            fresh: "",
            outputs: &[],
        };
        let answer = loop {
            match ask.send().await {
                Ok(answer) => break answer,
                Err(Refusal::Ends(error)) => return Err(error),
                Err(Refusal::Away(failure)) => {
                    let is_over = self.joined.at.elapsed() >= self.shared.patience;
                    if is_over || failure.is_lasting() {
                        return Err(self.broken(&failure.to_string()));
                    }
                    if self.stopping {
                        return Err(self.broken(&stopped(&failure)));
                    }
                    let pause = Instant::now() + PAUSE;
                    while Instant::now() < pause {
                        self.wait_until(pause).await?;
                    }
                }
            }
        };
        self.forget(answer.rows);
        let files: Vec<PathBuf> = answer
            .recorded
            .iter()
            .map(|it| it.name.clone().into())
            .collect();
        // The files are locked until they are dropped.
        self.outputs = Outputs::default();
        let outputs = Outputs::open(&files, &answer.recorded, answer.rows, &self.about);
        self.outputs = outputs.map_err(CrawlError::Output)?;
        Ok(())
    }

    /// Forgets what belongs to a session that has ended.
    fn forget(&mut self, rows: u64) {
        self.claims.clear();
        self.arrived.clear();
        self.events.clear();
        self.given_back.clear();
        (self.batch, self.sealed) = Default::default();
        (self.batches, self.links, self.rows) = (0, 0, rows);
        (self.stale, self.link) = (true, None);
        // Links of what was lost are found again, and are new then.
        self.recent = Recent::new();
        self.traps = Traps::new(Limits::default());
        self.renewed = self.joined.at;
    }
}
