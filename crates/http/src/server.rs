//! HTTP/1.1 on a connection of a server.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::time::Duration;

use http::Response;
use hyper::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use switchboard_net::Stream;

use crate::Request;
use crate::io::{Io, Timer};

/// Time in which a client must send a request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// Serves HTTP/1.1 on a connection until the client or a response closes it, with keep-alive and
/// pipelining. Waits in the flow's own way. Each request's head must come within 30 seconds.
///
/// If the client hangs up while the handler runs, the handler's future is dropped. Dropping this
/// future closes the connection. The crate's page has an example.
///
/// # Errors
/// Of kind `Other`, around hyper's error: malformed bytes from the client, the handler's error, or an
/// error of the connection.
pub async fn serve_connection<F, B, E>(
    stream: Stream,
    handler: impl Fn(Request) -> F,
) -> io::Result<()>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut builder = http1::Builder::new();
    builder.timer(Timer).header_read_timeout(HEAD_LIMIT);
    let connection = builder.serve_connection(Io(stream), service_fn(handler));
    connection.await.map_err(io::Error::other)
}
