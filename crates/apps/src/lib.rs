//! What do we say? Each service is written once and runs under every model.
#![forbid(unsafe_code)]

mod echo;
pub mod slow_site;

pub use echo::{EchoProtocol, echo, echo_plain};
