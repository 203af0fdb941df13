//! HTTP/1 as functions of bytes: heads, the framing of bodies, and what a connection writes. Nothing in here
//! waits or knows a socket.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod framing;
pub(crate) mod head;
pub(crate) mod response;

use http::StatusCode;

/// What was found at the start of some bytes.
pub(crate) enum Parsed<T> {
    /// More bytes are needed.
    Partial,
    Complete(T),
    Refused(Refusal),
}

/// Why a peer's bytes are refused, and the status that tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: &'static str,
}

impl Refusal {
    pub(crate) const fn new(status: StatusCode, reason: &'static str) -> Refusal {
        Refusal { status, reason }
    }

    pub(crate) const fn bad(reason: &'static str) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, reason)
    }
}
