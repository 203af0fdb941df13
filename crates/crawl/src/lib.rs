//! A crawler that loses nothing, the same under every concurrency model.
//!
//! Its parts that read pages do no I/O and know no runtime:
//!
//! - [`Address`] is the normalised address of a page.
//! - [`links`] finds the links of HTML, CSS, sitemaps and feeds, each with its line and column.
//! - [`fragment`] tells whether a page has the place that a link's fragment names.
#![forbid(unsafe_code)]

pub mod address;
pub mod fragment;
pub mod links;

pub use address::{Address, AddressError};
pub use links::{Document, Link, LinkKind};
