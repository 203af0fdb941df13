//! Synchronisation between flows of any model: locks, permits, signals and channels.
//!
//! Everything here needs nothing but a waker. It therefore works under every model, between flows of
//! different models and threads, and [outside of any flow](crate#outside-of-any-flow).
//!
//! | to | take |
//! |---|---|
//! | protect a value while waiting | [`Mutex`], [`RwLock`] |
//! | limit how many flows do something | [`Semaphore`] |
//! | compute a value once | [`OnceCell`] |
//! | meet at a point | [`Barrier`] |
//! | wait for a flag | [`Event`] |
//! | wake one flow, or all that wait | [`Notify`] |
//! | tell a tree of flows to stop | [`CancellationToken`] |
//! | send each message to one of several receivers | [`channel()`] |
//! | send each message to all receivers | [`broadcast`] |
//! | send one message | [`oneshot`] |
//! | show the latest value | [`watch`] |
//!
//! A `std::sync::Mutex` is right where no `.await` happens while it is held, under every model.
//!
//! A future that waits may be dropped at any time. A wake-up, a permit or a message that was meant for it
//! goes to another flow that waits, or to the next one that does.
//!
//! The locks are those of the crate `async-lock`, the broadcast channel is that of `async-broadcast`. Their
//! methods with `blocking` in the name block the thread, also in a task; plain code waits with
//! [`green::block_on`](crate::green::block_on) instead. In the examples of re-exported types, read
//! `async_lock::x` as `switchboard::sync::x`, `async_channel::x` as `switchboard::x`, and `async_broadcast::x`
//! as `switchboard::sync::broadcast::x`.
//!
//! ```
//! use std::sync::Arc;
//! use switchboard_runtime::{self as runtime, Model, sync::Mutex};
//!
//! for model in [Model::Threads, Model::Tasks, Model::Green] {
//!     let total = Arc::new(Mutex::new(0));
//!     let own = total.clone();
//!     let sum = model.run(async move {
//!         let adds = (1..=10).map(|number| {
//!             let own = own.clone();
//!             async move {
//!                 let mut total = own.lock().await;
//!                 runtime::yield_now().await;
//!                 *total += number;
//!             }
//!         });
//!         runtime::gather(adds.map(runtime::spawn)).await;
//!         *own.lock().await
//!     })?;
//!     assert_eq!(sum, 55);
//! }
//! # std::io::Result::Ok(())
//! ```

mod cancellation;
mod notify;
pub mod oneshot;
pub mod watch;

pub use async_lock::{
    Barrier, BarrierWaitResult, Mutex, MutexGuard, MutexGuardArc, OnceCell, RwLock,
    RwLockReadGuard, RwLockReadGuardArc, RwLockUpgradableReadGuard, RwLockUpgradableReadGuardArc,
    RwLockWriteGuard, RwLockWriteGuardArc, Semaphore, SemaphoreGuard, SemaphoreGuardArc,
};

pub use self::cancellation::{CancellationToken, DropGuard};
pub use self::notify::{Notified, Notify};
pub use crate::{Event, Receiver, Sender, channel};

/// A channel whose messages go to every receiver.
///
/// The channel differs from tokio's in these points:
///
/// - A sender waits for the slowest receiver while `capacity` messages are in the channel. For a sender that
///   never waits, call [`set_overflow(true)`](broadcast::Sender::set_overflow): the oldest messages are
///   dropped, and a receiver learns by [`RecvError::Overflowed`](broadcast::RecvError) how many it missed.
/// - The channel closes with its last active or inactive receiver. Keep
///   [`receiver.deactivate()`](broadcast::Receiver::deactivate), which takes no messages, where receivers come
///   and go. A message that is sent while there is no active receiver waits for one;
///   [`set_await_active(false)`](broadcast::Sender::set_await_active) makes it an error instead.
/// - Subscribe with [`sender.new_receiver()`](broadcast::Sender::new_receiver), which gets the messages that
///   are sent from then on. A clone of a receiver also gets those that the receiver has not taken yet.
///
/// Dropping a future of `recv` or `broadcast_direct` loses no message. In the examples of these types, read
/// `async_broadcast::x` as `switchboard::sync::broadcast::x`; the function `channel` is called `broadcast`
/// there.
///
/// ```
/// use switchboard_runtime::{Model, sync::broadcast};
///
/// let (sender, mut first) = broadcast::channel(2);
/// let mut second = first.clone();
/// let heard = Model::Tasks.run(async {
///     sender.broadcast_direct("hello").await.unwrap();
///     (first.recv().await, second.recv().await)
/// })?;
/// assert_eq!(heard, (Ok("hello"), Ok("hello")));
/// # std::io::Result::Ok(())
/// ```
pub mod broadcast {
    pub use async_broadcast::{
        InactiveReceiver, Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError,
        broadcast as channel,
    };
}

// The atomic types of `blocking::parker`, which the model checks in `loom/` replace with loom's.
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};

pub(crate) use switchboard_driver::NotifyFd;
