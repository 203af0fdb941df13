//! A network runtime: one handler runs under every concurrency model.
//!
//! A handler is an async function that says *what* it waits for. A [`Model`] says *how*: by a blocking
//! call in a thread, by one in a forked process, or by suspending a task or a stack on an event loop.
//!
//! ```no_run
//! use switchboard::{Model, Server, Stream};
//!
//! async fn shout(stream: Stream) -> std::io::Result<()> {
//!     loop {
//!         let chunk = stream.recv().await?;
//!         if chunk.is_empty() {
//!             return stream.shutdown_write();
//!         }
//!         stream.write_all(&chunk.to_ascii_uppercase()).await?;
//!     }
//! }
//!
//! let model: Model = std::env::args().nth(1).as_deref().unwrap_or("tasks").parse()?;
//! let server = Server::new().model(model).on_signals(true).bind("127.0.0.1:7007")?;
//! println!("{}", server.local_addr());
//! server.serve(shout)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Inside a handler [`spawn`], [`sleep`], [`timeout`], [`scope`], [`gather`], [`race`], [`channel`],
//! [`Event`] and [`run_blocking`] wait in the model's own way. A model refuses what it cannot do with an
//! error that names the model, the operation, and a model that can.
//!
//! The items of this page come from several crates, whose examples name those crates. Read
//! `switchboard_runtime::x`, `switchboard_net::x` or `switchboard_server::x` in an example as `switchboard::x`,
//! `async_channel::x` as `switchboard::x` (`bounded` is [`channel()`]), and `async_lock::x` as `switchboard::sync::x`.
//!
//! | for | see |
//! |---|---|
//! | connections | [`Stream`], [`Listener`], [`Incoming`], [`copy()`], [`Lines`], [`Frames`] |
//! | datagrams | [`UdpSocket`], [`UnixDatagram`] |
//! | TLS | [`tls`] |
//! | a server | [`Server`] |
//! | objects whose methods the loop calls, and deferreds | [`callbacks`] |
//! | computation in other processes | [`process_pool`] |
//! | HTTP servers | [`http`] |
//! | an HTTP client | [`fetch`] |
//! | a crawler | [`crawl`] |
//! | WebSocket | [`websocket`] |
//! | files over HTTP, access logs, and other services | [`apps`] |
//! | flows without a server | [`Model::run`], [`run_each`] |
//! | plain functions that wait, in green threads or threads | [`green`] |
//! | locks, permits, notifications and channels between flows | [`sync`] |
//! | child processes, pipes, standard input and output | [`process`], [`pipe`], [`stdio`] |
//! | files | [`fs`] |
//! | signals of the process | [`signal`] |
//! | callbacks, timers, signals on a loop | [`reactor`] |
#![forbid(unsafe_code)]

pub use switchboard_apps as apps;
pub use switchboard_callbacks as callbacks;
pub use switchboard_crawl as crawl;
pub use switchboard_fetch as fetch;
pub use switchboard_http as http;
pub use switchboard_net::{
    Accepted, Addr, BindOptions, Chunk, Copier, DescriptorLimit, Frames, Incoming, Lines, Listener,
    OwnedReadHalf, OwnedWriteHalf, PlainStream, ReadHalf, ReuniteError, Stream, Target,
    TcpKeepalive, TcpListener, TcpStream, ToTarget, UdpSocket, UnixDatagram, UnixListener,
    UnixStream, WeakStream, WriteHalf, connect_any, copy, copy_bidirectional, resolve,
};
pub use switchboard_process_pool as process_pool;
pub use switchboard_reactor as reactor;
pub use switchboard_runtime::{
    Activity, Direction, Driver, Elapsed, Event, Interval, JobError, JoinError, JoinHandle,
    JoinSet, MissedTickBehavior, Model, Name, OffloadStats, OperationFuture, Receiver, RecvError,
    Refusal, Scope, SendError, Sender, Sleep, Source, Style, Timeout, Transfer, TryRecvError,
    TrySendError, UnknownModel, Waiting, WeakReceiver, WeakSender, channel, fs, gather, green,
    interval, interval_at, join, now, offload_stats, pipe, process, race, run_blocking, run_each,
    run_lookup, scope, signal, sleep, sleep_until, spawn, spawn_local, stdin, stdio, stdout, sync,
    thread_capacity, timeout, timeout_at, yield_now,
};
pub use switchboard_server::{
    Bound, HandlerOutput, Hooks, Lag, Observer, OpenConnection, Reload, Report, Server, Stop,
    Workers, descriptor_capacity, has_passed_sockets, raise_descriptor_limit,
};
pub use switchboard_tls as tls;
pub use switchboard_websocket as websocket;

/// Compiles the programs in the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// Compiles the programs in the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide.md")]
struct Guide;
