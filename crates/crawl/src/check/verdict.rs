//! The verdict over each link, by what the store knows of its target.

use std::path::Path;

use super::findings::{Broken, Findings};
use super::packed::{self, Links};
use super::targets::{End, Targets, is_for_scripts, is_there};
use crate::address::{Address, AddressError};
use crate::links::{Document, Link, LinkKind};
use crate::store::{StoreError, View};

/// Pages of a way that are told, at most.
const STEPS: usize = 64;

/// Tells what the check of a folder has found out. No process may check with it meanwhile. Blocks on the disk.
///
/// # Errors
/// If the folder holds no check, is open in another process or cannot be read.
pub fn findings(folder: &Path) -> Result<Findings, StoreError> {
    let view = View::open(folder)?;
    let judge = Judge {
        view: &view,
        targets: Targets::new(&view),
        findings: Findings {
            seeds: view.seeds().to_vec(),
            ..Findings::default()
        },
    };
    judge
        .run()
        .map_err(|error| StoreError::broken(folder, &error))
}

struct Judge<'v> {
    view: &'v View,
    targets: Targets<'v>,
    findings: Findings,
}

/// What is wrong with a link.
struct Fault {
    target: String,
    cause: String,
    redirects: Vec<String>,
}

impl Judge<'_> {
    fn run(mut self) -> Result<Findings, redb::Error> {
        for seed in self.view.seeds() {
            let outcome = self.targets.outcome(seed)?;
            if let End::Broken { cause, .. } = &outcome.end {
                self.findings.links += 1;
                self.findings.broken.push(Broken {
                    page: None,
                    line: 0,
                    column: 0,
                    target: seed.clone(),
                    written: seed.clone(),
                    kind: "",
                    text: String::new(),
                    class: class(cause),
                    cause: cause.clone(),
                    redirects: outcome.redirects.clone(),
                    way: Vec::new(),
                });
            }
        }
        let view = self.view;
        view.each_page(|page, bytes| {
            let damaged = || redb::Error::Corrupted(format!("the links of {page}"));
            let links = packed::unpack(bytes).ok_or_else(damaged)?;
            self.page(page, links)
        })?;
        Ok(self.findings)
    }

    fn page(&mut self, page: &str, links: Links) -> Result<(), redb::Error> {
        let Ok(address) = Address::parse(page) else {
            return Ok(());
        };
        self.findings.pages += 1;
        let url = address.url();
        let document = Document {
            base: links.base,
            ..Document::default()
        };
        let base = document.base_of(&url);
        let mut way = None;
        for link in links.links {
            let joined = Address::join(&base, &link.target);
            if matches!(joined, Err(AddressError::Scheme(_))) {
                continue;
            }
            self.findings.links += 1;
            let Some(fault) = self.link(&link, joined)? else {
                continue;
            };
            let way = match &way {
                Some(way) => way,
                None => way.insert(self.way(page)?),
            };
            self.findings.broken.push(Broken {
                page: Some(page.to_owned()),
                line: link.line,
                column: link.column,
                target: fault.target,
                written: link.target,
                kind: link.kind.name(),
                text: link.text,
                class: class(&fault.cause),
                cause: fault.cause,
                redirects: fault.redirects,
                way: way.clone(),
            });
        }
        Ok(())
    }

    /// Returns what is wrong with a link; `None` if nothing is, or if that cannot be known.
    fn link(
        &mut self,
        link: &Link,
        joined: Result<(Address, Option<String>), AddressError>,
    ) -> Result<Option<Fault>, redb::Error> {
        let (address, fragment) = match joined {
            Ok(joined) => joined,
            Err(AddressError::TooLong(_)) => {
                self.unknown("longer than the addresses that are asked for");
                return Ok(None);
            }
            Err(error) => {
                return Ok(Some(Fault {
                    target: link.target.clone(),
                    cause: error.to_string(),
                    redirects: Vec::new(),
                }));
            }
        };
        let outcome = self.targets.outcome(address.as_str())?;
        let fault = |cause: String| Fault {
            target: match &fragment {
                Some(fragment) => format!("{address}#{fragment}"),
                None => address.to_string(),
            },
            cause,
            redirects: outcome.redirects.clone(),
        };
        match &outcome.end {
            End::Broken { status, .. }
                if link.kind == LinkKind::Form && !matches!(status, 0 | 404 | 410) =>
            {
                self.unknown("the action of a form was refused without its fields");
                Ok(None)
            }
            End::Broken { cause, .. } => Ok(Some(fault(cause.clone()))),
            End::Unknown(why) => {
                self.unknown(why);
                Ok(None)
            }
            End::Good => {
                let last = outcome.redirects.last();
                let page = last.map_or(address.as_str(), String::as_str);
                let wanted = outcome.fragment.as_ref().or(fragment.as_ref());
                let Some(wanted) = wanted.filter(|it| !it.is_empty() && !is_for_scripts(it)) else {
                    return Ok(None);
                };
                let Some(places) = self.targets.places(page)? else {
                    return Ok(None);
                };
                if is_there(wanted, &places) {
                    return Ok(None);
                }
                Ok(Some(fault(format!("{NO_PLACE}: `{wanted}`"))))
            }
        }
    }

    fn unknown(&mut self, why: &str) {
        match self.findings.unchecked.get_mut(why) {
            Some(count) => *count += 1,
            None => {
                self.findings.unchecked.insert(why.to_owned(), 1);
            }
        }
    }

    /// Returns the pages from where the check began to this one.
    fn way(&self, page: &str) -> Result<Vec<String>, redb::Error> {
        let mut way: Vec<String> = Vec::new();
        let mut next = page.to_owned();
        while !next.is_empty() && way.len() < STEPS && !way.contains(&next) {
            let parent = self.view.page(&next)?.map(|record| record.parent);
            way.push(std::mem::replace(
                &mut next,
                parent.unwrap_or_default().into(),
            ));
        }
        way.reverse();
        Ok(way)
    }
}

/// The kind of a cause: the page is there, and not the place in it.
const NO_PLACE: &str = "no such place in the page";

/// Returns the kind of a cause: what stands before its colon, or a better word.
fn class(cause: &str) -> String {
    let kind = cause.split(':').next().unwrap_or_default();
    let word = match kind {
        "connect" | "unreachable" => "no connection",
        "resolve" => "no such host",
        kind => kind,
    };
    word.to_owned()
}
