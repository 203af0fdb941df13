//! The commit point of a process: its outputs, then the acknowledgement.

use std::collections::HashMap;
use std::time::Instant;

use switchboard_redis::{Reply, Resp2Frame as _, text};

use super::Sharer;
use super::batch::Batch;
use super::call::Trouble;
use super::claim::{fate_number, millis};
use super::link::Script;
use super::record;
use crate::address::Address;
use crate::error::CrawlError;
use crate::failpoint;
use crate::fate::Fate;
use crate::keeper::{Found, Judge};
use crate::robots::Robots;

/// Addresses that are looked up, and links that are sent, at once: a script that takes long stops all other ones.
const CHUNK: usize = 1000;

impl Sharer {
    /// Writes the batch: appends to the outputs, has them on disk, and acknowledges what came of the claims, which makes
    /// new links known to all.
    pub(super) async fn commit(&mut self) -> Result<(), Trouble> {
        let begin = Instant::now();
        self.tell().await?;
        // What comes while Redis is away is the next batch's.
        self.sealed = std::mem::take(&mut self.batch);
        self.write()?;
        let mut run = self.run.clone();
        let mut judged = Judged::new();
        while let Some(another) = self.acknowledge(&run, &mut judged).await? {
            run = another;
        }
        failpoint::hit("after-commit");
        self.batches += 1;
        // Nothing keeps what traps have counted, so the list of what has changed is not needed, and may not grow.
        self.traps.changes();
        self.sealed = Batch::default();
        self.joined.discovered = self.joined.discovered.max(1);
        let now = Instant::now();
        (self.committed, self.stale) = ((now, now - begin), true);
        self.claim_at = self.claim_at.min(now);
        Ok(())
    }

    /// Acknowledges the batch under a run of the server. If that is another one by now, it may have forgotten the first of
    /// the links: returns which one it is.
    async fn acknowledge(
        &mut self,
        run: &str,
        judged: &mut Judged,
    ) -> Result<Option<String>, Trouble> {
        let links = self.links(judged).await?;
        let mut chunks: Vec<&[String]> = links.chunks(CHUNK * LINK).collect();
        let last = chunks.pop().unwrap_or_default();
        // What the links were judged by is known before they are. It may be told again with the last of them.
        let mut scope = Batch::default();
        scope.scope.clone_from(&self.sealed.scope);
        for chunk in chunks {
            let args = args((0, run), chunk, &scope, &[], 0);
            if let Some(run) = self.call(Script::Acknowledge, args).await?.pop() {
                return Ok(Some(text(run)));
            }
        }
        let outputs: Vec<String> = self
            .outputs
            .recorded()
            .into_iter()
            .flat_map(|it| [it.name, it.length.to_string()])
            .collect();
        let batch = (self.batches + 1, run);
        let args = args(batch, last, &self.sealed, &outputs, self.rows);
        failpoint::hit("before-commit");
        let another = self.call(Script::Acknowledge, args).await?.pop();
        Ok(another.map(text))
    }

    /// Appends the rows of the batch, and has them on disk.
    fn write(&mut self) -> Result<(), CrawlError> {
        for row in &mut self.sealed.rows {
            self.rows += 1;
            row.seq = self.rows;
        }
        failpoint::hit("before-append");
        let appended = self.outputs.append(&self.sealed.rows);
        appended.map_err(CrawlError::Output)?;
        failpoint::hit("after-append");
        self.outputs.sync().map_err(CrawlError::Output)?;
        failpoint::hit("after-sync");
        Ok(())
    }

