//! A crawler that loses nothing, the same under every concurrency model.
//!
//! ```text
//!  worker flow (many, under any model)        keeper: one thread, which keeps all books
//!    job ◄───────────────────────── jobs ──     hosts that are ready ─► dispatch: limits, delay, budget, level
//!    ONE request, no redirect, no retry
//!    links found, normalised, each once
//!    ─────────────────────────────── news ─►    batch ─► commit: outputs appended, on disk, ONE transaction
//!                                               only then new links are dispatched
//! ```
//!
//! A [`Crawl`] is opened in a folder, runs, and can be stopped or killed at any moment. What its last transaction has
//! is kept; what was in flight is fetched again, and no output has it twice. Every address that was discovered has one
//! [`Fate`], which [`explain`] tells with the reason.
//!
//! The parts that read pages do no I/O and know no runtime:
//!
//! - [`Address`] is the normalised address of a page.
//! - [`links`] finds the links of HTML, CSS, sitemaps and feeds, each with its line and column.
//! - [`fragment`] tells whether a page has the place that a link's fragment names.
//!
//! Others know no runtime either, and some read and write files:
//!
//! - [`check`] tells which links of a site are broken, and writes reports of them.
//! - [`output`] writes what came of each request to files that can be cut to what was committed.
//! - [`robots`] tells what a host lets the crawler fetch.
//! - [`Scope`] tells which pages belong to a crawl.
//! - [`traps`] finds sites that go on for ever.
//! - [`visible`] makes texts of others harmless, in reports and in terminals.
#![forbid(unsafe_code)]

pub mod address;
pub mod check;
mod crawl;
mod error;
mod failpoint;
mod fate;
pub mod fragment;
mod job;
mod keeper;
pub mod links;
mod locked;
pub mod output;
mod recent;
mod report;
pub mod robots;
mod scope;
mod settings;
mod shared;
mod store;
pub mod traps;
pub mod visible;
mod worker;

pub use address::{Address, AddressError};
pub use check::Check;
pub use crawl::{Crawl, Handle};
pub use error::CrawlError;
pub use fate::Fate;
pub use links::{Document, Link, LinkKind};
pub use report::{Counts, Ended, Progress, Report};
pub use scope::{Scope, ScopeError};
pub use settings::Settings;
pub use shared::{Shared, SharedReport, Uncut, explain_shared};
pub use store::{Explanation, Step, StoreError, explain};
