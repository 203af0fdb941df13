//! Traps: sites that go on for ever, and the rules by which a crawl leaves them.
//!
//! Some traps show in one address, the others in how many there are of a kind:
//!
//! | name | what it is | limit |
//! |---|---|---|
//! | `redirects` | a redirect that leads to a redirect, and so on | [`Limits::hops`] |
//! | `deep-path` | a path of very many segments | [`Limits::segments`] |
//! | `repeated-path` | `/a/a/a/a`, `/a/b/a/b/a/b`: links that are relative to a page which is everywhere | [`Limits::repeats`] |
//! | `shuffled-path` | `/a/b/a/c`, `/a/c/b/a`: the same, in changing order | [`Limits::shuffled`] |
//! | `repeated-parameter` | `?q=1&q=1&q=1`: links that add what is there | [`Limits::parameters`] |
//! | `session` | the same page with another session's number in its address | [`Limits::sessions`] |
//! | `calendar` | a page for each day, month or year | [`Limits::dates`] |
//! | `numbers` | a page for each number | [`Limits::numbers`] |
//!
//! A budget is one host's, and for addresses of one shape: what they have in common when the numbers are taken out. So the
//! articles of a newspaper, `/2024/05/17/title`, have each a shape of their own and are no calendar.

mod counters;
mod shape;

use std::fmt;

use crate::Address;
use counters::{Counters, hash};
use shape::{Path, Query, session, shape};

/// Where a trap begins. Each number is the most that is let pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Redirects in a row.
    pub hops: u32,
    /// Segments of a path.
    pub segments: usize,
    /// How often a row of segments comes in turn: of two segments or more this often, of a single one once more.
    pub repeats: usize,
    /// Paths of a host in which a segment comes twice and which have the same set of segments.
    pub shuffled: u32,
    /// How often a parameter comes with the same value. With different values it may come as often as it likes.
    pub parameters: usize,
    /// Pages of a host with a session's number, of which each is fetched once, by the first number it comes with.
    pub sessions: u32,
    /// Addresses of a host with one shape that have a date in it: a year and a month, or parameters that say so. The
    /// years are 1900 to 2100, and any of four digits behind a word such as `calendar`. With a year and a month alone
    /// there are 2,412 of those, so pages that are numbered like them are no trap.
    pub dates: u32,
    /// Addresses of a host with one shape that have a number in it.
    pub numbers: u32,
    /// Budgets that are counted at once, for all hosts. If there are more, those that have counted least are
    /// forgotten, so their traps end later. Each takes some 24 bytes of memory.
    pub counters: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            hops: 20,
            segments: 24,
            repeats: 2,
            shuffled: 100,
            parameters: 2,
            sessions: 100_000,
            dates: 4_000,
            numbers: 1_000_000,
            counters: 1 << 18,
        }
    }
}

/// Why a page is not fetched: its address belongs to a trap.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Trap {
    /// More redirects in a row than this.
    Redirects(u32),
    /// This many segments in the path.
    DeepPath(usize),
    /// This row of segments comes this often in turn.
    RepeatedPath(String, usize),
    /// More paths of the same segments than this.
    ShuffledPath(u32),
    /// This parameter comes this often with the same value.
    RepeatedParameter(String, usize),
    /// The same page has been found with another value of this parameter.
    Session(String),
    /// More pages with a session's number than this.
    Sessions(u32),
    /// More dates of this shape than this.
    Calendar(String, u32),
    /// More numbers of this shape than this.
    Numbers(String, u32),
}

impl Trap {
    /// Returns the name of the trap, as the table of this module has it.
    pub fn name(&self) -> &'static str {
        match self {
            Trap::Redirects(_) => "redirects",
            Trap::DeepPath(_) => "deep-path",
            Trap::RepeatedPath(..) => "repeated-path",
            Trap::ShuffledPath(_) => "shuffled-path",
            Trap::RepeatedParameter(..) => "repeated-parameter",
            Trap::Session(_) | Trap::Sessions(_) => "session",
            Trap::Calendar(..) => "calendar",
            Trap::Numbers(..) => "numbers",
        }
    }
}

