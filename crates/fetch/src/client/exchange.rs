//! One request over one connection: its head, and the response.

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING,
    USER_AGENT,
};
use http::{HeaderName, Method, Version};
use http_body_util::Full;

use crate::coding;
use crate::connection::ClientConnection;
use crate::error::{Error, Phase};
use crate::limits::Total;
use crate::request::Request;
use crate::response::{ClientResponse, Heads, Reuse, Waits};
use crate::target::Target;

use super::Client;

impl Client {
    /// Sends a request to a target, over an idle connection if there is one.
    pub(super) async fn send_once(
        &self,
        request: &Request,
        target: &Target,
        total: Total,
    ) -> Result<ClientResponse, Error> {
        let mut may_reuse = true;
        loop {
            let connection = self.connection(&target.origin, may_reuse, total);
            let (connection, reused) = connection.await?;
            let sent = self.exchange(connection, request, target, total);
            match sent.await {
                // The server may close an idle connection just as the request is sent.
                Err(error)
                    if reused
                        && !error.is_timeout()
                        && (request.is_idempotent() || error.is_unsent()) =>
                {
                    may_reuse = false;
                }
                result => return result,
            }
        }
    }

    async fn exchange(
        &self,
        mut connection: ClientConnection,
        request: &Request,
        target: &Target,
        total: Total,
    ) -> Result<ClientResponse, Error> {
        let head = self.head(request, target);
        let head = head.map_err(|error| Error::new(Phase::Url, error))?;
        let limits = &self.0.limits;
        let keeps = request.keep_heads;
        let sent = async {
            Ok::<_, hyper::Error>(match keeps {
                false => (connection.send(head).await?, None),
                true => {
                    let (response, sent, received) = connection.send_recorded(head).await?;
                    (response, Some(Heads { sent, received }))
                }
            })
        };
        let (response, heads) = total
            .within(limits.first_byte, Phase::FirstByte, sent)
            .await?;
        let reuse = Reuse {
            connection,
            pool: self.0.pool.clone(),
            origin: target.origin.clone(),
        };
        let waits = Waits {
            piece: limits.body,
            total,
        };
        let url = target.url.clone();
        Ok(ClientResponse::new(url, response, heads, reuse, waits))
    }

    /// Returns the request as hyper sends it.
    fn head(&self, request: &Request, target: &Target) -> http::Result<http::Request<Full<Bytes>>> {
        let host = target.host();
        let path = target.path_and_query();
        let builder = http::Request::builder()
            .method(request.method.clone())
            .uri(path);
        let builder = match request.old {
            true => builder.version(Version::HTTP_10),
            false => builder,
        };
        let mut head = builder.body(Full::new(request.body.clone()))?;
        let headers = head.headers_mut();
        let own = &request.headers;
        let mut add = |name: HeaderName, value: HeaderValue| {
            if !own.contains_key(&name) {
                headers.insert(name, value);
            }
        };
        add(HOST, HeaderValue::from_str(&host)?);
        add(USER_AGENT, self.0.user_agent.clone());
        add(ACCEPT, HeaderValue::from_static("*/*"));
        add(ACCEPT_ENCODING, HeaderValue::from_static(coding::ACCEPTED));
        if let Some(credentials) = &target.credentials {
            add(AUTHORIZATION, credentials.clone());
        }
        for (name, value) in own.iter().filter(|(name, _)| may_be_sent(name)) {
            headers.append(name.clone(), value.clone());
        }
        let has_body = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
        if has_body || !request.body.is_empty() {
            headers.insert(CONTENT_LENGTH, request.body.len().into());
        }
        Ok(head)
    }
}

/// Returns whether a field of the caller is sent: the lengths are the client's.
fn may_be_sent(name: &HeaderName) -> bool {
    ![CONTENT_LENGTH, TRANSFER_ENCODING].contains(name)
}
