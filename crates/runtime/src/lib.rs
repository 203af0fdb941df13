//! Who waits, and how?
//!
//! A *flow* is one line of work: a connection, a job. A [`Model`] is a way of waiting, and everything
//! here means the same under each of them: [`spawn`], [`sleep`], [`timeout`], [`scope`], [`gather`],
//! [`channel`], [`Event`], [`run_blocking`], and [`Source`], which sockets are made of.
//!
//! ```
//! use std::time::Duration;
//! use switchboard_runtime::{self as runtime, Driver, Model};
//!
//! for model in [Model::Threads, Model::Tasks] {
//!     let sum = model.run(Driver::best(), async {
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

mod ask;
mod block;
mod budget;
mod calls;
mod event;
mod gather;
mod home;
mod jobs;
mod join;
mod model;
mod offload;
mod operation;
mod parker;
mod plain;
pub mod process;
mod room;
mod scope;
mod send_all;
mod source;
mod spawn;
mod sync;
mod time;

/// Plain code that waits: functions over `std::io::{Read, Write}` instead of futures.
///
/// In a green thread a wait puts the stack aside and the loop goes on; in a thread it blocks the thread.
/// So one function serves both. [`set_stack_size`](green::set_stack_size) says how large stacks are.
pub mod green {
    pub use crate::plain::{Pool, block_on, joinall, sleep, spawn};
    pub use switchboard_green_threads::{
        Green, NotGreen, Stats, is_current, set_stack_size, stats,
    };
}

pub use async_channel::{Receiver, Sender};
pub use event::Event;
pub use futures_lite::future::{or as race, zip as join};
pub use gather::gather;
pub use jobs::{JobError, run_each};
pub use join::{JoinError, JoinHandle, panic_message};
pub use model::{Model, Refusal, Style, UnknownModel};
pub use offload::{OffloadStats, offload_stats, run_blocking};
pub use operation::Operation;
pub use room::{process_room, thread_room, threads_alive};
pub use scope::{Scope, ScopeHandle, scope};
pub use send_all::SendAll;
pub use source::Source;
pub use spawn::{is_on_loop, launch, launch_detached, spawn, spawn_local};
pub use switchboard_driver::Chunk;
pub use switchboard_reactor::{Direction, Driver, Hooks, Loop};
pub use time::{Elapsed, Sleep, now, sleep, timeout, yield_now};

/// A bounded channel between flows of any model: `send` waits while `capacity` messages are in it.
///
/// # Panics
/// If `capacity` is zero.
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    async_channel::bounded(capacity)
}
