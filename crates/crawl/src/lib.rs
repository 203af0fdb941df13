//! A crawler that loses nothing, the same under every concurrency model.
//!
//! Its parts that read pages do no I/O and know no runtime:
//!
//! - [`Address`] is the normalised address of a page.
//! - [`links`] finds the links of HTML, CSS, sitemaps and feeds, each with its line and column.
//! - [`fragment`] tells whether a page has the place that a link's fragment names.
//!
//! Others know no runtime either, and some read and write files:
//!
//! - [`output`] writes what came of each request to files that can be cut to what was committed.
//! - [`robots`] tells what a host lets the crawler fetch.
//! - [`Scope`] tells which pages belong to a crawl.
//! - [`traps`] finds sites that go on for ever.
#![forbid(unsafe_code)]

pub mod address;
pub mod fragment;
pub mod links;
pub mod output;
pub mod robots;
mod scope;
pub mod traps;

pub use address::{Address, AddressError};
pub use links::{Document, Link, LinkKind};
pub use scope::{Scope, ScopeError};
