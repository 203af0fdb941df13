//! What an endpoint permits and wants.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use switchboard_tls::TlsClient;

use crate::Deflate;

/// Whether a server serves pages of an origin.
type Origin = dyn Fn(Option<&str>) -> bool + Send + Sync;

/// The options of a server's connections or a client's. A clone has the same ones.
///
/// ```
/// use std::time::Duration;
/// use switchboard_websocket::{Deflate, Options};
///
/// let options = Options::new()
///     .max_message(64 * 1024)
///     .deflate(Deflate::new())
///     .close_limit(Duration::from_secs(2))
///     .protocols(["chat.v2", "chat.v1"])
///     .origin(|origin| origin == Some("https://example.org"));
/// # drop(options);
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) max_message: usize,
    pub(crate) compress_from: usize,
    pub(crate) close_limit: Duration,
    pub(crate) head_limit: Duration,
    pub(crate) deflate: Option<Deflate>,
    pub(crate) protocols: Arc<[Arc<str>]>,
    pub(crate) origin: Option<Arc<Origin>>,
    pub(crate) tls: Option<TlsClient>,
    pub(crate) fields: HeaderMap,
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}

impl Options {
    /// Messages of at most 1 MiB, no compression, no subprotocol, any origin, and five seconds for a close.
    pub fn new() -> Options {
        Options {
            max_message: 1 << 20,
            compress_from: 128,
            close_limit: Duration::from_secs(5),
            head_limit: Duration::from_secs(30),
            deflate: None,
            protocols: Arc::new([]),
            origin: None,
            tls: None,
            fields: HeaderMap::new(),
        }
    }

    /// Limits the bytes of a received message, once it is decompressed. The peer of a longer one is closed with 1009.
    pub fn max_message(mut self, bytes: usize) -> Options {
        self.max_message = bytes;
        self
    }

    /// Permits compression, or offers it.
    pub fn deflate(mut self, deflate: Deflate) -> Options {
        self.deflate = Some(deflate);
        self
    }

    /// Sends messages of fewer bytes without compression: 128 where this is never called.
    pub fn compress_from(mut self, bytes: usize) -> Options {
        self.compress_from = bytes;
        self
    }

    /// Limits the time of a closing handshake, up to 49 days.
    pub fn close_limit(mut self, limit: Duration) -> Options {
        self.close_limit = limit;
        self
    }

    /// Limits the time until a client's request has come to a [`Protocol`](crate::Protocol), up to 49 days: 30 seconds
    /// where this is never called. A later one is answered with 408. Where `switchboard-http` reads the request, its
    /// limit holds.
    pub fn head_limit(mut self, limit: Duration) -> Options {
        self.head_limit = limit;
        self
    }

    /// Sets the subprotocols, the preferred one first. A server chooses its first one that the client offers; a client
    /// offers all.
    pub fn protocols<'a>(mut self, protocols: impl IntoIterator<Item = &'a str>) -> Options {
        self.protocols = protocols.into_iter().map(Arc::from).collect();
        self
    }

    /// Has a server refuse requests, by 403, for whose origin `serves` returns `false`: browsers tell in it from which
    /// page a connection is opened, and other clients tell none. Without this, pages of any site can connect, with
    /// the cookies of their visitor.
    pub fn origin(
        mut self,
        serves: impl Fn(Option<&str>) -> bool + Send + Sync + 'static,
    ) -> Options {
        self.origin = Some(Arc::new(serves));
        self
    }

    /// Sets whom a client of `wss` trusts: Mozilla's roots where this is never called.
    pub fn tls(mut self, tls: TlsClient) -> Options {
        self.tls = Some(tls);
        self
    }

    /// Adds a field to a client's request, such as `origin` or `authorization`.
    pub fn field(mut self, name: HeaderName, value: HeaderValue) -> Options {
        self.fields.append(name, value);
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("max_message", &self.max_message)
            .field("deflate", &self.deflate)
            .field("protocols", &self.protocols)
            .finish_non_exhaustive()
    }
}