/// The reason, for users: a part of a sentence.
impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trap::Redirects(most) => write!(f, "more than {most} redirects in a row lead here"),
            Trap::DeepPath(segments) => write!(f, "the path has {segments} segments"),
            Trap::RepeatedPath(row, times) => {
                write!(f, "the path has `{row}` {times} times in a row")
            }
            Trap::ShuffledPath(most) => {
                write!(
                    f,
                    "more than {most} paths have these segments in another order"
                )
            }
            Trap::RepeatedParameter(name, times) => {
                write!(
                    f,
                    "the parameter `{name}` comes {times} times with the same value"
                )
            }
            Trap::Session(name) => {
                write!(
                    f,
                    "the page has been found with another session's number in `{name}`"
                )
            }
            Trap::Sessions(most) => {
                write!(
                    f,
                    "more than {most} pages have a session's number in their address"
                )
            }
            Trap::Calendar(shape, most) => {
                write!(f, "more than {most} dates of the form `{shape}`")
            }
            Trap::Numbers(shape, most) => {
                write!(f, "more than {most} numbers of the form `{shape}`")
            }
        }
    }
}

/// The traps of a crawl, with what was counted of each shape.
///
/// ```
/// use switchboard_crawl::Address;
/// use switchboard_crawl::traps::{Limits, Traps};
///
/// let mut traps = Traps::new(Limits { dates: 2, ..Limits::default() });
/// let mut look = |text: &str| {
///     let trap = traps.look(&Address::parse(text).unwrap(), 0);
///     trap.map(|trap| trap.to_string())
/// };
/// assert_eq!(look("https://example.org/cal/2026/11"), None);
/// assert_eq!(look("https://example.org/cal/2026/12"), None);
/// let reason = look("https://example.org/cal/2027/01").unwrap();
/// assert_eq!(reason, "more than 2 dates of the form `/cal/#/#`");
/// let reason = look("https://example.org/a/b/a/b/a/b/").unwrap();
/// assert_eq!(reason, "the path has `/a/b` 3 times in a row");
/// ```
#[derive(Debug)]
pub struct Traps {
    limits: Limits,
    counters: Counters,
}

impl Traps {
    /// Begins with nothing counted.
    pub fn new(limits: Limits) -> Traps {
        Traps::stored(limits, [])
    }

    /// Begins with what [`Traps::changes`] has told before, in any order.
    pub fn stored(limits: Limits, counted: impl IntoIterator<Item = (u64, u32)>) -> Traps {
        Traps {
            limits,
            counters: Counters::new(limits.counters, counted),
        }
    }

    /// Returns the counts that have changed since the last call, by their keys; zero for what is forgotten. A store
    /// that has written them can begin anew where it was.
    pub fn changes(&mut self) -> Vec<(u64, u32)> {
        self.counters.changes()
    }

    /// Looks at an address that is new to the crawl, and counts it: so each one may be looked at only once. `hops`
    /// is the number of redirects in a row that led to it, 0 for a link.
    pub fn look(&mut self, address: &Address, hops: u32) -> Option<Trap> {
        let limits = self.limits;
        if hops > limits.hops {
            return Some(Trap::Redirects(limits.hops));
        }
        let text = address.path_and_query();
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let (path, query) = (Path::new(path), Query::new(query));
        if path.0.len() > limits.segments {
            return Some(Trap::DeepPath(path.0.len()));
        }
        if let Some((row, times)) = path.repeats(limits.repeats) {
            return Some(Trap::RepeatedPath(row, times));
        }
        if let Some((name, times)) = query.repeats(limits.parameters) {
            return Some(Trap::RepeatedParameter(name.to_owned(), times));
        }
        let host = address.origin();
        if let Some((name, without)) = session(text) {
            if self.counters.exceeds(hash("page", host, &without), 1) {
                return Some(Trap::Session(name.to_owned()));
            }
            if self
                .counters
                .exceeds(hash("sessions", host, ""), limits.sessions)
            {
                return Some(Trap::Sessions(limits.sessions));
            }
        }
        if let Some(set) = path.set_of_repeated() {
            let key = hash("set", host, &set);
            if self.counters.exceeds(key, limits.shuffled) {
                return Some(Trap::ShuffledPath(limits.shuffled));
            }
        }
        let shape = shape(&path, &query)?;
        let (kind, most) = match shape.is_date {
            true => ("date", limits.dates),
            false => ("number", limits.numbers),
        };
        let key = hash(kind, host, &shape.text);
        if !self.counters.exceeds(key, most) {
            return None;
        }
        Some(match shape.is_date {
            true => Trap::Calendar(shape.text, most),
            false => Trap::Numbers(shape.text, most),
        })
    }
}
