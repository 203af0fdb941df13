//! The commit point: the outputs, then one transaction of the store.

use std::time::Instant;

use super::batch::{Batch, Found};
use super::host::FRONT;
use super::hosts::{Hosts, unix_millis};
use super::judge::Judge;
use super::{Keeper, State};
use crate::error::CrawlError;
use crate::failpoint;
use crate::fate::Fate;
use crate::store::{Entry, Record, Tables, Totals, take};

impl Keeper {
    /// Writes the batch: appends to the outputs, has them on disk, and commits one transaction. After that, and not
    /// before, new links are dispatched.
    ///
    /// # Errors
    /// Those of the disk. What earlier batches had is kept.
    pub(super) fn commit(&mut self) -> Result<(), CrawlError> {
        let begin = Instant::now();
        let batch = std::mem::take(&mut self.state.batch);
        failpoint::hit("before-append");
        self.outputs
            .append(&batch.rows)
            .map_err(CrawlError::Output)?;
        failpoint::hit("after-append");
        self.outputs.sync().map_err(CrawlError::Output)?;
        failpoint::hit("after-sync");
        let run = begin.saturating_duration_since(self.state.started);
        self.totals.millis = self.state.earlier + u64::try_from(run.as_millis()).unwrap_or(0);
        let queued = self.write(&batch).map_err(|error| self.broken(&error))?;
        failpoint::hit("after-commit");
        self.committed(&batch, queued)
            .map_err(|error| self.broken(&error))?;
        let now = Instant::now();
        self.state.committed = (now, now - begin);
        Ok(())
    }

    /// Makes the transaction. Returns the entries that are new in the queue.
    fn write(&mut self, batch: &Batch) -> Result<Vec<Entry>, redb::Error> {
        let Keeper {
            store,
            outputs,
            totals,
            identity,
            scope,
            traps,
            state,
            ..
        } = self;
        let mut finder = Finder {
            judge: Judge {
                scope,
                traps,
                depth: identity.depth,
                check: identity.check,
            },
            hosts: &mut state.hosts,
            totals,
            queued: Vec::new(),
        };
        store.write(|tables| {
            for found in &batch.found {
                finder.add(found, tables)?;
            }
            for entry in &batch.again {
                tables.enqueue(entry)?;
            }
            for (entry, record) in &batch.done {
                tables.put_page(entry.address.as_str(), record)?;
                tables.dequeue(entry.key)?;
            }
            tables.put_checked(&batch.checked)?;
            for rulebook in &batch.rulebooks {
                tables.change_state(rulebook.host, |state| {
                    state.robots_at = unix_millis() / 1000;
                    state.robots.clone_from(&rulebook.text);
                })?;
            }
            for (host, slowed) in &batch.slowed {
                tables.change_state(*host, |state| (state.slowed, state.next_at) = *slowed)?;
            }
            let (fresh, next) = finder.hosts.fresh();
            for (name, id) in fresh {
                tables.put_host(name, *id)?;
            }
            finder.totals.next_host = next;
            for file in outputs.recorded() {
                tables.put_output(&file.name, file.length)?;
            }
            tables.put_totals(finder.totals)?;
            failpoint::hit("before-commit");
            Ok(())
        })?;
        Ok(finder.queued)
    }

    /// Hands what is new in the queue to its hosts, and gives back what is done.
    fn committed(&mut self, batch: &Batch, queued: Vec<Entry>) -> Result<(), redb::Error> {
        let State {
            hosts,
            claimed,
            level,
            ..
        } = &mut self.state;
        hosts.recorded();
        for (entry, _) in &batch.done {
            claimed.remove(&entry.seq());
            if let Some(host) = hosts.get(entry.host()) {
                host.uncommitted -= 1;
            }
        }
        for entry in queued {
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
                host.front.push_back(entry);
            } else {
                host.more = true;
                host.cursor = host.cursor.filter(|_| behind);
            }
            hosts.list(id);
        }
        hosts.give_back(Instant::now());
        Ok(())
    }
}

/// Puts addresses that were found into the tables.
struct Finder<'k> {
    judge: Judge<'k>,
    hosts: &'k mut Hosts,
    totals: &'k mut Totals,
    queued: Vec<Entry>,
}

impl Finder<'_> {
    fn add(&mut self, found: &Found, tables: &mut Tables<'_>) -> Result<(), redb::Error> {
        let address = found.address.as_str();
        if found.hops == 0 {
            if tables.is_known(address)? {
                return Ok(());
            }
        } else if let Some(known) = tables.page(address)? {
            return self.lift(found, &known, tables);
        }
        let (fate, cause) = self.judge.judge(found);
        self.totals.add(fate);
        self.put(found, fate, &cause, tables)
    }

    /// A redirect leads to what is known already, but deeper: it is as deep as the redirect from now on.
    fn lift(
        &mut self,
        found: &Found,
        known: &Record,
        tables: &mut Tables<'_>,
    ) -> Result<(), redb::Error> {
        let waits = matches!(known.fate, Fate::Pending | Fate::Depth);
        if self.judge.depth.is_none() || !waits || known.depth <= found.depth {
            return Ok(());
        }
        if known.fate == Fate::Pending {
            let name = found.address.origin();
            let host = self.hosts.id(name, |name| tables.host(name))?;
            tables.dequeue((host, known.depth, known.priority, known.seq))?;
            self.totals.dequeued(known.depth);
        }
        self.totals.change(known.fate, Fate::Pending);
        self.put(found, Fate::Pending, "", tables)
    }

    /// Writes the record of an address, and its entry if it is pending.
    fn put(
        &mut self,
        found: &Found,
        fate: Fate,
        cause: &str,
        tables: &mut Tables<'_>,
    ) -> Result<(), redb::Error> {
        let seq = self.totals.next_seq;
        self.totals.next_seq += 1;
        let host = match fate {
            Fate::Pending => {
                let name = found.address.origin();
                self.hosts.id(name, |name| tables.host(name))?
            }
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
        };
        tables.put_page(entry.address.as_str(), &entry.record(fate, 0, cause))?;
        if fate == Fate::Pending {
            tables.enqueue(&entry)?;
            self.totals.enqueued(level);
            self.queued.push(entry);
        }
        Ok(())
    }
}
