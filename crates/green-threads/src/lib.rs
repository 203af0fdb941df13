//! Green threads as futures: a function runs on a stack of its own, and a wait suspends that stack.
//!
//! A [`Green`] is a future. Each poll switches to the green thread's stack and runs the function until
//! it ends or waits. A wait is [`block_on`]: it polls a future with the context of the outer poll, and
//! while that future is pending it switches back.
//!
//! ```text
//!   the executor's stack                        the green thread's own stack
//!   ────────────────────                        ────────────────────────────
//!   Green::poll(context) ──────── resume ─────► f()
//!                                                ├─ plain code, plain calls
//!                                                └─ block_on(future)
//!                                                     future.poll(context): pending
//!   Poll::Pending ◄────────────── suspend ────────────┘   its frames stay where they are
//!   (runs other tasks until the waker is called)
//!   Green::poll(context) ──────── resume ────────────►    future.poll(context): ready
//!                                                     f() continues after block_on
//!   Poll::Ready(result) ◄──────── f returns ──────────┘
//! ```
//!
//! So every executor can run a green thread, a green thread can wait for every future, and this crate
//! needs no scheduler.
//!
//! ```
//! use futures_lite::future::{block_on, yield_now, zip};
//! use switchboard_green_threads::{self as green, Green};
//!
//! let count = |name: &'static str| {
//!     Green::new(move || {
//!         for number in 1..=3 {
//!             println!("{name} {number}");
//!             // A plain call instead of an `await`: it suspends this stack.
//!             green::block_on(yield_now()).unwrap();
//!         }
//!     })
//! };
//! block_on(zip(count("a")?, count("b")?));
//! # std::io::Result::Ok(())
//! ```
//!
//! A green thread stays on the thread that created it, so thread-local values are the same before and
//! after a wait.

mod current;
mod memory;
mod overflow;
mod stacks;
mod thread;

pub use current::{hide_current, is_current, is_unwinding};
pub use stacks::{Stats, set_stack_size, stats};
pub use thread::{Green, NotGreen, block_on};
