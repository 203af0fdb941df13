//! The server's side.

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

/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(30);

/// Serves HTTP/1 on a connection until the client or an answer ends it: keep-alive, pipelining, and
/// 30 seconds for each request's head. A client that hangs up while its answer is being made ends
/// the handler: its future is dropped.
///
/// # Errors
/// What broke the connection: the client's bytes, the handler's error, the network.
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
    builder.timer(Timer).header_read_timeout(HEAD);
    let connection = builder.serve_connection(Io(stream), service_fn(handler));
    connection.await.map_err(io::Error::other)
}
