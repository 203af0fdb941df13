//! One request over one connection: its head as the protocol and the proxy want it, and the response.

use std::fmt::Write as _;
use std::sync::PoisonError;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap,
    HeaderValue, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, Method, Version};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::coding;
use crate::connection::ClientConnection;
use crate::error::{Error, Phase};
use crate::limits::Total;
use crate::pool::Key;
use crate::proxy::Proxy;
use crate::request::Request;
use crate::response::{ClientResponse, Heads, Reuse, Waits};
use crate::target::{Origin, Target};

use super::Client;

/// The form of a request's head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// HTTP/1 to a server: the path alone.
    Origin,
    /// HTTP/1 to a proxy that sends it on: the whole URL.
    Absolute,
    /// HTTP/2: the parts of the URL in fields of their own.
    Two,
}

impl Client {
    /// Sends a request to a target, over an idle connection if there is one.
    pub(super) async fn send_once(
        &self,
        request: &Request,
        target: &Target,
        total: Total,
    ) -> Result<ClientResponse, Error> {
        let proxy = self.0.proxies.of(&target.origin);
        let forward = proxy.filter(|proxy| proxy.forwards(&target.origin));
        let key = Key {
            origin: match forward {
                None => target.origin.clone(),
                Some(proxy) => Origin {
                    secure: false,
                    host: proxy.host.clone(),
                    port: proxy.port,
                },
            },
            forward: forward.is_some(),
            old: request.old,
        };
        let mut may_reuse = true;
        loop {
            let connection = self.connection(&key, &target.origin, proxy, may_reuse, total);
            let (connection, reused) = connection.await?;
            let sent = self.exchange(connection, &key, request, target, forward, total);
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
        key: &Key,
        request: &Request,
        target: &Target,
        forward: Option<&Proxy>,
        total: Total,
    ) -> Result<ClientResponse, Error> {
        let form = match (connection.is_two(), forward) {
            (true, _) => Form::Two,
            (false, Some(_)) => Form::Absolute,
            (false, None) => Form::Origin,
        };
        let head = self.head(request, target, forward, form);
        let head = head.map_err(|error| Error::new(Phase::Url, error))?;
        let limits = &self.0.limits;
        let keeps = request.keep_heads;
        if let Some(hook) = &request.before_send {
            hook();
        }
        let sent = async {
            Ok::<_, hyper::Error>(match (keeps, form) {
                (false, _) => (connection.send(head).await?, None),
                (true, Form::Two) => {
                    let sent = written(&head);
                    let response = connection.send(head).await?;
                    let received = answered(&response);
                    (response, Some(Heads { sent, received }))
                }
                (true, _) => {
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
            key: key.clone(),
        };
        let waits = Waits {
            piece: limits.body,
            total,
            rate: self.0.rate.clone(),
        };
        let url = target.url.clone();
        Ok(ClientResponse::new(url, response, heads, reuse, waits))
    }

    /// Returns the request as hyper sends it.
    fn head(
        &self,
        request: &Request,
        target: &Target,
        forward: Option<&Proxy>,
        form: Form,
    ) -> http::Result<http::Request<Full<Bytes>>> {
        let host = target.host();
        let path = target.path_and_query();
        let whole = |host: &str| format!("{}://{host}{path}", target.url.scheme());
        let builder = http::Request::builder().method(request.method.clone());
        let builder = match form {
            Form::Origin => builder.uri(path),
            Form::Absolute => builder.uri(whole(&host)),
            Form::Two => {
                let own = request.headers.get(HOST).map(HeaderValue::as_bytes);
                let authority = String::from_utf8_lossy(own.unwrap_or(host.as_bytes()));
                builder.uri(whole(&authority)).version(Version::HTTP_2)
            }
        };
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
        if form != Form::Two {
            add(HOST, HeaderValue::from_str(&host)?);
        }
        add(USER_AGENT, self.0.user_agent.clone());
        add(ACCEPT, HeaderValue::from_static("*/*"));
        add(ACCEPT_ENCODING, HeaderValue::from_static(coding::ACCEPTED));
        if let Some(credentials) = &target.credentials {
            add(AUTHORIZATION, credentials.clone());
        }
        if let Some(credentials) = forward.and_then(Proxy::credentials) {
            add(PROXY_AUTHORIZATION, credentials.clone());
        }
        if let Some(cookies) = self.cookies(target) {
            add(COOKIE, cookies);
        }
        for (name, value) in own.iter().filter(|(name, _)| may_be_sent(name, form)) {
            headers.append(name.clone(), value.clone());
        }
        let has_body = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
        if has_body || !request.body.is_empty() {
            headers.insert(CONTENT_LENGTH, request.body.len().into());
        }
        Ok(head)
    }

    /// Returns the cookies for a target.
    fn cookies(&self, target: &Target) -> Option<HeaderValue> {
        let mut jar = self
            .0
            .cookies
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        jar.field(&target.url)
    }
}

/// Returns whether a field of the caller is sent: the lengths are the client's. HTTP/2 has no fields of connections, and
/// has the host in the URI.
fn may_be_sent(name: &HeaderName, form: Form) -> bool {
    let lengths = [CONTENT_LENGTH, TRANSFER_ENCODING];
    let of_connections = [HOST, CONNECTION, UPGRADE, TE];
    !(lengths.contains(name) || form == Form::Two && of_connections.contains(name))
}

/// Returns a request of HTTP/2 as HTTP/1 would write it.
fn written(head: &http::Request<Full<Bytes>>) -> Vec<u8> {
    let (method, uri) = (head.method(), head.uri());
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let host = uri.authority().map_or("", Authority::as_str);
    let line = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
    with_fields(line, head.headers())
}

fn answered(response: &http::Response<Incoming>) -> Vec<u8> {
    let mut line = String::from("HTTP/1.1 ");
    let _ = write!(line, "{}\r\n", response.status());
    with_fields(line, response.headers())
}

fn with_fields(line: String, headers: &HeaderMap) -> Vec<u8> {
    let mut head = line.into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}
