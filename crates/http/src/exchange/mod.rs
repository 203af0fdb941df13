//! One request and its answer at a time over a connection that the caller holds: the client's side of HTTP/1, for
//! proxies.
//!
//! ```text
//!   RequestHead          the bytes of a head, written once and sent again if the connection had died
//!   ClientConnection     send: the head, the body as it comes, and meanwhile the head of the answer
//!     waiting              the time up to the end of the answer's head
//!     pump                 the request's body, by polls
//!     answer               the answer's body; at its end the connection is handed back
//! ```

mod answer;
mod connection;
mod error;
mod io;
mod limits;
mod pump;
mod request;
mod waiting;

pub use crate::h1::response::ConnectionFields;

pub use self::connection::ClientConnection;
pub use self::error::{ExchangeError, ExchangePhase};
pub use self::limits::ExchangeLimits;
pub use self::request::RequestHead;
