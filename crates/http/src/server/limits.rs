//! What a server's clients may take.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::h1::head::HeadLimits;

/// The limits of a server's connections. A connection that exceeds one ends with an error that names it, and is
/// answered first where an answer is due.
///
/// There is no limit for a whole upload, download or answer: a long one is served for as long as it moves.
///
/// In HTTP/2 the head of a request has 16 KiB at most, or [`head_bytes`](ServerLimits::head_bytes) if that is
/// less: its fields without compression, each counted with 32 bytes more. A head that exceeds a limit is
/// answered with the same status, and the connection goes on. A body that exceeds a limit fails in its handler.
/// The bytes that a client takes are counted for all answers of its connection together, and looked at once in
/// [`write_idle`](ServerLimits::write_idle). Clients that take back most of their requests, begin heads that have no end, or
/// send frames that carry nothing are cut off: bytes of such frames and of the answers to them may be 1 MiB in a
/// minute, and 8 times the bytes of those that carry requests and answers.
///
/// ```
/// use std::time::Duration;
/// use switchboard_http::ServerLimits;
///
/// let limits = ServerLimits { head_time: Duration::from_secs(5), ..ServerLimits::default() };
/// assert_eq!(limits.head_bytes, 64 * 1024);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Time from the first byte of a request's head to its last, and from the start of a connection to the
    /// first byte; 30 seconds. Exceeded, the answer is 408.
    pub head_time: Duration,
    /// The most bytes of a head; 64 KiB. Exceeded, the answer is 431.
    pub head_bytes: usize,
    /// The most fields of a head; 100. Exceeded, the answer is 431.
    pub fields: usize,
    /// The most bytes of a request's URI; 8 KiB. Exceeded, the answer is 414.
    pub uri_bytes: usize,
    /// The most bytes of a request's body; no limit. Exceeded, the answer is 413.
    pub body_bytes: u64,
    /// Time between two pieces of a request's body, while the handler waits for one; 60 seconds. Exceeded, the
    /// answer is 408.
    pub body_idle: Duration,
    /// Time in which the client must take some bytes of an answer; 60 seconds.
    pub write_idle: Duration,
    /// The least bytes per second of a request's body and of an answer, on average over the time in which the
    /// server waits for the client; 1 KiB. Zero for no limit.
    pub min_rate: u64,
    /// The time of waiting for which [`min_rate`](ServerLimits::min_rate) does not count; 20 seconds.
    pub rate_grace: Duration,
    /// Time between an answer and the next request; 75 seconds. Exceeded, the connection is closed without an
    /// error.
    pub keep_alive_idle: Duration,
    /// The most requests of a connection; 1,000. The last answer tells the client by `connection: close`, or
    /// GOAWAY.
    pub requests: u64,
    /// The requests that a connection of HTTP/2 may have open at once; 100. Those beyond are refused, and the
    /// client may repeat them.
    pub streams: u32,
}

impl Default for ServerLimits {
    fn default() -> ServerLimits {
        ServerLimits {
            head_time: Duration::from_secs(30),
            head_bytes: 64 * 1024,
            fields: 100,
            uri_bytes: 8 * 1024,
            body_bytes: u64::MAX,
            body_idle: Duration::from_secs(60),
            write_idle: Duration::from_secs(60),
            min_rate: 1024,
            rate_grace: Duration::from_secs(20),
            keep_alive_idle: Duration::from_secs(75),
            requests: 1_000,
            streams: 100,
        }
    }
}

impl ServerLimits {
    pub(super) fn head(&self) -> HeadLimits {
        HeadLimits {
            bytes: self.head_bytes,
            fields: self.fields,
            uri: self.uri_bytes,
        }
    }

    /// Returns the defaults, which all connections share.
    pub(super) fn shared() -> Arc<ServerLimits> {
        static SHARED: LazyLock<Arc<ServerLimits>> = LazyLock::new(Arc::default);
        SHARED.clone()
    }
}
