//! The end of a process in a shared crawl.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use switchboard_redis::{Reply, text, warn};

use super::Sharer;
use super::call::Trouble;
use crate::error::CrawlError;
use crate::report::{Ended, Report};

/// What a process says at its end, besides the counts of the crawl.
#[derive(Clone, Debug, Default)]
pub struct SharedReport {
    /// The name of the crawl.
    pub name: String,
    /// The server, without a password.
    pub url: String,
    /// Rows that this process has written, in all its runs.
    pub rows: u64,
    /// Processes that took part.
    pub processes: usize,
    /// Outputs of processes that did not come back, of which only a part counts.
    pub uncut: Vec<Uncut>,
}

/// An output of a process that has ended without saying so. What it has behind this length is done by others.
#[derive(Clone, Debug)]
pub struct Uncut {
    /// The machine that has it.
    pub machine: String,
    /// The absolute path there.
    pub file: String,
    /// The bytes that count.
    pub length: u64,
    /// The rows that count.
    pub rows: u64,
}

impl Uncut {
    /// Whether it is a database of SQLite, from which rows are deleted: its length says nothing of them.
    pub fn is_database(&self) -> bool {
        self.file.ends_with(".sqlite")
    }
}

impl Sharer {
    /// Leaves the crawl, and says what came of it.
    pub(super) async fn report(&mut self, ended: Ended) -> Result<Report, CrawlError> {
        let left = match self.give_back(true).await {
            Ok(()) => self.look_around().await,
            Err(trouble) => Err(trouble),
        };
        let (causes, shared) = match left {
            Ok(seen) => seen,
            // All is acknowledged, and nothing is held: the report lacks what others did.
            Err(Trouble::Lost) => Default::default(),
            Err(Trouble::Ends(error)) => {
                warn(&format!("{error}"));
                Default::default()
            }
        };
        self.totals.causes = causes.into_iter().collect();
        let mut report = Report::new(ended, &self.totals, self.settings.state.clone());
        report.missing = self.missing.take();
        report.requests = self.requests;
        report.shared = Some(SharedReport {
            name: self.joined.name.clone(),
            url: self.shared.url.to_string(),
            rows: self.rows,
            ..shared
        });
        Ok(report)
    }

    async fn look_around(&mut self) -> Result<(Vec<(String, u64)>, SharedReport), Trouble> {
        let prefix = self.joined.prefix.clone();
        let key = |name: &str| format!("{prefix}{name}");
        let causes = texts(self.look(&["HGETALL", &key("causes")]).await?);
        let causes = causes
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].parse().unwrap_or(0)));
        let causes = causes.collect();
        let clock = texts(self.look(&["TIME"]).await?);
        let now: f64 = clock.first().and_then(|it| it.parse().ok()).unwrap_or(0.0);
        let processes = texts(self.look(&["SMEMBERS", &key("processes")]).await?);
        let machine = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let mut lengths: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        let mut whole: HashSet<(String, String)> = HashSet::new();
        for process in &processes {
            let about = key(&format!("p:{process}"));
            let about = texts(
                self.look(&["HMGET", &about, "session", "label", "left", "rows"])
                    .await?,
            );
            let [session, label, left, rows] = &about[..] else {
                continue;
            };
            let until = text(self.look(&["ZSCORE", &key("sessions"), session]).await?);
            let is_there = until
                .parse::<f64>()
                .is_ok_and(|until| until / 1000.0 >= now);
            let outputs = texts(
                self.look(&["HGETALL", &key(&format!("out:{process}"))])
                    .await?,
            );
            for pair in outputs.chunks_exact(2) {
                let output = (label.clone(), pair[0].clone());
                if left == "1" || is_there {
                    whole.insert(output);
                    continue;
                }
                let counts = lengths.entry(output).or_default();
                let number = |text: &str| text.parse().unwrap_or(0);
                *counts = (number(&pair[1]), number(rows)).max(*counts);
            }
        }
        // The same name of a process that failed as it joined, or was forgotten, says nothing of what another one has
        // written there.
        lengths.retain(|output, _| !whole.contains(output));
        let uncut = lengths.into_iter();
        let mut uncut: Vec<Uncut> = uncut
            .map(|((machine, file), (length, rows))| Uncut {
                machine,
                file,
                length,
                rows,
            })
            .collect();
        // One that is here can be looked at: it need not be there. The rows of a database may be in its bytes that count.
        let is_long = |it: &Uncut| {
            if it.is_database() {
                return it.machine != machine || Path::new(&it.file).exists();
            }
            let length = Path::new(&it.file).metadata().map(|file| file.len());
            it.machine != machine || length.map_or(it.length > 0, |length| length > it.length)
        };
        uncut.retain(is_long);
        let shared = SharedReport {
            processes: processes.len(),
            uncut,
            ..SharedReport::default()
        };
        Ok((causes, shared))
    }
}

fn texts(reply: Reply) -> Vec<String> {
    match reply {
        Reply::Array(parts) => parts.into_iter().map(text).collect(),
        _ => Vec::new(),
    }
}
