//! A crawler that loses nothing, the same under every concurrency model.
//!
//! [`Address`] is the normalised address of a page.
#![forbid(unsafe_code)]

pub mod address;

pub use address::{Address, AddressError};
