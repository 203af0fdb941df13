//! Responses: their framing, bodies that are streamed, bodies of requests that are read as they come, and
//! connections that change their protocol, under every model and driver.

mod bodies;
mod framing;
mod interim;
mod sending;
#[path = "../support/mod.rs"]
mod support;
mod upgrades;

/// Returns a request of a path.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n")
}
