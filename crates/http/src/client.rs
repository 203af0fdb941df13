//! The client: connections that are kept, and redirects that are followed.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_rustls::TlsConnector;
use http::Request;
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST, LOCATION, USER_AGENT};
use http_body_util::Empty;
use switchboard_runtime as runtime;
use url::Url;

use crate::error::{Error, Phase};
use crate::response::ClientResponse;
use crate::tls;
use crate::wire::{Transport, Wire};

/// How long each phase may take, and how far redirects are followed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Resolving, connecting and TLS, each.
    pub connect: Duration,
    /// From the request to the answer's head.
    pub first_byte: Duration,
    /// Between two pieces of the body.
    pub body: Duration,
    /// Redirects in a row.
    pub redirects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            body: Duration::from_secs(30),
            redirects: 10,
        }
    }
}

/// Idle connections kept for each host.
const KEPT: usize = 64;
/// And for all hosts: each is a descriptor.
const KEPT_IN_ALL: usize = 256;
/// How long: less than most servers wait.
const IDLE: Duration = Duration::from_secs(15);

/// Scheme, host and port.
type Key = (bool, String, u16);

/// An HTTP/1 client that keeps its connections. A clone shares them; flows of any model may use it.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    limits: Limits,
    tls: Mutex<Option<TlsConnector>>,
    extra_roots: Option<Vec<u8>>,
    idle: Mutex<HashMap<Key, Vec<(Instant, Wire)>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

impl Client {
    /// One with the default limits, that trusts the roots Mozilla trusts.
    pub fn new() -> Client {
        Client::with(Limits::default(), None)
    }

    /// One with other limits, and with more roots to trust, as a PEM text.
    pub fn with(limits: Limits, extra_roots: Option<Vec<u8>>) -> Client {
        Client(Arc::new(Inner {
            limits,
            tls: Mutex::default(),
            extra_roots,
            idle: Mutex::default(),
        }))
    }

    /// Fetches a page: its head, after redirects; the body is the answer's to read.
    ///
    /// # Errors
    /// With the phase that failed. An answer such as 404 is no error.
    pub async fn get(&self, url: &str) -> Result<ClientResponse, Error> {
        let mut url = parse(url)?;
        for _ in 0..=self.0.limits.redirects {
            let answer = self.get_one(&url).await?;
            let Some(next) = redirect(&url, &answer)? else {
                return Ok(answer);
            };
            // Read, so that the connection can be kept; a long one is not worth it.
            let read = answer.bytes(64 * 1024);
            let _ = runtime::timeout(Duration::from_secs(1), read).await;
            url = next;
        }
        let text = format!("more than {} redirects", self.0.limits.redirects);
        Err(Error::new(Phase::FirstByte, text))
    }

    async fn get_one(&self, url: &Url) -> Result<ClientResponse, Error> {
        let key = key(url)?;
        // One that was kept may be closed by the peer as it is used; then a new one is tried, since
        // a GET may be sent twice.
        if let Some(wire) = self.take(&key).await {
            match self.ask(wire, url, &key).await {
                Err(error) if !error.is_late() => {}
                result => return result,
            }
        }
        let wire = self.connect(&key).await?;
        self.ask(wire, url, &key).await
    }

    async fn take(&self, key: &Key) -> Option<Wire> {
        loop {
            let (since, mut wire) = lock(&self.0.idle).get_mut(key)?.pop()?;
            if since.elapsed() < IDLE && wire.is_open().await {
                return Some(wire);
            }
        }
    }

    pub(crate) fn keep(&self, key: Key, wire: Wire) {
        let mut idle = lock(&self.0.idle);
        let now = Instant::now();
        // Nobody may ever ask those hosts again.
        idle.retain(|_, wires| {
            wires.retain(|(since, _)| now - *since < IDLE);
            !wires.is_empty()
        });
        let all: usize = idle.values().map(Vec::len).sum();
        let wires = idle.entry(key).or_default();
        if wires.len() < KEPT && all < KEPT_IN_ALL {
            wires.push((now, wire));
        }
    }

    async fn connect(&self, (secure, host, port): &Key) -> Result<Wire, Error> {
        let limit = self.0.limits.connect;
        let addrs = within(limit, Phase::Resolve, switchboard_net::resolve(host, *port)).await?;
        let stream = within(limit, Phase::Connect, switchboard_net::connect_any(&addrs)).await?;
        let transport: Box<dyn Transport> = match secure {
            false => Box::new(stream),
            true => {
                let connector = self.connector()?;
                let connected = tls::connect(&connector, host, stream);
                let late = |error| Err(Error::new(Phase::Tls, io::Error::from(error)));
                Box::new(
                    runtime::timeout(limit, connected)
                        .await
                        .unwrap_or_else(late)?,
                )
            }
        };
        Wire::new(transport)
            .await
            .map_err(|error| Error::new(Phase::Connect, error))
    }

    fn connector(&self) -> Result<TlsConnector, Error> {
        let mut kept = lock(&self.0.tls);
        if let Some(connector) = &*kept {
            return Ok(connector.clone());
        }
        let connector = tls::connector(self.0.extra_roots.as_deref())?;
        *kept = Some(connector.clone());
        Ok(connector)
    }

    async fn ask(&self, mut wire: Wire, url: &Url, key: &Key) -> Result<ClientResponse, Error> {
        let request = request(url).map_err(|error| Error::new(Phase::Url, error))?;
        let limit = self.0.limits.first_byte;
        let head = runtime::timeout(limit, wire.send(request)).await;
        let head = head.map_err(|late| Error::new(Phase::FirstByte, io::Error::from(late)))?;
        let head = head.map_err(|error| Error::new(Phase::FirstByte, error))?;
        let limits = self.0.limits;
        Ok(ClientResponse::new(
            url.clone(),
            head,
            wire,
            self.clone(),
            key.clone(),
            limits.body,
        ))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?})", self.0.limits)
    }
}

async fn within<T>(
    limit: Duration,
    phase: Phase,
    future: impl Future<Output = io::Result<T>>,
) -> Result<T, Error> {
    let done = runtime::timeout(limit, future).await;
    done.unwrap_or_else(|late| Err(late.into()))
        .map_err(|error| Error::new(phase, error))
}

fn parse(text: &str) -> Result<Url, Error> {
    let url =
        Url::parse(text).map_err(|error| Error::new(Phase::Url, format!("`{text}`: {error}")))?;
    key(&url).map(|_| url)
}

fn key(url: &Url) -> Result<Key, Error> {
    let secure = match url.scheme() {
        "http" => false,
        "https" => true,
        other => {
            let text = format!("`{other}` is not spoken here: use http or https");
            return Err(Error::new(Phase::Url, text));
        }
    };
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Ok((secure, host.to_owned(), port))
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
        .header(ACCEPT_ENCODING, "gzip")
        .body(Empty::new())
}

fn redirect(url: &Url, answer: &ClientResponse) -> Result<Option<Url>, Error> {
    let location = answer
        .headers()
        .get(LOCATION)
        .filter(|_| matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308));
    let Some(location) = location else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(location.as_bytes());
    let next = url.join(&text);
    let next = next
        .map_err(|error| Error::new(Phase::FirstByte, format!("redirect to `{text}`: {error}")))?;
    key(&next).map(|_| Some(next))
}
