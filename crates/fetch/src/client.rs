//! The client: a request over an idle or a new connection, and redirects.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST, LOCATION, USER_AGENT};
use http_body_util::Empty;
use switchboard_net::{Stream, connect_any};
use switchboard_runtime as runtime;
use switchboard_tls::TlsClient;
use url::Url;

use crate::coding;
use crate::connection::{ByteStream, ClientConnection};
use crate::descriptors::{look_up, with_descriptors};
use crate::error::{Error, Phase};
use crate::lease::Lease;
use crate::pool::{Origin, Pool};
use crate::response::{ClientResponse, Reuse};

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
    /// Time for each of resolving, connecting and the TLS handshake, including the wait for a descriptor.
    pub connect: Duration,
    /// Time from the request to the response's head.
    pub first_byte: Duration,
    /// Time between two pieces of the body.
    pub body: Duration,
    /// The most redirects in a row that are followed.
    pub redirects: usize,
    /// The most idle connections that are kept, to all hosts together; the oldest are closed first. Each
    /// has a descriptor, which the client gives up when it needs one and none is left.
    pub idle: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            body: Duration::from_secs(30),
            redirects: 10,
            idle: 100,
        }
    }
}

/// An HTTP/1.1 client that keeps idle connections. Clones share them; flows of any model may use one.
///
/// When no descriptor is left, the client closes idle connections, the oldest first. If none is idle, a
/// request waits until another one's connection ends or becomes idle, in the flow's own way and for
/// [`Limits::connect`] at the longest.
///
/// The crate's page has an example.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    limits: Limits,
    extra_roots: Option<Vec<u8>>,
    /// Made for the first https request: parsing the roots takes time.
    tls: Mutex<Option<TlsClient>>,
    pool: Arc<Pool>,
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

impl Client {
    /// Creates a client with the default limits that trusts Mozilla's root certificates.
    pub fn new() -> Client {
        Client::with(Limits::default(), None)
    }

    /// Creates a client with other limits, which also trusts the certificates in `extra_roots`, a PEM
    /// text. A wrong PEM text is an error of the first https request, in [`Phase::Tls`].
    pub fn with(limits: Limits, extra_roots: Option<Vec<u8>>) -> Client {
        Client(Arc::new(Inner {
            limits,
            extra_roots,
            tls: Mutex::default(),
            pool: Arc::new(Pool::new(limits.idle)),
        }))
    }

    /// Fetches a page: follows redirects and returns when the response's head has come. Waits in the
    /// flow's own way. The response's methods read the body. Dropping the future closes the
    /// connection.
    ///
    /// # Errors
    /// The phase that failed, and its cause. A status such as 404 is no error.
    pub async fn get(&self, url: &str) -> Result<ClientResponse, Error> {
        let mut url = parse(url)?;
        for _ in 0..=self.0.limits.redirects {
            let response = self.get_one(&url).await?;
            let Some(next) = redirect(&url, &response)? else {
                return Ok(response);
            };
            // A body that is read to its end lets the connection serve again. A long or slow one costs
            // more than a new connection.
            let body = response.bytes(64 * 1024);
            let _ = runtime::timeout(Duration::from_secs(1), body).await;
            url = next;
        }
        let text = format!("more than {} redirects", self.0.limits.redirects);
        Err(Error::new(Phase::FirstByte, text))
    }

    async fn get_one(&self, url: &Url) -> Result<ClientResponse, Error> {
        let origin = origin(url)?;
        let mut may_reuse = true;
        loop {
            let (connection, reused) = self.connection(&origin, may_reuse).await?;
            match self.request(connection, url, &origin).await {
                // The server may close an idle connection just as the request is sent. A GET may be sent
                // twice, so the request is repeated on a new connection.
                Err(error) if reused && !error.is_timeout() => may_reuse = false,
                result => return result,
            }
        }
    }

    /// Returns a connection, and whether it was idle before, which happens only if it `may_reuse` one.
    async fn connection(
        &self,
        origin: &Origin,
        may_reuse: bool,
    ) -> Result<(ClientConnection, bool), Error> {
        let Inner { pool, limits, .. } = &*self.0;
        if may_reuse && let Some(idle) = pool.take(origin).await {
            return Ok((idle, true));
        }
        let limit = limits.connect;
        let resolve = || look_up(&origin.host, origin.port);
        let addrs = with_descriptors(pool, limit, Phase::Resolve, resolve).await?;
        let open = || self.open(origin, &addrs, may_reuse);
        match with_descriptors(pool, limit, Phase::Connect, open).await? {
            Opened::Idle(connection) => Ok((connection, true)),
            Opened::New(stream) => Ok((self.begin(origin, stream).await?, false)),
        }
    }

