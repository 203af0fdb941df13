//! Responses: the head, and the body that is still to be read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HeaderMap;
use http::response::Parts;
use http::{Response, StatusCode, Version};
use hyper::body::Incoming;
use switchboard_runtime as runtime;
use url::Url;

use crate::coding::Decoder;
use crate::connection::ClientConnection;
use crate::encoding::{self, ContentType};
use crate::error::{Error, Phase};
use crate::limits::Total;
use crate::pool::{Key, Pool};
use crate::rate::Rate;

/// A response whose head has come and whose body is still to be read.
///
/// Reading the body to its end keeps the connection for the next request; dropping the response before
/// that closes it.
pub struct ClientResponse {
    url: Url,
    head: Parts,
    body: Incoming,
    heads: Option<Heads>,
    reuse: Reuse,
    waits: Waits,
    /// When the last piece is paid for, if it was not waited for yet.
    paid: Option<Instant>,
    note: Option<Box<dyn Fn(usize) + Send + Sync>>,
}

/// A response's connection, and the pool it goes back to.
pub(crate) struct Reuse {
    pub(crate) connection: ClientConnection,
    pub(crate) pool: Arc<Pool>,
    pub(crate) key: Key,
}

/// How long the pieces of a body are waited for, and how fast they may come.
pub(crate) struct Waits {
    /// Time between two pieces.
    pub(crate) piece: Duration,
    pub(crate) total: Total,
    pub(crate) rate: Option<Arc<Rate>>,
}

/// The heads of a request and of its response, with their empty lines.
///
/// Over HTTP/1 these are the bytes that went over the connection, without those of early answers (1xx). HTTP/2 has none;
/// there they are what HTTP/1 would have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The head of the request, credentials included.
    pub sent: Vec<u8>,
    /// The head of the response.
    pub received: Vec<u8>,
}

/// A body as it was received and as it is meant.
#[derive(Debug)]
pub struct Content {
    /// The bytes as they were sent, in their content codings, without those of the transfer (chunks).
    pub received: Bytes,
    /// The bytes without their content codings; the same ones if there are none.
    pub decoded: Bytes,
    /// Whether the limit has cut the one or the other, so that there was more.
    pub is_cut: bool,
    /// What has ended the body too early: an error in [`Phase::Body`] or [`Phase::Decode`]. What came before it is kept.
    pub fault: Option<Error>,
}

impl ClientResponse {
    pub(crate) fn new(
        url: Url,
        response: Response<Incoming>,
        heads: Option<Heads>,
        reuse: Reuse,
        waits: Waits,
    ) -> ClientResponse {
        let (head, body) = response.into_parts();
        ClientResponse {
            url,
            head,
            body,
            heads,
            reuse,
            waits,
            paid: None,
            note: None,
        }
    }

    /// Has `note` told of how many bytes each piece of the body has, as they come, in their content codings.
    #[must_use]
    pub fn on_bytes(mut self, note: impl Fn(usize) + Send + Sync + 'static) -> ClientResponse {
        self.note = Some(Box::new(note));
        self
    }

