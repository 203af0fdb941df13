//! The listener that sends clients without TLS to where it is spoken.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderValue, LOCATION};
use hyper::http::uri::Authority;
use switchboard_http::{Request, Response, StatusCode, serve_connection};
use switchboard_net::Addr;
use switchboard_reactor::Quiet;
use switchboard_server::Server;

/// Redirects clients at `addr` to the same host at `port`, on a thread of its own, until the process ends.
/// Returns the address.
///
/// # Errors
/// Those of binding the address and of starting a thread.
pub(super) fn serve(addr: &str, port: u16) -> io::Result<Addr> {
    // Its own connections are none that the operator wants to hear of.
    let server = Server::new().hooks(Arc::new(Quiet)).max_connections(1000);
    let server = server.bind(addr)?;
    let addr = server.local_addr().clone();
    let answer = move |stream| {
        serve_connection(stream, move |request| async move {
            Ok::<_, Infallible>(redirect(&request, port))
        })
    };
    let thread = thread::Builder::new().name("redirect".to_owned());
    thread.spawn(move || server.serve(answer))?;
    Ok(addr)
}

fn redirect(request: &Request, port: u16) -> Response<Full<Bytes>> {
    let (status, text) = match location(request, port) {
        Some(location) => {
            let mut response = Response::new(Full::from("the site is at the https address\n"));
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().insert(LOCATION, location);
            return response;
        }
        None => (StatusCode::BAD_REQUEST, "the request names no host\n"),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

/// Returns where the request's page is with TLS.
fn location(request: &Request, port: u16) -> Option<HeaderValue> {
    let uri = request.uri();
    let named = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let named = named.and_then(|host| Authority::try_from(host).ok());
    let authority = named.or_else(|| uri.authority().cloned())?;
    let host = authority.host();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = path.strip_prefix('/')?;
    let port = match port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    HeaderValue::try_from(format!("https://{host}{port}/{path}")).ok()
}
