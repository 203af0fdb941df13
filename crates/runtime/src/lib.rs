//! Who waits, and how?
//!
//! A *flow* is one line of work: a connection, a job. A [`Model`] is a way of waiting, and everything
//! here means the same under each of them: [`spawn`], [`sleep`], [`timeout`], [`scope`], [`gather`],
//! [`channel`], [`Event`], [`run_blocking`], and [`Source`], which sockets are made of.
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

mod blocking;
mod event;
pub mod green;
mod io;
mod model;
mod spawn;
mod sync;
mod threads;
mod time;

pub use async_channel::{Receiver, Sender};
pub use event::Event;
pub use futures_lite::future::{or as race, zip as join};
pub use io::future::OperationFuture;
pub use io::send_all::SendAll;
pub use io::source::Source;
pub use model::{Dispatch, Model, Refusal, Style, UnknownModel, Wait};
pub use spawn::gather::gather;
pub use spawn::join::{JoinError, JoinHandle, panic_message};
pub use spawn::run_each::{JobError, run_each};
pub use spawn::scope::{Scope, ScopeHandle, scope};
pub use spawn::{is_on_loop, launch, launch_detached, spawn, spawn_local};
pub use switchboard_driver::Chunk;
pub use switchboard_reactor::{Direction, Driver, Hooks, Loop};
pub use threads::capacity::{process_capacity, thread_capacity, threads_alive};
pub use threads::offload::{OffloadStats, offload_stats, run_blocking};
pub use time::{Elapsed, Sleep, now, sleep, timeout, yield_now};

/// A bounded channel between flows of any model: `send` waits while `capacity` messages are in it.
///
/// # Panics
/// If `capacity` is zero.
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    async_channel::bounded(capacity)
}
