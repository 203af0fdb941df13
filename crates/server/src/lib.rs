//! Servers for every concurrency model: accepting, capacity, workers, drain.
//!
//! A [`Server`] holds the settings: the model, the workers, the capacity. [`Bound`] has an address and
//! runs a handler for each connection until the server is stopped. One accept loop serves every model:
//!
//! ```text
//!   serve ── waits for a signal, the end of stdin or the stop handle
//!     └─ worker × N (threads, or supervised processes)
//!          └─ accept loop: permit, accept, dispatch, repeat; back-off when no descriptor is left
//!               └─ connection × many: a task, a stack, a thread, a pooled thread, a process, or in turn
//! ```
//!
//! Files import downwards only: `server` (the builder) → `bound` (the ways to serve) → `workers` →
//! `processes`, `dispatch` → `waiting` → `accept`, `connection`, `listing` → `observer` → `shared` (permits,
//! counts, lag) → `setup` → `capacity`, `triggers` → `manager` (reloads, handing over) → `successor` →
//! `registry` → `passed`, `caught`, `stop`, `settings`, `addresses`, `proxies`, `reload`, `output`.
//!
//! ```
//! use std::io::{Read, Write};
//! use switchboard_server::{Model, Server};
//!
//! let server = Server::new().model(Model::Tasks).bind("127.0.0.1:0")?;
//! let addr = server.local_addr().to_string();
//! let stop = server.stop_handle();
//! let client = std::thread::spawn(move || {
//!     let mut stream = std::net::TcpStream::connect(addr).unwrap();
//!     stream.write_all(b"hello").unwrap();
//!     stream.shutdown(std::net::Shutdown::Write).unwrap();
//!     let mut echoed = String::new();
//!     stream.read_to_string(&mut echoed).unwrap();
//!     stop.stop();
//!     echoed
//! });
//! let report = server.serve(|stream| async move {
//!     loop {
//!         let chunk = stream.recv().await?;
//!         if chunk.is_empty() {
//!             return std::io::Result::Ok(());
//!         }
//!         stream.write_all(&chunk).await?;
//!     }
//! })?;
//! assert_eq!(client.join().unwrap(), "hello");
//! assert_eq!(report.accepted, 1);
//! # std::io::Result::Ok(())
//! ```
#![forbid(unsafe_code)]

mod accept;
mod addresses;
mod bound;
mod capacity;
mod caught;
mod connection;
mod counts;
mod dispatch;
mod lag;
mod listing;
mod manager;
mod notify;
mod observer;
mod output;
mod passed;
mod permits;
mod processes;
mod proxies;
mod registry;
mod reload;
mod server;
mod settings;
mod setup;
mod shared;
mod stop;
mod successor;
mod triggers;
mod unix_socket;
#[cfg(target_os = "linux")]
mod waiting;
#[cfg(not(target_os = "linux"))]
#[path = "waiting_unsupported.rs"]
mod waiting;
mod workers;

pub use bound::Bound;
pub use capacity::{descriptor_capacity, raise_descriptor_limit};
#[doc(hidden)]
pub use counts::Count;
pub use counts::Report;
pub use lag::Lag;
pub use observer::{Observer, OpenConnection};
pub use output::HandlerOutput;
pub use passed::has_passed_sockets;
pub use reload::Reload;
pub use server::Server;
pub use settings::Workers;
pub use stop::Stop;
pub use switchboard_runtime::{Driver, Hooks, Model};
