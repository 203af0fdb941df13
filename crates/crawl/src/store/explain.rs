//! What became of an address, and how it was found.

use std::fmt;
use std::path::Path;

use redb::{Database, ReadableDatabase};

use super::open::{failed, read_meta, refused};
use super::record::Record;
use super::tables::{PAGES, record};
use super::{FILE, StoreError};
use crate::address::Address;
use crate::fate::Fate;
use crate::visible::visible;

/// The most steps of a chain of parents that are shown.
const STEPS: usize = 64;

/// What became of an address, and the chain of pages by which it was found.
#[derive(Clone, Debug)]
pub struct Explanation {
    address: String,
    /// The address itself, then its parents up to a seed. Empty if it was never discovered.
    chain: Vec<Step>,
    /// Where the last of these was found; empty for a seed. Of a sitemap, a robots.txt, which is no page.
    origin: String,
}

/// One address of an [`Explanation`].
#[derive(Clone, Debug)]
pub struct Step {
    /// The address.
    pub address: String,
    /// What became of it.
    pub fate: Fate,
    /// The status of its last answer; 0 if there was none.
    pub status: u16,
    /// Clicks from a seed.
    pub depth: u32,
    /// How often it was asked for.
    pub tries: u8,
    /// The cause of its fate, or where its redirect leads.
    pub cause: String,
}

impl Explanation {
    /// Returns the explanation of a chain of records, from the address to a seed.
    pub(crate) fn of(address: &Address, chain: Vec<(String, Record)>) -> Explanation {
        Explanation {
            address: address.as_str().to_owned(),
            origin: chain
                .last()
                .map_or(String::new(), |(_, last)| last.parent.to_string()),
            chain: chain.into_iter().map(Step::of).collect(),
        }
    }

    /// Whether a chain of so many steps may have another one.
    pub(crate) fn goes_on(steps: usize) -> bool {
        steps < STEPS
    }

    /// Returns the address, and then the pages on the way to a seed; nothing if it was not discovered.
    pub fn chain(&self) -> &[Step] {
        &self.chain
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, parents)) = self.chain.split_first() else {
            return write!(
                f,
                "{}: not discovered: no page of the crawl links to it",
                self.address
            );
        };
        write!(f, "{first}")?;
        for parent in parents {
            write!(f, "\n  found on {parent}")?;
        }
        match &*self.origin {
            _ if self.chain.len() >= STEPS => Ok(()),
            "" => write!(f, "\n  a page that the crawl began with"),
            origin => write!(f, "\n  named by {}", visible(origin, false)),
        }
    }
}

impl Step {
    fn of((address, record): (String, Record)) -> Step {
        Step {
            address,
            fate: record.fate,
            status: record.status,
            depth: record.depth,
            tries: record.tries,
            cause: record.cause.into(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", visible(&self.address, false), self.fate)?;
        if self.status != 0 {
            write!(f, ", status {}", self.status)?;
        }
        if !self.cause.is_empty() {
            write!(f, ", {}", visible(&self.cause, false))?;
        }
        write!(f, ", depth {}", self.depth)?;
        if self.tries > 1 {
            write!(f, ", asked {} times", self.tries)?;
        }
        Ok(())
    }
}

/// Says what became of `address` in the crawl of `folder`. No process may crawl with it meanwhile.
///
/// # Errors
/// If the folder holds no crawl, or is open in another process.
pub fn explain(folder: &Path, address: &Address) -> Result<Explanation, StoreError> {
    // Not read-only: after a crash redb has to repair the file first.
    let database = Database::open(folder.join(FILE)).map_err(|error| refused(folder, error))?;
    read_meta(folder, &database)?;
    let read = |address: &str| -> Result<Option<Record>, redb::Error> {
        let pages = database.begin_read()?.open_table(PAGES)?;
        let row = pages.get(address)?;
        row.map(|row| record(row.value())).transpose()
    };
    let mut chain: Vec<(String, Record)> = Vec::new();
    let mut next = address.as_str().to_owned();
    while Explanation::goes_on(chain.len()) && !next.is_empty() {
        let found = read(&next).map_err(|error| failed(folder, &error))?;
        let Some(record) = found else { break };
        let parent = record.parent.to_string();
        chain.push((next, record));
        next = parent;
    }
    Ok(Explanation::of(address, chain))
}
