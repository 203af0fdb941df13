//! The chat by plain HTTP requests, for clients whose network does not let WebSocket pass.
//!
//! ```text
//!   POST /connect ─► table: a key ─► connection: the hub's, and what is not acknowledged
//!   POST /send    ─────────────────────► commands
//!   GET  /events  ◄── events ◄── reader ─┤ one at a time; the next one takes its place
//!   GET  /poll    ◄──────────── reader ──┘
//! ```

mod connection;
mod events;
mod table;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ORIGIN, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;
use switchboard_http::{Body, Request, Response};
use switchboard_runtime as runtime;

use self::connection::{Batch, Keyed, Reader};
use self::events::Events;
pub(super) use self::table::Table;
use super::{ChatService, plain};
use crate::{Bye, Now};

/// What a request is for.
#[derive(Clone, Copy)]
pub(super) enum Endpoint {
    Connect,
    Events,
    Poll,
    Send,
    Close,
}

impl Endpoint {
    pub(super) fn at(path: &str) -> Option<Endpoint> {
        Some(match path {
            "/connect" => Endpoint::Connect,
            "/events" => Endpoint::Events,
            "/poll" => Endpoint::Poll,
            "/send" => Endpoint::Send,
            "/close" => Endpoint::Close,
            _ => return None,
        })
    }

    fn method(self) -> Method {
        match self {
            Endpoint::Events | Endpoint::Poll => Method::GET,
            Endpoint::Connect | Endpoint::Send | Endpoint::Close => Method::POST,
        }
    }
}

/// What the query of a request says.
#[derive(Default)]
struct Query {
    key: String,
    position: Option<u64>,
    /// The client leaves for good.
    leave: bool,
}

/// Why a request is refused, and the text that says so.
struct Refused(StatusCode, &'static str);

type Answer = Result<Response<Body>, Refused>;

impl ChatService {
    /// Answers a request; pages of other origins that may connect can read the answer.
    pub(super) async fn by_key(&self, endpoint: Endpoint, request: Request) -> Response<Body> {
        let origin = request.headers().get(ORIGIN).cloned();
        if let Some(refused) = self.refuse_origin(&request) {
            return refused;
        }
        let mut response = match *request.method() == endpoint.method() {
            true => {
                let answer = self.carry_out(endpoint, request).await;
                answer.unwrap_or_else(|Refused(status, text)| plain(status, text))
            }
            false => wrong_method(endpoint),
        };
        let fields = response.headers_mut();
        // Neither kept nor held back on the way.
        for (name, value) in [
            (CACHE_CONTROL, "no-store, no-transform"),
            (HeaderName::from_static("x-accel-buffering"), "no"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (VARY, "origin"),
        ] {
            fields.insert(name, HeaderValue::from_static(value));
        }
        fields.extend(origin.map(|origin| (ACCESS_CONTROL_ALLOW_ORIGIN, origin)));
        response
    }

    async fn carry_out(&self, endpoint: Endpoint, request: Request) -> Answer {
        let query = Query::of(&request)?;
        match endpoint {
            Endpoint::Connect => self.open(),
            Endpoint::Events => self.stream(&query, request.headers()),
            Endpoint::Poll => self.poll(&query).await,
            Endpoint::Send => self.send(&query, request.into_body()).await,
            Endpoint::Close => match self.0.keyed.close(&query.key, query.leave) {
                Some(()) => Ok(plain(StatusCode::NO_CONTENT, "")),
                None => Err(unknown()),
            },
        }
    }

    fn open(&self) -> Answer {
        let opened = self.0.keyed.open(&self.0.hub, Now::read());
        let key = opened.map_err(|text| Refused(StatusCode::SERVICE_UNAVAILABLE, text))?;
        Ok(json(json!({ "key": *key }).to_string()))
    }

    fn stream(&self, query: &Query, fields: &HeaderMap) -> Answer {
        // A browser that comes back asks for the same address, and says here what it has.
        let last = fields
            .get("last-event-id")
            .map(|id| position(id.to_str().ok()));
        let position = last.transpose()?.or(query.position);
        let reader = self.reader(query, position)?;
        let mut response = Response::new(Body::new(Events::new(reader, self.0.options.ping)));
        let kind = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        Ok(response)
    }

    async fn poll(&self, query: &Query) -> Answer {
        let mut reader = self.reader(query, query.position)?;
        let next = poll_fn(|context| reader.poll_next(context));
        let Batch { parcels, end } = runtime::timeout(self.0.options.ping, next)
            .await
            .unwrap_or_default();
        let mut text = format!("{{\"position\":{},\"updates\":[", reader.position).into_bytes();
        for (number, parcel) in parcels.iter().enumerate() {
            text.extend_from_slice(if number == 0 { b"" } else { b"," });
            text.extend_from_slice(parcel.json());
        }
        text.push(b']');
        if let Some(bye) = end {
            text.extend_from_slice(b",\"close\":");
            text.extend_from_slice(close_json(bye).as_bytes());
        }
        text.push(b'}');
        Ok(json(text))
    }

    async fn send(&self, query: &Query, body: Body) -> Answer {
        let keyed = self.keyed(query)?;
        let lines = body.bytes(self.0.longest).await.map_err(wrong_body)?;
        match keyed.receive(query.position, &lines, Now::read()) {
            true => Ok(plain(StatusCode::NO_CONTENT, "")),
            false => Err(unknown()),
        }
    }

    fn keyed(&self, query: &Query) -> Result<Arc<Keyed>, Refused> {
        self.0.keyed.find(&query.key).ok_or_else(unknown)
    }

    fn reader(&self, query: &Query, position: Option<u64>) -> Result<Reader, Refused> {
        let reader = self.keyed(query)?.read(position.unwrap_or_default());
        reader.map_err(|_| {
            let text = "this position was left behind, or not reached: connect again\n";
            Refused(StatusCode::GONE, text)
        })
    }
}

impl Query {
    fn of(request: &Request) -> Result<Query, Refused> {
        let mut query = Query::default();
        let text = request.uri().query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            match &*name {
                "key" => query.key = value.into_owned(),
                "position" => query.position = Some(position(Some(&value))?),
                "leave" => query.leave = value == "1",
                _ => {}
            }
        }
        Ok(query)
    }
}

fn position(text: Option<&str>) -> Result<u64, Refused> {
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or(Refused(StatusCode::BAD_REQUEST, "a position is a number\n"))
}

fn unknown() -> Refused {
    let text = "there is no connection of this key, or it has ended: connect again\n";
    Refused(StatusCode::NOT_FOUND, text)
}

fn wrong_method(endpoint: Endpoint) -> Response<Body> {
    let (text, allowed) = match endpoint.method() {
        Method::GET => ("use GET\n", "GET"),
        _ => ("use POST\n", "POST"),
    };
    let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    let fields = refused.headers_mut();
    fields.insert(ALLOW, HeaderValue::from_static(allowed));
    refused
}

fn wrong_body(error: io::Error) -> Refused {
    let (status, text) = match error.kind() {
        io::ErrorKind::FileTooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "send fewer commands at once\n",
        ),
        io::ErrorKind::TimedOut => (StatusCode::REQUEST_TIMEOUT, "the body came too slowly\n"),
        _ => (StatusCode::BAD_REQUEST, "the body was cut\n"),
    };
    Refused(status, text)
}

fn json(text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Returns how a client is told why its connection has ended: as by WebSocket's close frame.
fn close_json(bye: Bye) -> String {
    json!({ "code": bye.code(), "reason": bye.text() }).to_string()
}
