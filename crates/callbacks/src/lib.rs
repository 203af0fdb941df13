//! Programs written as callbacks, over any event loop.
//!
//! | style | types |
//! |---|---|
//! | an object for each connection, called with received bytes | [`Protocol`], [`Transport`] |
//! | an object for each socket, called when the socket is ready | [`Dispatcher`], [`Channels`] |
//! | an object for each connection, called with whole messages | [`AsyncChat`], [`ChatHandler`] |
//! | callbacks added to a future result | [`Deferred`], [`DeferredList`] |
//!
//! All callbacks run on one thread, and each returns before the next is called. They share data in an
//! `Rc<RefCell<…>>` without a lock. A callback that blocks or computes for long delays all others.
#![forbid(unsafe_code)]

mod chat;
mod connect;
mod deferred;
mod dispatcher;
mod protocol;

pub use chat::{AsyncChat, Chat, ChatHandler, Producer, Terminator};
pub use connect::{ServerHandle, create_connection, create_server, run, start, stop};
pub use deferred::{
    Cancelled, Canceller, Deferred, DeferredFuture, DeferredList, Failure, Outcome, Resolver,
    Unhandled, set_unhandled,
};
pub use dispatcher::{Channel, Channels, Dispatcher};
pub use protocol::{Connection, Protocol, Transport};
