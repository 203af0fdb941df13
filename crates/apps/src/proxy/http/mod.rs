//! The proxy for HTTP/1: request by request, over connections to back ends that all workers share.
//!
//! ```text
//!   serve     a client's connection: its requests, one by one
//!   route     the pool that a request goes to
//!   forward   a back end, a connection, the answer; another try where that is safe
//!   fields    what the back end is told
//!   idle      the connections that wait for a request
//! ```

mod fields;
mod forward;
pub(super) mod idle;
mod passing;
mod route;
mod trust;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HOST, VIA};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use switchboard_http::{Body, Request, Response, serve_connection_until};
use switchboard_net::{Addr, Stream};

pub use self::route::Route;
pub use self::trust::Cidr;

use self::fields::Peer;
use self::forward::{Job, Refused, forward};
use super::balance::{Balance, hash};
use super::live::{Proxy, Setup};

/// Serves the requests of a connection, until `stop` completes.
pub(super) async fn serve(
    client: Stream,
    proxy: &Proxy,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let ip = match client.peer_addr() {
        Ok(Addr::Tcp(addr)) => Some(addr.ip().to_canonical()),
        _ => None,
    };
    let handler =
        |request: Request| async move { Ok::<_, Infallible>(answer(proxy, ip, request).await) };
    serve_connection_until(client, handler, stop).await
}

/// Answers a request of a client.
async fn answer(proxy: &Proxy, ip: Option<IpAddr>, request: Request) -> Response<Body> {
    let setup = proxy.setup();
    let is_trusted =
        ip.is_some_and(|ip| setup.settings.trust.iter().any(|range| range.contains(ip)));
    let peer = Peer { ip, is_trusted };
    let (head, body) = request.into_parts();
    let mut response = match pass(&setup, &peer, proxy.via(), &head, body).await {
        Ok(response) => response,
        Err((refused, line)) => {
            if refused.status.is_server_error() {
                proxy.notice(&format_args!("{line}: {refused}"));
            }
            return refused.answer();
        }
    };
    add_via(&mut response, proxy.via());
    response
}

/// Passes a request on. An error comes with the request's line, for the log.
async fn pass(
    setup: &Setup,
    peer: &Peer,
    via: &str,
    head: &Parts,
    body: Body,
) -> Result<Response<Body>, (Refused, String)> {
    let line = || {
        let path: String = head.uri.to_string().chars().take(100).collect();
        format!("{} {path}", head.method)
    };
    let failed = |refused| (refused, line());
    if head.method == Method::CONNECT {
        let text = "this server is no forward proxy";
        return Err(failed(Refused::new(StatusCode::METHOD_NOT_ALLOWED, text)));
    }
    let token = via.split(' ').nth(1).unwrap_or(via);
    let is_loop = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains(token));
    if head.headers.get_all(VIA).iter().any(is_loop) {
        let text = "the request has come through this proxy before";
        return Err(failed(Refused::new(StatusCode::LOOP_DETECTED, text)));
    }
    let host = head
        .headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
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
        via,
        key,
    };
    forward(&job, body).await.map_err(failed)
}

/// Tells the client which way its answer has come.
fn add_via(response: &mut Response<Body>, via: &str) {
    if let Ok(value) = HeaderValue::from_str(via) {
        response.headers_mut().append(VIA, value);
    }
}
