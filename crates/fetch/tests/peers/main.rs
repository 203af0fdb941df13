//! The client against peers that send exactly the bytes a test gives them, under every model and driver.

mod bodies;
mod heads;
mod http2;
mod proxies;
mod requests;
mod retries;
mod support;
mod times;

#[path = "../../../runtime/tests/support/ways.rs"]
mod ways;
