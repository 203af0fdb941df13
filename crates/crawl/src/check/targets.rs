//! What the store knows of the targets of links.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::packed;
use crate::fate::Fate;
use crate::fragment;
use crate::store::{Record, View};

/// Outcomes that are remembered, at most.
const OUTCOMES: usize = 1 << 17;

/// Places that are remembered, at most.
const PLACES: usize = 1 << 20;

/// Redirects that are followed, at most. A crawl ends a row of them before.
const HOPS: usize = 32;

/// The targets that were looked up, of which a bounded number is remembered.
pub(super) struct Targets<'v> {
    view: &'v View,
    outcomes: HashMap<String, Rc<Outcome>>,
    places: HashMap<String, Option<Rc<Places>>>,
    /// How many names `places` has.
    kept: usize,
}

pub(super) type Places = HashSet<String>;

/// What became of an address, at the end of its redirects.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) redirects: Vec<String>,
    /// The fragment of the last redirect that has one, which takes the place of the link's.
    pub(super) fragment: Option<String>,
    pub(super) end: End,
}

#[derive(Debug)]
pub(super) enum End {
    Good,
    Broken { cause: String, status: u16 },
    Unknown(String),
}

impl<'v> Targets<'v> {
    pub(super) fn new(view: &'v View) -> Targets<'v> {
        Targets {
            view,
            outcomes: HashMap::new(),
            places: HashMap::new(),
            kept: 0,
        }
    }

    /// Returns what became of an address.
    pub(super) fn outcome(&mut self, address: &str) -> Result<Rc<Outcome>, redb::Error> {
        if let Some(known) = self.outcomes.get(address) {
            return Ok(known.clone());
        }
        let mut outcome = Outcome {
            redirects: Vec::new(),
            fragment: None,
            end: End::Good,
        };
        outcome.end = loop {
            let at = outcome.redirects.last();
            let at = at.map_or(address, String::as_str);
            let Some(record) = self.view.page(at)? else {
                break End::Unknown("not asked for".to_owned());
            };
            let to = match record.fate {
                Fate::Fetched => record.cause.strip_prefix("to "),
                _ => None,
            };
            let Some(to) = to else {
                break end(&record);
            };
            if to == address || outcome.redirects.iter().any(|hop| hop == to) {
                let cause = format!("redirects in a circle: to {to} again");
                break End::Broken { cause, status: 0 };
            }
            if outcome.redirects.len() >= HOPS {
                let cause = format!("redirects: more than {HOPS}");
                break End::Broken { cause, status: 0 };
            }
            let own = self.view.anchors(at)?;
            let own = own.and_then(|bytes| packed::unpack_names(&bytes)?.pop());
            outcome.fragment = own.or(outcome.fragment);
            outcome.redirects.push(to.to_owned());
        };
        if self.outcomes.len() >= OUTCOMES {
            self.outcomes.clear();
        }
        let outcome = Rc::new(outcome);
        self.outcomes.insert(address.to_owned(), outcome.clone());
        Ok(outcome)
    }

    /// Returns the places of a page; `None` if they are not known.
    pub(super) fn places(&mut self, page: &str) -> Result<Option<Rc<Places>>, redb::Error> {
        if let Some(known) = self.places.get(page) {
            return Ok(known.clone());
        }
        let names = self.view.anchors(page)?;
        let names = names.and_then(|bytes| packed::unpack_names(&bytes));
        let places = names.map(|names| Rc::new(names.into_iter().collect::<Places>()));
        self.kept += places.as_ref().map_or(1, |places| places.len() + 1);
        if self.kept > PLACES {
            self.places.clear();
            self.kept = 0;
        }
        self.places.insert(page.to_owned(), places.clone());
        Ok(places)
    }
}

/// Returns what the record of an address means that has no redirect.
fn end(record: &Record) -> End {
    let unknown = |why: &str| End::Unknown(why.to_owned());
    match record.fate {
        Fate::Fetched => End::Good,
        Fate::Failed => match record.status {
            401 => unknown("status 401: a password is needed"),
            429 => unknown("status 429: the host wants fewer requests"),
            status => End::Broken {
                cause: record.cause.to_string(),
                status,
            },
        },
        Fate::Trap if record.cause.starts_with("redirects: ") => End::Broken {
            cause: record.cause.to_string(),
            status: 0,
        },
        Fate::Trap => unknown("trap: it seems to be one of endlessly many"),
        Fate::Robots => unknown("robots.txt excludes it or cannot be fetched"),
        Fate::Scope => unknown("out of scope"),
        Fate::Depth => unknown("deeper than asked for"),
        Fate::Pending => unknown("the check has not come to it"),
    }
}

/// Whether a fragment is read by scripts that make the page from it.
pub(super) fn is_for_scripts(fragment: &str) -> bool {
    fragment.starts_with(['!', '/'])
}

/// Whether a page has the place of a fragment, or both ends of a range of lines: `3-5`, `L3-L5`.
pub(super) fn is_there(fragment: &str, places: &Places) -> bool {
    let has = |name: &str| places.contains(name);
    let is_line = |name: &str| {
        let digits = name.strip_prefix('L').unwrap_or(name);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && has(name)
    };
    let range = fragment.split_once('-');
    fragment::is_place(fragment, has) || range.is_some_and(|(a, b)| is_line(a) && is_line(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_lines_need_both_ends() {
        let places: Places = ["1", "22", "L3", "L5", "a"].map(str::to_owned).into();
        for fragment in ["1", "1-22", "L3-L5", "top", "a:~:text=x"] {
            assert!(is_there(fragment, &places), "{fragment}");
        }
        for fragment in ["1-3", "L3-L4", "a-1", "-", "1-", "b"] {
            assert!(!is_there(fragment, &places), "{fragment}");
        }
    }

    #[test]
    fn what_asks_for_a_password_or_for_peace_is_not_broken() {
        let record = |fate, status, cause: &str| Record {
            fate,
            status,
            depth: 0,
            hops: 0,
            tries: 1,
            priority: 1,
            seq: 0,
            parent: "".into(),
            cause: cause.into(),
        };
        let is_broken = |record| matches!(end(&record), End::Broken { .. });
        for status in [400, 403, 404, 410, 500, 503] {
            assert!(is_broken(record(Fate::Failed, status, "status")));
        }
        assert!(is_broken(record(Fate::Failed, 0, "connect: refused")));
        assert!(is_broken(record(Fate::Trap, 0, "redirects: more than 20")));
        for (fate, status) in [
            (Fate::Failed, 401),
            (Fate::Failed, 429),
            (Fate::Trap, 0),
            (Fate::Robots, 0),
            (Fate::Pending, 0),
            (Fate::Scope, 0),
            (Fate::Fetched, 200),
        ] {
            assert!(!is_broken(record(fate, status, "calendar: x")), "{fate}");
        }
    }
}
