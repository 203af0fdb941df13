//! Flows under every concurrency model: one API to start flows and to wait, for blocking threads,
//! processes, tasks and green threads.
//!
//! A *flow* is one line of work: a connection, a job, what [`spawn`] starts. A [`Model`] decides how flows
//! wait. The functions and types of this crate behave the same under each model: [`spawn`], [`sleep`],
//! [`timeout`], [`scope`], [`gather`], [`channel`], [`Event`], [`run_blocking`], and [`Source`], which
//! sockets are made of.
//!
//! A flow whose operation would block waits in one of three ways:
//!
//! ```text
//!                    what waits                                     models
//!   ─┬─ blocking     the thread, in the system call or in poll(2)   blocking, threads, pool, processes
//!    ├─ task         the future: it returns `Pending`, the loop     tasks, callbacks
//!    │               runs other flows and polls it again
//!    └─ stack        the green thread: its stack is suspended,      green
//!                    the loop runs other flows and resumes it
//! ```
//!
//! Under the first and the third, plain code may wait too; see [`green`].
//!
//! ```
//! use std::time::Duration;
//! use switchboard_runtime::{self as runtime, Model};
//!
//! for model in [Model::Threads, Model::Tasks] {
//!     let sum = model.run(async {
//!         let (sender, receiver) = runtime::channel(1);
//!         let producer = runtime::spawn(async move {
//!             for number in 1..=3 {
//!                 runtime::sleep(Duration::from_millis(1)).await;
//!                 sender.send(number).await.unwrap();
//!             }
//!         });
//!         let mut sum = 0;
//!         while let Ok(number) = receiver.recv().await {
//!             sum += number;
//!         }
//!         producer.await.unwrap();
//!         sum
//!     })?;
//!     assert_eq!(sum, 6);
//! }
//! # std::io::Result::Ok(())
//! ```

//! # Outside of any flow
//!
//! A flow begins with [`Model::run`], [`run_each`], [`spawn`], or, in plain code, with [`green::block_on`]. A
//! future that a foreign executor polls is in no flow. There, one rule holds:
//!
//! | | outside of any flow |
//! |---|---|
//! | what waits for the kernel: operations of a [`Source`], and of sockets, [`pipe`]s, [`signal`]s and the ends of a [`process`], which are made of them | fails with `Unsupported` at its first poll, also if it would not have to wait |
//! | what waits for time: [`Sleep`], [`Timeout`], [`Interval`] | panics when it is polled, with the same text |
//! | what waits for another flow: [`channel`], [`sync`], [`Event`], [`JoinHandle`], [`JoinSet`], [`gather`] | works: it needs nothing but a waker |
//! | [`run_blocking`], and [`fs`] by it | works, and so does its handle |
//! | [`spawn`] | starts a thread, as model `threads` does; [`spawn_local`] is refused |
//! | plain code that waits: [`green`], [`Source::block_read`], [`JoinHandle::join`] | blocks the thread |
//!
//! The text names [`Model::run`] and [`green::block_on`]. No future blocks the thread, so a foreign
//! executor is never held.
//!
//! A foreign executor that blocks inside of a flow holds that flow, so what it waits for does not come.
//! [`green::block_on`] waits there.
//!
//! Runs nest where this stops no loop. A model without a loop can run within any flow, and blocks its thread.
//! A model with a loop can run within a blocking flow. On a thread where a loop runs already it is refused
//! with `Unsupported`, and the error names both models.
//!
//! ```
//! use std::io;
//! use std::time::Duration;
//! use futures_lite::future::block_on;
//! use switchboard_runtime::{self as runtime, Direction, Model, Source, green};
//!
//! let (_there, here) = std::os::unix::net::UnixStream::pair()?;
//! let source = Source::new(here.into());
//! let refused = block_on(source.ready(Direction::Write)).unwrap_err();
//! assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
//! green::block_on(source.ready(Direction::Write))??;
//!
//! let within = Model::Tasks.run(async { Model::Green.run(async {}) })?;
//! let text = within.unwrap_err().to_string();
//! assert!(text.starts_with("model `green` cannot run within a flow of model `tasks`"));
//! # std::io::Result::Ok(())
//! ```

#![forbid(unsafe_code)]

mod blocking;
mod combine;
mod event;
pub mod fs;
pub mod green;
mod io;
mod model;
pub mod pipe;
pub mod process;
pub mod signal;
mod spawn;
pub mod stdio;
pub mod sync;
mod threads;
mod time;

/// The receiving end of a [`channel`]. In the examples below, read `async_channel::bounded` as
/// `switchboard::channel`, and `async_channel::x` as `switchboard::x`.
#[doc(inline)]
pub use async_channel::Receiver;
/// The sending end of a [`channel`]. In the examples below, read `async_channel::bounded` as
/// `switchboard::channel`, and `async_channel::x` as `switchboard::x`.
#[doc(inline)]
pub use async_channel::Sender;
pub use async_channel::{
    RecvError, SendError, TryRecvError, TrySendError, WeakReceiver, WeakSender,
};
pub use combine::{join, race};
pub use event::Event;
pub use io::future::OperationFuture;
pub use io::post::Post;
pub use io::send_all::SendAll;
pub use io::source::{Source, WeakSource};
pub use model::{Dispatch, Model, Refusal, Style, UnknownModel, Wait};
pub use spawn::gather::gather;
pub use spawn::join::{JoinError, JoinHandle, panic_message};
pub use spawn::join_set::JoinSet;
pub use spawn::run_each::{JobError, run_each};
pub use spawn::scope::{Scope, ScopeHandle, scope};
pub use spawn::span::{FlowSpan, InSpan};
pub use spawn::{is_on_loop, launch, launch_detached, launch_local, spawn, spawn_local};
pub use stdio::{stdin, stdout};
pub use switchboard_driver::Chunk;
pub use switchboard_reactor::plumbing::Transfer;
pub use switchboard_reactor::{Activity, Direction, Driver, Hooks, Loop, Name, Waiting};
pub use threads::capacity::{process_capacity, thread_capacity, threads_alive};
pub use threads::offload::{OffloadStats, offload_stats, run_blocking, run_lookup};
pub use time::{
    Elapsed, Interval, MissedTickBehavior, Sleep, Timeout, interval, interval_at, now, sleep,
    sleep_until, timeout, timeout_at, yield_now,
};

/// Returns the two ends of a bounded channel between flows of any model.
///
/// [`Sender::send`] waits while `capacity` messages are in the channel, and fails once every receiver is
/// dropped. [`Receiver::recv`] waits for a message, and fails once the channel is empty and every sender is
/// dropped.
///
/// # Panics
/// If `capacity` is zero.
///
/// ```
/// use switchboard_runtime::{self as runtime, Model};
///
/// let (sender, receiver) = runtime::channel(1);
/// let received = Model::Threads.run(async {
///     sender.send("hello").await.unwrap();
///     receiver.recv().await
/// })?;
/// assert_eq!(received, Ok("hello"));
/// # std::io::Result::Ok(())
/// ```
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    async_channel::bounded(capacity)
}
