//! An event loop: timers, callbacks, tasks, descriptors and signals on one thread.
//!
//! A [`Loop`] owns one driver, its timers, its callbacks and its tasks, and stays on one thread. Other
//! threads reach the loop through its [`Remote`]. One [turn](Loop::turn) has these steps, in this order:
//!
//! 1. Expired timers run.
//! 2. Ready callbacks and tasks run, first in, first out, at most [`Budget::ready`] of them. Callbacks and
//!    tasks that become ready meanwhile run in the next turn.
//! 3. The loop waits until a descriptor is ready, the next timer expires or another thread notifies the
//!    loop.
//! 4. Events are dispatched: callbacks of descriptors run, waiting tasks become ready.
//! 5. Calls and wakes from other threads are received, to run in the next turn.
//!
//! ```
//! use std::{cell::RefCell, rc::Rc, time::Duration};
//! use switchboard_reactor::Loop;
//!
//! let lp = Loop::new(switchboard_driver::Driver::best())?;
//! let (seen, start) = (Rc::new(RefCell::new(Vec::new())), lp.now());
//! for (delay, word) in [(2, "world"), (1, "hello")] {
//!     let (seen, due) = (seen.clone(), start + Duration::from_millis(delay));
//!     lp.call_at(due, move || seen.borrow_mut().push(word));
//! }
//! lp.run_until_empty()?;
//! assert_eq!(*seen.borrow(), ["hello", "world"]);
//! # std::io::Result::Ok(())
//! ```
#![deny(unsafe_code)]

mod budget;
mod event_loop;
mod hooks;
mod inbox;
mod signals;
mod stopwatch;
mod sync;
mod timers;

/// The interface that sockets, sleeps and blocking flows of other crates are built on.
#[doc(hidden)]
pub mod plumbing {
    pub use crate::event_loop::{
        Descriptor, Posts, Registration, Sockets, SystemCall, Transfer, uninterrupted,
    };
}

pub use budget::Budget;
pub use event_loop::{
    Activity, CallbackKey, Direction, Handle, Loop, Outcome, Remote, Task, Waiting, completes,
};
pub use hooks::{Closed, Ending, Hooks, Log, Name, Opened, Quiet, Stall, Traffic, TurnReport};
pub use signals::SignalPipe;
pub use switchboard_driver::{Driver, Interest, Ready};
pub use timers::{TimerKey, Timers};
