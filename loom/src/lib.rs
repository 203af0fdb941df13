//! Model checks of Switchboard's wake-ups, in every order of their steps.
//!
//! The checked files are those of the reactor and the runtime. Their `crate::sync` is replaced by loom's
//! types here, and the number of a task by a model of it.

#![allow(dead_code, reason = "the checks use a part of the files")]

mod id;
#[path = "../../crates/reactor/src/inbox.rs"]
mod inbox;
#[path = "../../crates/reactor/src/event_loop/task/join.rs"]
mod join;
#[path = "../../crates/runtime/src/blocking/parker.rs"]
mod parker;
mod sync;

#[cfg(test)]
mod tests;
