//! One request and its answer at a time over a connection that the caller holds: the client's side of HTTP/1, for
//! proxies.
//!
//! ```text
//!   RequestHead          the bytes of a head, written once and sent again if the connection had died
//!   ClientConnection     send: the head, the body as it comes, and meanwhile the head of the answer
//!     pump                 the request's body, by polls
//!     answer               the answer's body; at its end the connection is handed back
//! ```

mod answer;
mod connection;
mod pump;
mod request;

pub use crate::h1::response::ConnectionFields;

pub use self::connection::{ClientConnection, ExchangeError, ExchangeLimits, ExchangePhase};
pub use self::request::RequestHead;
