//! The error of a fetch: the phase that failed, and the cause.

use std::error::Error as StdError;
use std::fmt;

use switchboard_net::DescriptorLimit;

/// A phase of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Parsing the URL.
    Url,
    /// Resolving the host name to addresses.
    Resolve,
    /// Connecting to one of the addresses.
    Connect,
    /// A proxy: its settings, and having it connect further.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// From the request to the response's head, redirects included.
    FirstByte,
    /// Reading the response's body.
    Body,
    /// Decompressing the body, and keeping it within the caller's limit.
    Decode,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Phase::Url => "URL",
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Proxy => "proxy",
            Phase::Tls => "TLS",
            Phase::FirstByte => "first byte",
            Phase::Body => "body",
            Phase::Decode => "decode",
        })
    }
}

/// A failed fetch: its phase and its cause.
///
/// ```
/// use switchboard_fetch::{Client, Phase};
/// use switchboard_runtime::Model;
///
/// let fetched = Model::Blocking.run(Client::new().get("gopher://host/"))?;
/// assert_eq!(fetched.unwrap_err().phase(), Phase::Url);
/// # std::io::Result::Ok(())
/// ```
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

    /// Returns whether the phase exceeded its time.
    pub(crate) fn is_timeout(&self) -> bool {
        let io = self.cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
    }

    /// Returns whether nothing of the request has left.
    pub(crate) fn is_unsent(&self) -> bool {
        let hyper = self.cause.downcast_ref::<hyper::Error>();
        hyper.is_some_and(hyper::Error::is_canceled)
    }

    /// Returns which limit of descriptors was reached, if that is the cause.
    pub(crate) fn lack_of_descriptors(&self) -> Option<DescriptorLimit> {
        DescriptorLimit::of(self.cause.downcast_ref()?)
    }

    /// Returns the cause alone.
    pub(crate) fn cause(&self) -> &(dyn StdError + Send + Sync) {
        &*self.cause
    }

    /// Returns the phase that failed.
    pub fn phase(&self) -> Phase {
        self.phase
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phase, self.cause)?;
        // hyper's errors do not repeat their causes, such as a reset by the peer.
        let mut written = self.cause.to_string();
        let mut cause = self.cause.source();
        while let Some(deeper) = cause {
            let text = deeper.to_string();
            if !written.contains(&text) {
                write!(f, ": {text}")?;
                written = text;
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
