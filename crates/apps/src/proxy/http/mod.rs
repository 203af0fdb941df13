//! The proxy for HTTP/1: request by request, over connections to back ends that all workers share.
//!
//! ```text
//!   answer    one request
//!   route     the pool that a request goes to
//!   forward   a back end, a connection, the answer; another try where that is safe
//!   refused   what the proxy answers itself
//!   fields    what the back end is told
//!   trailers  the same after the body
//!   upgrade   what follows an answer that ends HTTP
//!   idle      the connections that wait for a request
//! ```

mod fields;
mod forward;
pub(super) mod idle;
mod passing;
mod refused;
mod route;
mod trailers;
mod trust;
mod upgrade;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, VIA};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Method, StatusCode, Version};
use switchboard_http::{Body, Request, Response};
use switchboard_net::Addr;

pub use self::route::Route;
pub use self::trust::Cidr;

use self::fields::Peer;
use self::forward::{Job, forward};
use self::refused::Refused;
use super::balance::{Balance, hash};
use super::live::Proxy;
use super::setup::Setup;

/// How a request was passed on: an extension of its answer, for the log of requests.
///
/// ```
/// use std::time::Duration;
/// use switchboard_apps::proxy::Passed;
///
/// let passed = Passed { back_end: "a:80".to_owned(), waited: Duration::ZERO, took: Duration::from_millis(200), tries: 1 };
/// assert_eq!(passed.to_string(), "a:80 0.000 0.200 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The back end that has answered.
    pub back_end: String,
    /// The time that the request waited for a connection to it, with tries that failed.
    pub waited: Duration,
    /// The time from the request to the head of the answer.
    pub took: Duration,
    /// How often it was tried.
    pub tries: u32,
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Passed {
            back_end, tries, ..
        } = self;
        let [waited, took] = [self.waited, self.took].map(|time| time.as_secs_f64());
        write!(f, "{back_end} {waited:.3} {took:.3} {tries}")
    }
}

/// Who has sent a request, and how.
///
/// ```
/// use switchboard_apps::proxy::Sender;
///
/// assert!(!Sender::default().has_tls);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sender<'a> {
    /// The peer's address; `None` if it is not known.
    pub peer: Option<&'a Addr>,
    /// Whether it has come through TLS.
    pub has_tls: bool,
}

/// Answers a request of a client. The answer says how it was passed on if it `tells`.
pub(super) async fn answer(
    proxy: &Proxy,
    from: Sender<'_>,
    tells: bool,
    request: Request,
) -> Response<Body> {
    let setup = proxy.setup();
    let ip = from
        .peer
        .and_then(Addr::as_tcp)
        .map(|addr| addr.ip().to_canonical());
    let is_trusted =
        ip.is_some_and(|ip| setup.settings.trust.iter().any(|range| range.contains(ip)));
    let peer = Peer {
        ip,
        is_trusted,
        has_tls: from.has_tls,
    };
    let (head, body) = request.into_parts();
    let mut response = match pass(&setup, &peer, proxy.name(), tells, &head, body).await {
        Ok(response) => response,
        Err((refused, line)) => {
            if refused.is_told {
                proxy.notice(&format_args!("{line}: {refused}"));
            }
            return refused.answer();
        }
    };
    // It tells the client which way its answer has come.
    response.headers_mut().append(VIA, proxy.via().clone());
    response
}

/// Passes a request on. An error comes with the request's line, for the log.
async fn pass(
    setup: &Setup,
    peer: &Peer,
    name: &str,
    tells: bool,
    head: &Parts,
    body: Body,
) -> Result<Response<Body>, (Refused, String)> {
    let line = || {
        let uri = head.uri.to_string();
        let path: String = uri.chars().take(100).flat_map(char::escape_debug).collect();
        format!("{} {path}", head.method)
    };
    let failed = |refused| (refused, line());
    if head.method == Method::CONNECT {
        let text = "this server is no forward proxy";
        return Err(failed(Refused::new(StatusCode::METHOD_NOT_ALLOWED, text)));
    }
    let is_loop = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains(name));
    if head.headers.get_all(VIA).iter().any(is_loop) {
        let text = "the request has come through this proxy before";
        return Err(failed(Refused::new(StatusCode::LOOP_DETECTED, text)));
    }
    if head.version == Version::HTTP_2 && !has_one_host(head) {
        let text = "the request names no host, or two of them";
        return Err(failed(Refused::new(StatusCode::BAD_REQUEST, text)));
    }
    let host = given_host(head).unwrap_or_default();
    let Some(pool) = setup.route(host, head.uri.path()) else {
        let text = "no route fits the host and the path";
        return Err(failed(Refused::new(StatusCode::NOT_FOUND, text)));
    };
    let key = match &pool.settings().balance {
        Balance::Hash(Some(name)) => head
            .headers
            .get(name)
            .map_or(0, |value| hash(value.as_bytes())),
        Balance::Hash(None) => peer.ip.map_or(0, |ip| hash(ip.to_string().as_bytes())),
        _ => 0,
    };
    let job = Job {
        setup,
        pool: Arc::clone(pool),
        head,
        peer,
        name,
        protocols: upgrade::asked(head, &body),
        tells,
        key,
    };
    let body = trailers::filter(body, peer.is_trusted);
    forward(&job, body).await.map_err(failed)
}

/// Returns the host that a client has asked for: by the URI, or by the field, which HTTP/1 has made equal.
fn given_host(head: &Parts) -> Option<&str> {
    let field = || head.headers.get(HOST).and_then(|host| host.to_str().ok());
    head.uri.authority().map(Authority::as_str).or_else(field)
}

/// Returns whether a request of HTTP/2 names one host and no user, in the URI or in the field or in both.
fn has_one_host(head: &Parts) -> bool {
    let Some(given) = given_host(head) else {
        return false;
    };
    let is_same = |value: &HeaderValue| given.as_bytes().eq_ignore_ascii_case(value.as_bytes());
    !given.contains('@')
        && given.parse::<Authority>().is_ok()
        && head.headers.get_all(HOST).iter().all(is_same)
}
