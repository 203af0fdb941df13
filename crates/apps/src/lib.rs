//! Ready-made services, which run under every model: an echo server, a proxy and a slow web site.
#![forbid(unsafe_code)]

mod echo;
pub mod proxy;
pub mod slow_site;

pub use echo::{EchoProtocol, echo, echo_plain};
