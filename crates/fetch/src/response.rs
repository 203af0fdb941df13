//! Responses: the head, and the body that is still to be read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::response::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use switchboard_runtime as runtime;
use url::Url;

use crate::coding::Decoder;
use crate::connection::ClientConnection;
use crate::error::{Error, Phase};
use crate::pool::{Origin, Pool};

/// A response whose head has come and whose body is still to be read.
///
/// Reading the body to its end keeps the connection for the next request; dropping the response before
/// that closes it.
pub struct ClientResponse {
    url: Url,
    head: Parts,
    body: Incoming,
    reuse: Reuse,
    /// Time between two pieces of the body.
    limit: Duration,
}

/// A response's connection, and the pool it goes back to.
pub(crate) struct Reuse {
    pub(crate) connection: ClientConnection,
    pub(crate) pool: Arc<Pool>,
    pub(crate) origin: Origin,
}

impl ClientResponse {
    pub(crate) fn new(
        url: Url,
        response: Response<Incoming>,
        reuse: Reuse,
        limit: Duration,
    ) -> ClientResponse {
        let (head, body) = response.into_parts();
        ClientResponse {
            url,
            head,
            body,
            reuse,
            limit,
        }
    }

    /// Returns the URL of this response, after redirects.
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

    /// Waits for the next bytes as they were sent; `None` at the end.
    ///
    /// # Errors
    /// [`Phase::Body`] if the body ends too early or takes too long.
    async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let frame =
                runtime::timeout(self.limit, self.reuse.connection.frame(&mut self.body)).await;
            let frame = frame.map_err(|late| Error::new(Phase::Body, late))?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(Error::new(Phase::Body, error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
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
        let Reuse {
            mut connection,
            pool,
            origin,
        } = self.reuse;
        if connection.is_reusable().await {
            pool.put(origin, connection);
        }
        Ok(decoder.into_bytes())
    }

    /// Reads the whole body as text, in the encoding that the head or the first 1,024 bytes name, or else
    /// as UTF-8. Invalid bytes become replacement characters.
    ///
    /// # Errors
    /// As [`bytes`](ClientResponse::bytes).
    pub async fn text(self, limit: usize) -> Result<String, Error> {
        let kind = self.head.headers.get(CONTENT_TYPE);
        let kind = kind.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
        let bytes = self.bytes(limit).await?;
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]);
        let label = kind
            .as_deref()
            .and_then(charset)
            .or_else(|| charset(&start));
        let encoding = label.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()));
        Ok(encoding
            .unwrap_or(encoding_rs::UTF_8)
            .decode(&bytes)
            .0
            .into_owned())
    }
}

/// Returns the word after `charset=`.
fn charset(text: &str) -> Option<&str> {
    let at = text.to_ascii_lowercase().find("charset=")? + "charset=".len();
    let rest = text.get(at..)?.trim_start_matches(['"', '\'']);
    let end = rest
        .find(['"', '\'', ';', ' ', '>', '/'])
        .unwrap_or(rest.len());
    Some(&rest[..end]).filter(|label| !label.is_empty())
}

impl std::fmt::Debug for ClientResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientResponse({} from {})", self.head.status, self.url)
    }
}
