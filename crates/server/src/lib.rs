//! How does a server live?
//!
//! A [`Server`] is told how to wait and how many clients to hold; [`Bound`] has its address and runs
//! a handler for each connection until it is told to stop. One accept loop serves every model:
//!
//! ```text
//!   serve ── watches signals, stdin and the stop handle
//!     └─ worker × N (threads, or supervised processes)
//!          └─ accept loop: room? accept, start, repeat; out of descriptors: back off
//!               └─ connection × many: a task, a thread, one of a pool, a process, or inline
//! ```
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
//!             return Ok(());
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
mod connection;
mod counts;
mod limits;
mod processes;
mod server;
mod watch;
mod workers;

pub use counts::Report;
pub use limits::{descriptor_room, raise_descriptor_limit};
pub use server::{Bound, Server, Workers};
pub use switchboard_runtime::{Driver, Hooks, Model};
pub use watch::Stop;
