//! What a request may wait for.

use std::time::Duration;

/// How long one request may wait for the server.
///
/// ```
/// use switchboard_http::ExchangeLimits;
///
/// assert_eq!(ExchangeLimits::default().first_byte.as_secs(), 60);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeLimits {
    /// Time for sending a request that has no body, and from the last byte that was sent to the end of the answer's
    /// head: 60 s. It does not run while the request's body is waited for, which is its source's to bound.
    pub first_byte: Duration,
    /// Time between two pieces of the answer's body, or of the request's while that goes on: 60 s.
    pub body_idle: Duration,
}

impl Default for ExchangeLimits {
    fn default() -> ExchangeLimits {
        ExchangeLimits {
            first_byte: Duration::from_secs(60),
            body_idle: Duration::from_secs(60),
        }
    }
}