    /// Returns the URL of this response, after redirects, without a user's name and password.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// Returns the headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Returns the version of HTTP that the server speaks.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// Returns the address of the server, or of the proxy.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.reuse.connection.peer()
    }

    /// Returns both heads as they went over the connection, if the request
    /// [kept them](crate::Request::keep_heads).
    pub fn heads(&self) -> Option<&Heads> {
        self.heads.as_ref()
    }

    /// Waits for the next bytes as they were sent, in their content codings; `None` at the end. Under a limit of the rate,
    /// waits first until the bytes before are paid for. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Phase::Body`] if the body ends too early or takes too long.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let Waits { piece, total, rate } = &self.waits;
        if let Some(until) = self.paid {
            let paid = async {
                runtime::Sleep::until(until).await;
                Ok::<_, std::io::Error>(())
            };
            total.within(Duration::MAX, Phase::Body, paid).await?;
            self.paid = None;
        }
        loop {
            let connection = &mut self.reuse.connection;
            let frame = async { connection.frame(&mut self.body).await.transpose() };
            let frame = total.within(*piece, Phase::Body, frame).await?;
            let Some(frame) = frame else {
                return Ok(None);
            };
            if let Ok(data) = frame.into_data() {
                if let Some(note) = &self.note {
                    note(data.len());
                }
                self.paid = rate.as_ref().map(|rate| rate.receive(data.len()));
                return Ok(Some(data));
            }
        }
    }

    /// Reads the whole body, decompressed, of at most `limit` bytes. Dropping the future closes the
    /// connection.
    ///
    /// # Errors
    /// [`Phase::Body`] if the body ends too early or takes too long; [`Phase::Decode`] if it cannot be
    /// decompressed or is longer than `limit`.
    pub async fn bytes(mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let mut decoder = Decoder::new(&self.head.headers, limit);
        while let Some(bytes) = self.chunk().await? {
            if !decoder.feed(&bytes)? {
                let text = format!("longer than the {limit} bytes allowed");
                return Err(Error::new(Phase::Decode, text));
            }
        }
        decoder.check_end()?;
        self.reuse.give_back().await;
        Ok(decoder.into_bytes())
    }

    /// Reads the body, of at most `limit` bytes both as it was received and as it is decoded, and keeps what came, however
    /// it ends: cut by the limit, by the server or by an error. Dropping the future closes the connection.
    ///
    /// ```
    /// use std::io::Write;
    /// use switchboard_fetch::{Client, Request};
    /// use switchboard_runtime::Model;
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let url = format!("http://{}/", listener.local_addr()?);
    /// let server = std::thread::spawn(move || {
    ///     let (mut stream, _) = listener.accept()?;
    ///     stream.write_all(b"HTTP/1.1 200 Fine\r\nContent-Length: 100\r\n\r\nhalf a page")
    /// });
    /// let (heads, content) = Model::Blocking.run(async {
    ///     let request = Request::get(url).redirects(0).keep_heads();
    ///     let response = Client::new().send(request).await.unwrap();
    ///     (response.heads().unwrap().clone(), response.content(1000).await)
    /// })?;
    /// assert!(heads.sent.starts_with(b"GET / HTTP/1.1\r\nhost: 127.0.0.1:"));
    /// assert_eq!(heads.received, b"HTTP/1.1 200 Fine\r\nContent-Length: 100\r\n\r\n");
    /// assert_eq!(content.decoded, "half a page");
    /// assert!(content.fault.is_some() && !content.is_cut);
    /// # server.join().unwrap()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn content(mut self, limit: usize) -> Content {
        let mut decoder = Decoder::new(&self.head.headers, limit);
        let plain = decoder.is_plain();
        let mut received = Vec::new();
        let (mut is_cut, mut fault) = (false, None);
        loop {
            match self.chunk().await {
                Ok(Some(bytes)) => {
                    let space = limit - received.len();
                    received.extend_from_slice(&bytes[..bytes.len().min(space)]);
                    is_cut = bytes.len() > space;
                    // What cannot be decoded is received all the same.
                    if !plain && fault.is_none() {
                        match decoder.feed(&bytes[..bytes.len().min(space)]) {
                            Ok(more) => is_cut |= !more,
                            Err(error) => fault = Some(error),
                        }
                    }
                    if is_cut {
                        break;
                    }
                }
                Ok(None) => {
                    fault = fault.or_else(|| decoder.check_end().err());
                    self.reuse.give_back().await;
                    break;
                }
                Err(error) => {
                    fault = fault.or(Some(error));
                    break;
                }
            }
        }
        let received = Bytes::from(received);
        let decoded = match plain {
            true => received.clone(),
            false => decoder.into_bytes().into(),
        };
        Content {
            received,
            decoded,
            is_cut,
            fault,
        }
    }

    /// Reads the whole body as text, in the encoding that [`encoding::sniff`] finds. Invalid bytes become replacement
    /// characters.
    ///
    /// # Errors
    /// As [`bytes`](ClientResponse::bytes).
    pub async fn text(self, limit: usize) -> Result<String, Error> {
        let kind = ContentType::of(&self.head.headers);
        let bytes = self.bytes(limit).await?;
        Ok(encoding::decode(kind.as_ref(), &bytes).into_owned())
    }
}

impl Reuse {
    /// Keeps the connection for the next request, after a body was read to its end.
    async fn give_back(self) {
        let Reuse {
            mut connection,
            pool,
            key,
        } = self;
        if connection.is_reusable().await {
            pool.put(key, connection);
        }
    }
}

impl std::fmt::Debug for ClientResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientResponse({} from {})", self.head.status, self.url)
    }
}
