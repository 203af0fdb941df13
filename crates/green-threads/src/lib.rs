//! What if a stack could wait?
//!
//! A [`Green`] thread is a function on a stack of its own. It is a future too: whoever polls it switches to
//! its stack, and when it has to wait it switches back. So any executor can run it, and it waits for
//! any future, by [`block_on`].
//!
//! ```
//! use futures_lite::future::{block_on, yield_now, zip};
//! use switchboard_green_threads::{self as green, Green};
//!
//! let count = |name: &'static str| {
//!     Green::new(move || {
//!         for number in 1..=3 {
//!             println!("{name} {number}");
//!             // Plain code, no `await`: its stack is put aside.
//!             green::block_on(yield_now()).unwrap();
//!         }
//!     })
//! };
//! block_on(zip(count("a")?, count("b")?));
//! # std::io::Result::Ok(())
//! ```
//!
//! It stays on the thread where it was made: thread-locals that it looks at on both sides of a wait are
//! the same.

mod memory;
mod overflow;
mod stacks;
mod thread;

pub use stacks::{Stats, set_stack_size, stats};
pub use thread::{Green, HideCurrent, NotGreen, block_on, is_current, is_unwinding};
