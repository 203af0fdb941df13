//! Serves the site on a connection.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::body::{Body, Frame, SizeHint};
use switchboard_http::{Request, Response, StatusCode, serve_connection_until};
use switchboard_net::Stream;
use switchboard_runtime as runtime;

use crate::slow_site::page::{Outcome, Page, Site};

/// The number of pieces of a page that drips.
const DRIPS: usize = 100;
/// The pause between the first half of a page and the reset of its connection.
const RESET_PAUSE: Duration = Duration::from_millis(20);

/// Serves the site on a connection, with keep-alive, until the client closes it. Waits in the flow's own
/// way. Dropping the future closes the connection.
///
/// ```no_run
/// use std::sync::Arc;
/// use switchboard_apps::slow_site::{self, Site};
/// use switchboard_net::Listener;
/// use switchboard_runtime::{Driver, Model};
///
/// Model::Tasks.run(async {
///     let listener = Listener::bind("127.0.0.1:8080")?;
///     let (stream, _) = listener.accept().await?;
///     slow_site::serve(stream, Arc::new(Site::default())).await
/// })?
/// # ; std::io::Result::Ok(())
/// ```
///
/// # Errors
/// As [`serve_connection`](switchboard_http::serve_connection); a reset by the site itself is one of them.
pub async fn serve(stream: Stream, site: Arc<Site>) -> io::Result<()> {
    serve_until(stream, site, pending()).await
}

/// Serves as [`serve`] does, until `stop` completes: then an idle connection ends, and another one ends
/// after its answer.
///
/// # Errors
/// As [`serve`].
pub async fn serve_until(
    stream: Stream,
    site: Arc<Site>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let connection = stream.clone();
    let handler = move |request| {
        let answer = answer(&site, &request, connection.clone());
        async move { Ok::<_, Infallible>(answer.await) }
    };
    serve_connection_until(stream, handler, stop).await
}

/// Returns the answer to a request, for connections that the caller serves. A page that resets does so to
/// `connection`, the socket underneath.
///
/// ```no_run
/// use std::convert::Infallible;
/// use switchboard_apps::slow_site::{self, Site};
/// use switchboard_http::HttpServer;
/// use switchboard_net::Stream;
///
/// /// Serves the site within other limits.
/// async fn serve(site: &Site, http: HttpServer, stream: Stream) -> std::io::Result<()> {
///     let socket = stream.clone();
///     let handler = |request| {
///         let answer = slow_site::answer(site, &request, socket.clone());
///         async { Ok::<_, Infallible>(answer.await) }
///     };
///     http.serve(stream, handler).await
/// }
/// ```
pub fn answer(
    site: &Site,
    request: &Request,
    connection: Stream,
) -> impl Future<Output = Response<impl Body<Data = Bytes, Error = io::Error> + use<>>> + use<> {
    let page = site.page(request.uri().path());
    respond(page, connection)
}

async fn respond(page: Option<Page>, connection: Stream) -> Response<SlowBody> {
    let Some(page) = page else {
        return plain(StatusCode::NOT_FOUND, "no such page\n");
    };
    runtime::sleep(page.latency).await;
    match page.outcome {
        Outcome::NotFound => plain(StatusCode::NOT_FOUND, "this page is gone\n"),
        Outcome::Error => plain(StatusCode::INTERNAL_SERVER_ERROR, "this page is broken\n"),
        Outcome::Redirect(to) => {
            let mut response = plain(StatusCode::FOUND, "elsewhere\n");
            if let Ok(location) = HeaderValue::try_from(format!("/page/{to}")) {
                response.headers_mut().insert(LOCATION, location);
            }
            response
        }
        Outcome::Page => html(SlowBody::whole(page.body)),
        Outcome::Drip => html(SlowBody::drip(page.body, page.latency)),
        Outcome::Reset => html(SlowBody::reset(page.body, connection)),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<SlowBody> {
    let mut response = Response::new(SlowBody::whole(text.to_owned()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn html(body: SlowBody) -> Response<SlowBody> {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A response body that can pause between pieces and reset the connection.
struct SlowBody {
    left: Bytes,
    /// Bytes of the next piece. Under `reset`, 0 once the first half was sent.
    piece: usize,
    /// The pause before each piece, and the sleep of the current one.
    pause: Option<(Duration, runtime::Sleep)>,
    /// The connection to reset after the first half.
    reset: Option<Stream>,
}

impl SlowBody {
    fn whole(body: String) -> SlowBody {
        SlowBody {
            piece: body.len(),
            left: body.into(),
            pause: None,
            reset: None,
        }
    }

    fn drip(body: String, latency: Duration) -> SlowBody {
        let pause = latency * 10 / DRIPS as u32;
        SlowBody {
            piece: body.len().div_ceil(DRIPS),
            left: body.into(),
            pause: Some((pause, runtime::sleep(pause))),
            reset: None,
        }
    }

    fn reset(body: String, connection: Stream) -> SlowBody {
        SlowBody {
            piece: body.len() / 2,
            left: body.into(),
            // In the pause hyper sends the first half, which an immediate error would discard.
            pause: Some((RESET_PAUSE, runtime::sleep(RESET_PAUSE))),
            reset: Some(connection),
        }
    }
}

impl Body for SlowBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let first_half = self.reset.is_some() && self.piece > 0;
        if let Some((pause, sleep)) = self.pause.as_mut().filter(|_| !first_half) {
            ready!(Pin::new(&mut *sleep).poll(context));
            *sleep = runtime::sleep(*pause);
        }
        if !first_half && let Some(connection) = self.reset.take() {
            // The error makes hyper drop the connection, and closing that resets it.
            let reset = connection.reset_on_close();
            let error = io::Error::new(io::ErrorKind::ConnectionReset, "this page resets");
            return Poll::Ready(Some(Err(reset.err().unwrap_or(error))));
        }
        let piece = self.piece.min(self.left.len());
        if self.reset.is_some() {
            self.piece = 0;
        }
        let piece = self.left.split_to(piece);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
