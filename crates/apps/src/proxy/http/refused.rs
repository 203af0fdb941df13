//! Requests that the proxy answers itself.

use std::fmt;
use std::io;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use switchboard_http::{Body, Response};

use crate::proxy::backend::Backend;
use crate::proxy::pool::Pool;
use crate::proxy::throttle::Throttle;

/// The common methods that are passed on. Every other one is, too, except CONNECT.
const METHODS: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH";

/// A request that is answered by the proxy itself.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    text: String,
    /// How many more requests it was so for, of which no line tells.
    more: u64,
    /// Whether the operator hears of it.
    pub(super) is_told: bool,
}

impl Refused {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Refused {
        Refused {
            status,
            text: text.into(),
            more: 0,
            is_told: status.is_server_error(),
        }
    }

    /// What the operator hears of as often as `throttle` lets a line pass.
    fn told(status: StatusCode, text: String, throttle: &Throttle, now: u64) -> Refused {
        let held = throttle.pass(now);
        Refused {
            more: held.unwrap_or_default(),
            is_told: held.is_some(),
            ..Refused::new(status, text)
        }
    }

    /// There is no back end to ask. Only one such request in a second is told.
    pub(super) fn all_down(pool: &Pool) -> Refused {
        let name = &pool.settings().name;
        let text = format!("every back end of pool {name} is down");
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Refused::told(status, text, &pool.all_down, pool.now())
    }

    /// The request's body has failed. A client that is too slow is told of once a second.
    pub(super) fn of_body(pool: &Pool, error: &io::Error) -> Refused {
        let status = match error.kind() {
            io::ErrorKind::TimedOut => StatusCode::REQUEST_TIMEOUT,
            io::ErrorKind::FileTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        let text = format!("the request's body: {error}");
        match status {
            StatusCode::REQUEST_TIMEOUT => Refused::told(status, text, &pool.too_slow, pool.now()),
            _ => Refused::new(status, text),
        }
    }

    /// What failed at a back end, and in which phase.
    pub(super) fn at(backend: &Backend, phase: impl fmt::Display, error: &io::Error) -> Refused {
        let status = match error.kind() {
            io::ErrorKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        Refused::new(status, format!("back end {backend}: {phase}: {error}"))
    }

    /// Returns the answer, which tells clients nothing of back ends.
    pub(super) fn answer(&self) -> Response<Body> {
        let reason = self.status.canonical_reason().unwrap_or_default();
        let text = match self.status.is_server_error() {
            true => format!("{} {reason}\n", self.status.as_str()),
            false => format!("{} {reason}: {}\n", self.status.as_str(), self.text),
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status;
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            let methods = HeaderValue::from_static(METHODS);
            response.headers_mut().insert(ALLOW, methods);
        }
        response
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.as_str(), self.text)?;
        match self.more {
            0 => Ok(()),
            more => write!(f, "; so it was for {more} more requests"),
        }
    }
}