    /// Connects, or takes a connection that has become idle while the flow waited for a descriptor.
    async fn open(
        &self,
        origin: &Origin,
        addrs: &[SocketAddr],
        may_reuse: bool,
    ) -> io::Result<Opened> {
        if may_reuse && let Some(idle) = self.0.pool.take(origin).await {
            return Ok(Opened::Idle(idle));
        }
        connect_any(addrs).await.map(Opened::New)
    }

    /// Begins HTTP, and TLS for https, on a connected stream.
    async fn begin(&self, origin: &Origin, stream: Stream) -> Result<ClientConnection, Error> {
        let lease = Lease(self.0.pool.freed().clone());
        // A variable after the lease, so that it is dropped before the lease wherever this fails.
        let socket = stream;
        let stream: Box<dyn ByteStream> = match origin.secure {
            false => Box::new(socket),
            true => {
                let client = self.tls_client()?;
                let connected = client.connect(&origin.host, socket);
                let connected = runtime::timeout(self.0.limits.connect, connected).await;
                let connected = connected.unwrap_or_else(|late| Err(late.into()));
                Box::new(connected.map_err(|error| Error::new(Phase::Tls, error))?)
            }
        };
        ClientConnection::new(stream, lease)
            .await
            .map_err(|error| Error::new(Phase::Connect, error))
    }

    fn tls_client(&self) -> Result<TlsClient, Error> {
        let mut made = self.0.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*made {
            return Ok(client.clone());
        }
        let client = match &self.0.extra_roots {
            Some(pem) => TlsClient::with_roots(pem),
            None => TlsClient::new(),
        };
        let client = client.map_err(|error| Error::new(Phase::Tls, error))?;
        *made = Some(client.clone());
        Ok(client)
    }

    async fn request(
        &self,
        mut connection: ClientConnection,
        url: &Url,
        origin: &Origin,
    ) -> Result<ClientResponse, Error> {
        let request = request(url).map_err(|error| Error::new(Phase::Url, error))?;
        let limits = self.0.limits;
        let response = runtime::timeout(limits.first_byte, connection.send(request)).await;
        let response =
            response.map_err(|late| Error::new(Phase::FirstByte, io::Error::from(late)))?;
        let response = response.map_err(|error| Error::new(Phase::FirstByte, error))?;
        let reuse = Reuse {
            connection,
            pool: self.0.pool.clone(),
            origin: origin.clone(),
        };
        Ok(ClientResponse::new(
            url.clone(),
            response,
            reuse,
            limits.body,
        ))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?})", self.0.limits)
    }
}

/// A connection for a request.
enum Opened {
    Idle(ClientConnection),
    New(Stream),
}

fn parse(text: &str) -> Result<Url, Error> {
    let url =
        Url::parse(text).map_err(|error| Error::new(Phase::Url, format!("`{text}`: {error}")))?;
    origin(&url).map(|_| url)
}

fn origin(url: &Url) -> Result<Origin, Error> {
    let secure = match url.scheme() {
        "http" => false,
        "https" => true,
        other => {
            let text = format!("`{other}` is not supported: use http or https");
            return Err(Error::new(Phase::Url, text));
        }
    };
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Ok(Origin {
                secure,
                host: host.to_owned(),
                port,
            })
        }
        _ => Err(Error::new(Phase::Url, format!("`{url}` names no host"))),
    }
}

fn request(url: &Url) -> http::Result<Request<Empty<Bytes>>> {
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(HOST, host)
        .header(
            USER_AGENT,
            concat!("switchboard/", env!("CARGO_PKG_VERSION")),
        )
        .header(ACCEPT, "*/*")
        .header(ACCEPT_ENCODING, coding::ACCEPTED)
        .body(Empty::new())
}

fn redirect(url: &Url, response: &ClientResponse) -> Result<Option<Url>, Error> {
    let location = response
        .headers()
        .get(LOCATION)
        .filter(|_| matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308));
    let Some(location) = location else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(location.as_bytes());
    let next = url.join(&text);
    let next = next
        .map_err(|error| Error::new(Phase::FirstByte, format!("redirect to `{text}`: {error}")))?;
    origin(&next).map(|_| Some(next))
}
