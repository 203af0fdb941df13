//! What if the loop calls me? Objects and callbacks over any event loop.
//!
//! | written as | look at |
//! |---|---|
//! | an object for each connection, called with what has come | [`Protocol`], [`Transport`] |
//! | an object for each socket, called when that is ready | [`Dispatcher`], [`Channels`] |
//! | messages that end with a terminator | [`AsyncChat`], [`ChatHandler`] |
//! | what is to be done with a result that will come | [`Deferred`], [`DeferredList`] |
//!
//! All run on one loop and one thread: a callback runs to its end before the next begins. So what they
//! share is an `Rc<RefCell<…>>` and needs no lock; and while one computes or waits, nobody else is served.
#![forbid(unsafe_code)]

mod chat;
mod connect;
mod deferred;
mod dispatcher;
mod protocol;
mod transport;

pub use chat::{AsyncChat, Chat, ChatHandler, Producer, Terminator};
pub use connect::{ServerHandle, create_connection, create_server, run, start, stop};
pub use deferred::{
    Cancelled, Canceller, Deferred, DeferredFuture, DeferredList, Failure, Outcome, Resolver,
    Unhandled, set_unhandled,
};
pub use dispatcher::{Channel, Channels, Dispatcher};
pub use protocol::{Connection, Protocol};
pub use transport::Transport;