    /// Returns the arguments for the links of the batch that may be new.
    async fn links(&mut self, judged: &mut Judged) -> Result<Vec<String>, Trouble> {
        let mut links = Vec::new();
        let key = format!("{}pages", self.joined.prefix);
        let mut at = 0;
        while at < self.sealed.found.len() {
            let end = (at + CHUNK).min(self.sealed.found.len());
            let found = self.sealed.found[at..end].iter();
            let addresses: Vec<String> = found.map(|it| it.address.to_string()).collect();
            let command = ["HMGET", &key].into_iter();
            let command: Vec<&str> = command
                .chain(addresses.iter().map(String::as_str))
                .collect();
            let Reply::Array(known) = self.look(&command).await? else {
                return Err(self.broken("it does not say what is known").into());
            };
            let mut judge = Judge {
                scope: &self.scope,
                traps: &mut self.traps,
                depth: self.joined.identity.depth,
                check: None,
            };
            for (found, known) in self.sealed.found[at..end].iter().zip(&known) {
                let known = known.as_str().filter(|_| !matches!(known, Reply::Null));
                if let Some(link) = link(found, known, &mut judge, judged) {
                    links.extend(link);
                }
            }
            at = end;
        }
        Ok(links)
    }
}

/// The arguments of a link.
const LINK: usize = 7;

/// What was judged of the links of a batch. They are looked at again when they are sent again, and the traps may see each
/// only once.
type Judged = HashMap<Address, (Fate, String)>;

/// Returns the arguments for an address that was found; `None` for one that is known, unless it gets less deep or has come
/// into the scope.
fn link(
    found: &Found,
    known: Option<&str>,
    judge: &mut Judge<'_>,
    judged: &mut Judged,
) -> Option<[String; LINK]> {
    let mut is_lifted = false;
    if let Some(known) = known {
        let known = record::read(known)?;
        let waits = matches!(known.fate, Fate::Pending | Fate::Depth);
        is_lifted = judge.depth.is_some() && found.hops > 0 && waits && known.depth > found.depth;
        let comes_in = known.fate == Fate::Scope && judge.has_come_in(&found.address);
        if !is_lifted && !comes_in {
            return None;
        }
    }
    let (fate, cause) = match is_lifted {
        true => (Fate::Pending, String::new()),
        false => {
            let before = judged.entry(found.address.clone());
            before.or_insert_with(|| judge.judge(found)).clone()
        }
    };
    Some([
        found.address.to_string(),
        fate_number(fate),
        found.depth.to_string(),
        found.hops.to_string(),
        judge.take(found).to_string(),
        found
            .parent
            .as_ref()
            .map_or("-".to_owned(), ToString::to_string),
        record::line(&cause),
    ])
}

/// Returns the arguments of an acknowledgement: of a batch of this number, under a run of the server.
fn args(
    (number, run): (u64, &str),
    links: &[String],
    batch: &Batch,
    outputs: &[String],
    rows: u64,
) -> Vec<String> {
    let counts = [
        links.len() / LINK,
        batch.done.len(),
        batch.rules.len(),
        batch.counts.len(),
        batch.causes.len(),
        batch.scope.len(),
        outputs.len() / 2,
    ];
    let mut args = vec![number.to_string(), run.to_owned()];
    args.extend(counts.iter().map(ToString::to_string));
    args.extend_from_slice(links);
    for done in &batch.done {
        args.extend([done.claim.to_string(), done.address.to_string()]);
        args.extend([
            fate_number(done.fate),
            done.depth.to_string(),
            done.record.clone(),
        ]);
    }
    for rules in &batch.rules {
        let delay = rules.robots.delay().unwrap_or_default();
        args.extend([
            rules.claim.to_string(),
            rules.origin.clone(),
            rules.robots.to_string(),
        ]);
        args.extend([millis(delay), millis(rules.lasts)]);
        let is_unanswered = rules.robots == Robots::unreachable();
        args.push(u8::from(is_unanswered).to_string());
    }
    for (what, by) in &batch.counts {
        args.extend([(*what).to_owned(), by.to_string()]);
    }
    for (cause, times) in &batch.causes {
        args.extend([cause.clone(), times.to_string()]);
    }
    args.extend(batch.scope.iter().map(ToString::to_string));
    args.extend_from_slice(outputs);
    args.push(rows.to_string());
    args
}
