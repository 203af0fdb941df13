//! The addresses of a batch, of which some are new.

use std::collections::HashMap;

use super::batch::Found;
use super::commit::Changes;
use super::hosts::Hosts;
use super::judge::Judge;
use crate::address::Address;
use crate::fate::Fate;
use crate::store::{Entry, Look, Totals, take};

/// Finds what is new among the addresses of a batch, by what the last commit has and by those before them, and has it
/// judged.
pub(super) struct Finder<'k> {
    pub(super) look: Look,
    pub(super) judge: Judge<'k>,
    pub(super) hosts: &'k mut Hosts,
    pub(super) totals: &'k mut Totals,
    pub(super) changes: &'k mut Changes,
    /// The addresses of this batch, and their places in the changes.
    pub(super) known: HashMap<Address, usize>,
}

impl Finder<'_> {
    pub(super) fn add(&mut self, found: &Found) -> Result<(), redb::Error> {
        let known = self.fate(&found.address)?;
        match known {
            None => {}
            Some(Fate::Scope) if self.judge.has_come_in(&found.address) => {}
            Some(Fate::Pending | Fate::Depth) if found.hops > 0 && self.judge.depth.is_some() => {
                return self.lift(found);
            }
            Some(_) => return Ok(()),
        }
        let (fate, cause) = self.judge.judge(found);
        match known {
            None => self.totals.add(fate),
            Some(before) => self.totals.change(before, fate),
        }
        self.put(found, fate, &cause)
    }

    /// Returns the fate of an address that is known.
    fn fate(&self, address: &Address) -> Result<Option<Fate>, redb::Error> {
        match self.known.get(address) {
            Some(&at) => Ok(Some(self.changes.pages[at].1.fate)),
            None => self.look.fate(address.as_str()),
        }
    }

    /// A redirect leads to what is known already, but deeper: it is as deep as the redirect from now on.
    fn lift(&mut self, found: &Found) -> Result<(), redb::Error> {
        let known = match self.known.get(&found.address) {
            Some(&at) => Some(self.changes.pages[at].1.clone()),
            None => self.look.page(found.address.as_str())?,
        };
        let Some(known) = known.filter(|known| known.depth > found.depth) else {
            return Ok(());
        };
        if known.fate == Fate::Pending {
            let host = self.host(&found.address)?;
            let key = (host, known.depth, known.priority, known.seq);
            self.changes.unqueued.push(key);
            self.totals.dequeued(known.depth);
        }
        self.totals.change(known.fate, Fate::Pending);
        self.put(found, Fate::Pending, "")
    }

    /// Returns the number of an address's host.
    fn host(&mut self, address: &Address) -> Result<u32, redb::Error> {
        let look = &self.look;
        self.hosts.id(address.origin(), |name| look.host(name))
    }

    /// Has the record of an address written, and its entry if it is pending.
    fn put(&mut self, found: &Found, fate: Fate, cause: &str) -> Result<(), redb::Error> {
        let seq = self.totals.next_seq;
        self.totals.next_seq += 1;
        let host = match fate {
            Fate::Pending => self.host(&found.address)?,
            _ => 0,
        };
        // Without a limit of depth, a host's pages come in the order in which they were found.
        let level = self.judge.depth.map_or(0, |_| found.depth);
        let priority = match fate {
            Fate::Pending => self.judge.take(found),
            _ => take::PAGE,
        };
        let entry = Entry {
            key: (host, level, priority, seq),
            address: found.address.clone(),
            parent: found.parent.clone(),
            depth: found.depth,
            hops: found.hops,
            tries: 0,
            waits: 0,
        };
        let page = (found.address.clone(), entry.record(fate, 0, cause));
        let pages = &mut self.changes.pages;
        match self.known.get(&found.address) {
            Some(&at) => pages[at] = page,
            None => {
                self.known.insert(found.address.clone(), pages.len());
                pages.push(page);
            }
        }
        if fate == Fate::Pending {
            self.totals.enqueued(level);
            self.changes.queued.push(entry);
        }
        Ok(())
    }
}
