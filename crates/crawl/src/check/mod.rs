//! The check of links: which links of a site are broken, and where they stand.
//!
//! A check is a [`Crawl`](crate::Crawl) with [`Settings::check`](crate::Settings::check). It follows the pages of its
//! scope, and asks for what lies outside of it once without reading it. Its store keeps the links and the places of each
//! page; when the crawl has ended, [`findings`] reads them and tells the broken links.
//!
//! # What is broken
//!
//! | link | broken if |
//! |---|---|
//! | any | it is no URL, its host cannot be reached, its answer is an error (400 to 599), it has a redirect without end |
//! | with a fragment, to HTML in scope | the page has no such [place](crate::fragment) |
//! | the action of a form | it is not found (404, 410), or does not answer: without its fields it may be refused |
//!
//! What cannot be known is not broken, and is counted as [unchecked](Findings::unchecked): pages that robots.txt
//! excludes, traps, addresses that are too long, answers 401 and 429, and what a crawl that was stopped has left. Fragments are not looked for
//! outside of the scope, and neither are those which scripts read (`#!…`, `#/…`). A range of lines, `#L3-L5`, needs its
//! two places.

mod findings;
mod packed;
pub mod report;
mod targets;
mod verdict;

use serde::{Deserialize, Serialize};

pub use self::findings::{Broken, Findings};
pub(crate) use self::packed::{Checked, pack, pack_names};
pub use self::verdict::findings;

/// What a check asks for besides the pages of its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Check {
    /// Links that lead out of the scope too, each once; they are not followed further.
    All,
    /// Nothing.
    Internal,
}
