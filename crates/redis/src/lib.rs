//! Connections to a Redis server over Switchboard's streams: plain or with TLS, logged in, commands out and replies in.
//!
//! [`RedisUrl`] says where a server is, [`log_in`] connects, and a [`Wire`] carries commands and replies, some of them
//! under way at once. A [`Failure`] says in one line why it cannot, and whether another try is of use. There is no pool
//! and no reconnecting here: who uses it knows what has to be said again.
//!
//! ```no_run
//! use switchboard_redis::{Failure, RedisUrl, ask, log_in, text};
//!
//! async fn version(url: &RedisUrl) -> Result<String, Failure> {
//!     let mut wire = log_in(url).await?;
//!     let info = text(ask(&mut wire, &["INFO", "server"]).await?);
//!     let line = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
//!     Ok(line.unwrap_or_default().to_owned())
//! }
//! ```
#![forbid(unsafe_code)]

mod failure;
mod login;
mod url;
mod warn;
mod wire;

pub use failure::Failure;
pub use login::{ask, log_in, text};
pub use url::RedisUrl;
pub use warn::warn;
pub use wire::{Reply, Resp2Frame, Wire};
