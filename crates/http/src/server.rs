//! HTTP/1.1 on a connection of a server.

use std::error::Error as StdError;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use http::Response;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::{Body, Frame, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use pin_project_lite::pin_project;
use switchboard_net::Stream;
use switchboard_runtime as runtime;

use crate::Request;
use crate::io::{Io, Timer};

/// Time in which a client must send a request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// Time between two looks at whether the client of a running handler has hung up.
const HANG_UP_INTERVAL: Duration = Duration::from_millis(250);
/// The answer to a request whose head is cut by the end of input.
const CUT_HEAD: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves HTTP/1.1 on a connection until the client or a response closes it, with keep-alive and
/// pipelining. Waits in the flow's own way. Each request's head must come within 30 seconds.
///
/// A client that shuts down its sending side gets the answers to all of its requests. A client that closes
/// a TCP connection looks the same, so the handler runs to its end. If the connection is reset while the
/// handler runs, or if the client closes a Unix connection, the handler's future is dropped within a
/// quarter of a second. Dropping this future closes the connection. The crate's page has an example.
///
/// # Errors
/// Of kind `ConnectionReset` if the client hung up while the handler ran. Of kind `Other`, around hyper's
/// error: malformed bytes from the client or a head that was cut, both of which are answered with status
/// 400; the handler's error; or an error of the connection.
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
    serve_connection_until(stream, handler, pending()).await
}

/// Serves as [`serve_connection`] does, until `stop` completes, such as the `wait` of a server's stop
/// handle. Then a connection that waits for a request ends at once, also if a part of a second request has
/// come. One whose request runs, or whose first request has come in part, ends after the answer, which tells
/// the client by `connection: close`.
///
/// ```
/// use std::convert::Infallible;
/// use std::io::{Read, Write};
/// use http_body_util::Full;
/// use switchboard_http::{Request, Response, serve_connection_until};
/// use switchboard_runtime::{Event, Model};
///
/// let (mut client, stream) = std::os::unix::net::UnixStream::pair()?;
/// client.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")?;
/// let stop = Event::new();
/// let handler = |_request: Request| async {
///     Ok::<_, Infallible>(Response::new(Full::<hyper::body::Bytes>::from("hello")))
/// };
/// // The request has arrived before the stop, so it is answered.
/// stop.set();
/// Model::Tasks.run(serve_connection_until(stream.into(), handler, stop.wait()))??;
/// let mut text = String::new();
/// client.read_to_string(&mut text)?;
/// assert!(text.contains("connection: close") && text.ends_with("hello"));
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// As [`serve_connection`].
pub async fn serve_connection_until<F, B, E>(
    stream: Stream,
    handler: impl Fn(Request) -> F,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    serve(stream.clone(), Some(&stream), handler, stop).await
}

/// Serves as [`serve_connection`] does, on any stream of bytes, such as a
/// [`TlsStream`](switchboard_tls::TlsStream). A client that hangs up while the handler runs is noticed when
/// the answer is sent.
///
/// # Errors
/// Those of [`serve_connection`].
///
/// ```
/// use std::convert::Infallible;
/// use http_body_util::Full;
/// use switchboard_http::{Response, serve_stream};
/// use switchboard_net::Stream;
/// use switchboard_tls::TlsServer;
///
/// async fn serve(server: TlsServer, stream: Stream) -> std::io::Result<()> {
///     let stream = server.accept(stream).await?;
///     serve_stream(stream, |_request| async {
///         Ok::<_, Infallible>(Response::new(Full::<hyper::body::Bytes>::from("hello")))
///     })
///     .await
/// }
/// # let _ = serve;
/// ```
pub async fn serve_stream<F, B, E>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    handler: impl Fn(Request) -> F,
) -> io::Result<()>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    serve(stream, None, handler, pending()).await
}

/// Serves HTTP on `stream` until `stop`. Its `socket`, if it is known, tells whether the client has hung up.
async fn serve<F, B, E>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    socket: Option<&Stream>,
    handler: impl Fn(Request) -> F,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    // Whether the server stops. Handlers and bodies hold a clone each while they run.
    let stopping = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request: http::Request<_>| {
        let stopping = stopping.clone();
        let response = handler(request.map(crate::Body::incoming));
        async move { Ok::<_, E>(running(response.await?, stopping)) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(Timer).header_read_timeout(HEAD_LIMIT);
    // hyper would drop the handler at the end of input otherwise.
    builder.half_close(true);
    let mut connection = pin!(builder.serve_connection(Io(stream), service));
    let mut watch = HangUpWatch::default();
    let mut stop = pin!(stop);
    let served = poll_fn(|context| {
        let mut polled = Poll::Pending;
        if !stopping.load(Ordering::Relaxed) && stop.as_mut().poll(context).is_ready() {
            stopping.store(true, Ordering::Relaxed);
            // A request that has arrived is answered. The first poll of a blocking flow may only note the
            // read, and the second one makes the call.
            for _ in 0..2 {
                if polled.is_pending() {
                    polled = connection.as_mut().poll(context);
                }
            }
            if polled.is_pending() {
                connection.as_mut().graceful_shutdown();
            }
        }
        if polled.is_pending() {
            polled = connection.as_mut().poll(context);
        }
        if let Poll::Ready(served) = polled {
            return Poll::Ready(Ok(served));
        }
        let runs = Arc::strong_count(&stopping) > 1;
        match socket {
            Some(socket) => watch.poll(socket, runs, context).map(Err),
            None => Poll::Pending,
        }
    });
    match served.await? {
        Err(error) if error.is_incomplete_message() => {
            if let Some(socket) = socket {
                answer_cut_head(socket).await;
            }
            Err(io::Error::other(error))
        }
        served => served.map_err(io::Error::other),
    }
}

/// Returns a response that counts as running until its body is sent, and that tells the client if the server
/// stops.
fn running<B>(mut response: Response<B>, stopping: Arc<AtomicBool>) -> Response<Running<B>> {
    if stopping.load(Ordering::Relaxed) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response.map(|body| Running {
        body,
        _running: stopping,
    })
}

/// Sends the answer to a cut head, as far as the socket takes it without waiting.
async fn answer_cut_head(stream: &Stream) {
    let mut sent = pin!(stream.write(CUT_HEAD));
    poll_fn(|context| {
        let _ = sent.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

/// A regular look at whether the client has hung up, while a handler or the body of its response runs.
///
/// hyper reads nothing meanwhile, and after the end of input no read would find a reset. A timer serves
/// every driver; `select` for example does not report hang-ups.
#[derive(Default)]
struct HangUpWatch(Option<runtime::Sleep>);

impl HangUpWatch {
    /// Completes with the error of the connection once the client of a handler that `runs` has hung up.
    fn poll(&mut self, stream: &Stream, runs: bool, context: &mut Context<'_>) -> Poll<io::Error> {
        if !runs {
            self.0 = None;
            return Poll::Pending;
        }
        let wait = self
            .0
            .get_or_insert_with(|| runtime::sleep(HANG_UP_INTERVAL));
        while Pin::new(&mut *wait).poll(context).is_ready() {
            if stream.is_hung_up() {
                let text = "the client hung up before it was answered";
                return Poll::Ready(io::Error::new(io::ErrorKind::ConnectionReset, text));
            }
            wait.reset(runtime::now() + HANG_UP_INTERVAL);
        }
        Poll::Pending
    }
}

pin_project! {
    /// The body of a response, which counts as running until hyper drops it.
    struct Running<B> {
        #[pin]
        body: B,
        _running: Arc<AtomicBool>,
    }
}

impl<B: Body> Body for Running<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
