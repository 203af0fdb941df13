//! Ready-made services, which run under every model: an echo server, the files of a folder, a proxy and a slow
//! web site.
#![forbid(unsafe_code)]

pub mod access;
mod date;
mod echo;
mod echo_websocket;
pub mod files;
pub mod proxy;
pub mod slow_site;

pub use echo::{EchoProtocol, echo, echo_plain};
pub use echo_websocket::{EchoHandler, echo_options, echo_websocket};
