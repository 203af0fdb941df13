//! The limits of a client, and the time that each phase of a fetch may take.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use switchboard_runtime as runtime;

use crate::error::{Error, Phase};

/// The limits of a client: a time for each phase of a fetch, the number of redirects, and of idle
/// connections.
///
/// ```
/// use std::time::Duration;
/// use switchboard_fetch::{Client, Limits};
///
/// let limits = Limits { first_byte: Duration::from_secs(5), ..Limits::default() };
/// let client = Client::with(limits, None);
/// # drop(client);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time to look a name up.
    pub resolve: Duration,
    /// Time to connect to one of a host's addresses, and that a proxy may take to connect further.
    pub connect: Duration,
    /// Time for the TLS handshake.
    pub tls: Duration,
    /// Time from the request to the response's head.
    pub first_byte: Duration,
    /// Time between two pieces of the body.
    pub body: Duration,
    /// Time from the first look-up to the end of the body, with redirects, retries and the pauses between them;
    /// no limit by default.
    pub total: Option<Duration>,
    /// Time that a request waits, before it looks a name up or connects, while the process or the system has no
    /// descriptor left: counted from when a connection of this client ended or became idle, so that many requests
    /// with few descriptors are slower and do not fail.
    pub descriptor: Duration,
    /// The most redirects in a row that are followed.
    pub redirects: usize,
    /// The most idle connections that are kept, to all hosts together; the oldest are closed first. Each
    /// has a descriptor, which the client gives up when it needs one and none is left.
    pub idle: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            resolve: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            tls: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            body: Duration::from_secs(30),
            total: None,
            descriptor: Duration::from_secs(60),
            redirects: 10,
            idle: 100,
        }
    }
}

/// The end of the time that a request may take in all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Total(Option<(Instant, Duration)>);

impl Total {
    pub(crate) fn begin(limit: Option<Duration>) -> Total {
        // A limit beyond what the clock can tell is none.
        let end = limit.and_then(|limit| Some((runtime::now().checked_add(limit)?, limit)));
        Total(end)
    }

    /// Returns whether there is time for a pause.
    pub(crate) fn allows(&self, pause: Duration) -> bool {
        let end = self.0.map(|(end, _)| end);
        end.is_none_or(|end| end.saturating_duration_since(runtime::now()) > pause)
    }

    /// Waits for `future`, no longer than `limit`, and not beyond the end.
    ///
    /// # Errors
    /// The future's, or which of both limits has passed, in `phase`.
    pub(crate) async fn within<T, E>(
        &self,
        limit: Duration,
        phase: Phase,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let late = match self.0 {
            Some((end, all)) if end.saturating_duration_since(runtime::now()) < limit => {
                match runtime::timeout_at(end, future).await {
                    Ok(result) => return result.map_err(|error| Error::new(phase, error)),
                    Err(_) => {
                        let text = format!("took longer than the {all:?} allowed for the request");
                        io::Error::new(io::ErrorKind::TimedOut, text)
                    }
                }
            }
            _ => match runtime::timeout(limit, future).await {
                Ok(result) => return result.map_err(|error| Error::new(phase, error)),
                Err(late) => late.into(),
            },
        };
        Err(Error::new(phase, late))
    }
}
