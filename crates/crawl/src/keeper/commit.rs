//! The commit point: the outputs, then one transaction of the store.

use std::collections::HashMap;
use std::time::Instant;

use super::batch::Rulebook;
use super::finder::Finder;
use super::host::FRONT;
use super::hosts::unix_millis;
use super::judge::Judge;
use super::{Keeper, State};
use crate::address::Address;
use crate::check::Checked;
use crate::error::CrawlError;
use crate::output::Fetched;
use crate::store::{Entry, Key, Record, Tables, Totals};

/// All that one commit writes.
#[derive(Default)]
pub(crate) struct Changes {
    pub(super) rows: Vec<Fetched>,
    /// Addresses that are new, or that a redirect has led to.
    pub(super) pages: Vec<(Address, Record)>,
    /// What is new in the queue, and what leaves it without a fate, since it has come to another place.
    pub(super) queued: Vec<Entry>,
    pub(super) unqueued: Vec<Key>,
    again: Vec<Entry>,
    done: Vec<(Entry, Record)>,
    checked: Vec<(Address, Checked)>,
    rulebooks: Vec<Rulebook>,
    slowed: HashMap<u32, (u64, u64)>,
    /// Hosts that have got their numbers.
    hosts: Vec<(String, u32)>,
    /// What the traps have counted.
    counted: Vec<(u64, u32)>,
    totals: Totals,
}

impl Changes {
    /// Makes the changes in a transaction.
    pub(super) fn write(&self, tables: &mut Tables<'_>) -> Result<(), redb::Error> {
        for (address, record) in &self.pages {
            tables.put_page(address.as_str(), record)?;
        }
        for entry in self.queued.iter().chain(&self.again) {
            tables.enqueue(entry)?;
        }
        for key in &self.unqueued {
            tables.dequeue(*key)?;
        }
        for (entry, record) in &self.done {
            tables.put_page(entry.address.as_str(), record)?;
            tables.dequeue(entry.key)?;
        }
        tables.put_checked(&self.checked)?;
        for rulebook in &self.rulebooks {
            tables.change_state(rulebook.host, |state| {
                state.robots_at = unix_millis() / 1000;
                state.robots.clone_from(&rulebook.text);
            })?;
        }
        for (host, slowed) in &self.slowed {
            tables.change_state(*host, |state| (state.slowed, state.next_at) = *slowed)?;
        }
        for (name, id) in &self.hosts {
            tables.put_host(name, *id)?;
        }
        tables.put_counted(&self.counted)?;
        tables.put_totals(&self.totals)
    }
}

impl Keeper {
    /// Has the batch written by the committer: appended to the outputs, on disk, and committed in one transaction. New
    /// links are dispatched after that, and not before; meanwhile, what the last commit has goes on.
    ///
    /// # Errors
    /// Those of reading the store.
    pub(super) fn begin_commit(&mut self) -> Result<(), CrawlError> {
        let now = Instant::now();
        let changes = self.changes(now).map_err(|error| self.broken(&error))?;
        self.state.commit = Some(now);
        self.committer.begin(changes);
        Ok(())
    }

    /// Decides what the batch changes.
    fn changes(&mut self, now: Instant) -> Result<Changes, redb::Error> {
        let batch = std::mem::take(&mut self.state.batch);
        let mut changes = Changes {
            rows: batch.rows,
            again: batch.again,
            done: batch.done,
            checked: batch.checked,
            rulebooks: batch.rulebooks,
            slowed: batch.slowed,
            ..Changes::default()
        };
        let mut finder = Finder {
            look: self.store.look()?,
            judge: Judge {
                scope: &self.scope,
                traps: &mut self.traps,
                depth: self.identity.depth,
                check: self.identity.check,
            },
            hosts: &mut self.state.hosts,
            totals: &mut self.totals,
            changes: &mut changes,
            known: HashMap::new(),
        };
        for found in &batch.found {
            finder.add(found)?;
        }
        let (hosts, next) = self.state.hosts.fresh();
        changes.hosts = hosts;
        self.totals.next_host = next;
        changes.counted = self.traps.changes();
        let run = now.saturating_duration_since(self.state.started);
        self.totals.millis = self.state.earlier + u64::try_from(run.as_millis()).unwrap_or(0);
        changes.totals = self.totals.clone();
        Ok(changes)
    }

    /// Takes the end of a commit: hands what is new in the queue to its hosts, and gives back what is done.
    pub(super) fn committed(&mut self, changes: &Changes) -> Result<(), redb::Error> {
        let now = Instant::now();
        let begin = self.state.commit.take().unwrap_or(now);
        self.state.committed = (now, now - begin);
        // From here on the store is read as the commit has left it, and not before: what it has added to the queue is
        // handed out below.
        self.store.refresh();
        let State {
            hosts,
            claimed,
            level,
            ..
        } = &mut self.state;
        hosts.recorded(&changes.hosts);
        for (entry, _) in &changes.done {
            claimed.remove(&entry.seq());
            if let Some(host) = hosts.get(entry.host()) {
                host.uncommitted -= 1;
            }
        }
        for entry in &changes.queued {
            if entry.level() > *level {
                continue;
            }
            let id = entry.host();
            if hosts.get(id).is_none() {
                match hosts.has_room() {
                    true => hosts.wake(id, entry.address.origin(), &mut self.store)?,
                    false => hosts.hidden = true,
                }
                continue;
            }
            let Some(host) = hosts.get(id) else { continue };
            let behind = host.cursor.is_none_or(|cursor| cursor < entry.key);
            if behind && !host.more && host.front.len() < FRONT {
                host.cursor = Some(entry.key);
                claimed.insert(entry.seq());
                host.front.push_back(entry.clone());
            } else {
                host.more = true;
                host.cursor = host.cursor.filter(|_| behind);
            }
            hosts.list(id);
        }
        hosts.give_back(now);
        Ok(())
    }
}
