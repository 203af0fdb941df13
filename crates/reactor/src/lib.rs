//! What happens in one turn?
//!
//! A [`Loop`] owns one driver, its timers, its callbacks and its tasks, and lives on one thread.
//! Other threads reach it through its [`Remote`]. One [turn](Loop::turn) does, in this order:
//!
//! 1. timers that have expired;
//! 2. ready callbacks and tasks, first in first out, at most [`Budget::ready`] of them; what they add
//!    waits for the next turn;
//! 3. the wait, until a descriptor is ready, the next timer is due or another thread calls;
//! 4. what became ready: callbacks of descriptors run, waiting tasks become ready;
//! 5. what other threads sent.
//!
//! ```
//! use std::{cell::RefCell, rc::Rc, time::Duration};
//! use switchboard_reactor::Loop;
//!
//! let lp = Loop::new(switchboard_driver::Driver::best())?;
//! let seen = Rc::new(RefCell::new(Vec::new()));
//! for (delay, word) in [(2, "world"), (1, "hello")] {
//!     let seen = seen.clone();
//!     lp.call_later(Duration::from_millis(delay), move || seen.borrow_mut().push(word));
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

/// What sockets, sleeps and blocking flows of other crates are built on.
#[doc(hidden)]
pub mod plumbing {
    pub use crate::event_loop::{Descriptor, Sockets, SystemCall, Transfer, uninterrupted};
}

pub use budget::Budget;
pub use event_loop::{Direction, Handle, Loop, Outcome, Registration, Remote, Task, completes};
pub use hooks::{Hooks, Name, Quiet, Stall, TurnReport};
pub use signals::SignalPipe;
pub use switchboard_driver::{Driver, Interest, Ready};
pub use timers::{TimerKey, Timers};
