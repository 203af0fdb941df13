//! Ready-made services, an echo server and a slow web site, which run under every model.
#![forbid(unsafe_code)]

mod echo;
pub mod slow_site;

pub use echo::{EchoProtocol, echo, echo_plain};
