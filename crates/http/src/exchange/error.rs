//! Why a request has no answer.

use std::fmt;
use std::io;

/// What a request failed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangePhase {
    /// The body of the request, whose source has failed. The server is not to blame.
    Body,
    /// Sending the request.
    Send,
    /// Waiting for the first byte of the answer.
    FirstByte,
    /// The head of the answer.
    Head,
}

impl fmt::Display for ExchangePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExchangePhase::Body => "request body",
            ExchangePhase::Send => "send",
            ExchangePhase::FirstByte => "first byte",
            ExchangePhase::Head => "head",
        })
    }
}

/// A request that has no answer.
#[derive(Debug)]
pub struct ExchangeError {
    /// What it failed in. Bytes of an answer had come in the last phase only.
    pub phase: ExchangePhase,
    /// `TimedOut` for a limit, `UnexpectedEof` for a server that hung up, `InvalidData` for one that does not
    /// speak HTTP/1; the error of the request's body; others of the connection.
    pub error: io::Error,
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phase, self.error)
    }
}

impl std::error::Error for ExchangeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
