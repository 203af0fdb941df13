//! What must be true of the HTTP/1 codec for any bytes.
//!
//! The checked files are those of the `http` crate.

#![allow(dead_code, reason = "the checks use a part of the files")]

#[path = "../../crates/http/src/server/buffers.rs"]
mod buffers;
mod check;
#[path = "../../crates/http/src/h1/mod.rs"]
mod h1;
mod message;
mod naive;
mod written;

pub use check::check;
