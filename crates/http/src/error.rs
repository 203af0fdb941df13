//! What went wrong, and when.

use std::error::Error as StdError;
use std::fmt;

/// The part of a fetch that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Reading the URL.
    Url,
    /// Finding the host's addresses.
    Resolve,
    /// Reaching one of them.
    Connect,
    /// Agreeing on encryption.
    Tls,
    /// From the request to the answer's head.
    FirstByte,
    /// The rest of the answer.
    Body,
    /// Making sense of it: compression, encoding.
    Decode,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Phase::Url => "URL",
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Tls => "TLS",
            Phase::FirstByte => "first byte",
            Phase::Body => "body",
            Phase::Decode => "decode",
        })
    }
}

/// A fetch that failed: in which phase, and why.
#[derive(Debug)]
pub struct Error {
    phase: Phase,
    cause: Box<dyn StdError + Send + Sync>,
}

impl Error {
    pub(crate) fn new(phase: Phase, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        Error {
            phase,
            cause: cause.into(),
        }
    }

    /// Whether time ran out.
    pub(crate) fn is_late(&self) -> bool {
        let io = self.cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
    }

    /// The part of the fetch that failed.
    pub fn phase(&self) -> Phase {
        self.phase
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phase, self.cause)?;
        // hyper keeps the system's word to itself.
        let mut said = self.cause.to_string();
        let mut cause = self.cause.source();
        while let Some(deeper) = cause {
            let text = deeper.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            cause = deeper.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.cause)
    }
}
