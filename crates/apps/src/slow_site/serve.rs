//! The site on a connection.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::body::{Body, Frame, SizeHint};
use switchboard_http::{Request, Response, StatusCode, serve_connection};
use switchboard_net::Stream;
use switchboard_runtime as runtime;

use crate::slow_site::page::{Outcome, Page, Site};

/// Pieces of a page that drips.
const DRIPS: usize = 100;
/// Between the first half of a page that resets and the reset.
const PAUSE: Duration = Duration::from_millis(20);

/// Serves the site on a connection, with keep-alive.
///
/// # Errors
/// The connection's; a reset of our own is one too.
pub async fn serve(stream: Stream, site: Arc<Site>) -> io::Result<()> {
    let connection = stream.clone();
    serve_connection(stream, move |request: Request| {
        let page = site.page(request.uri().path());
        let connection = connection.clone();
        async move { Ok::<_, Infallible>(answer(page, connection).await) }
    })
    .await
}

async fn answer(page: Option<Page>, connection: Stream) -> Response<Slow> {
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
        Outcome::Page => html(Slow::whole(page.body)),
        Outcome::Drip => html(Slow::drip(page.body, page.latency)),
        Outcome::Reset => html(Slow::reset(page.body, connection)),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Slow> {
    let mut response = Response::new(Slow::whole(text.to_owned()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn html(body: Slow) -> Response<Slow> {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A body that takes its time.
struct Slow {
    left: Bytes,
    piece: usize,
    pause: Option<(Duration, runtime::Sleep)>,
    reset: Option<Stream>,
}

impl Slow {
    fn whole(body: String) -> Slow {
        Slow {
            piece: body.len(),
            left: body.into(),
            pause: None,
            reset: None,
        }
    }

    fn drip(body: String, latency: Duration) -> Slow {
        let pause = latency * 10 / DRIPS as u32;
        Slow {
            piece: body.len().div_ceil(DRIPS),
            left: body.into(),
            pause: Some((pause, runtime::sleep(pause))),
            reset: None,
        }
    }

    fn reset(body: String, connection: Stream) -> Slow {
        Slow {
            piece: body.len() / 2,
            left: body.into(),
            // Until then the first half is sent; hyper would throw it away with the connection.
            pause: Some((PAUSE, runtime::sleep(PAUSE))),
            reset: Some(connection),
        }
    }
}

impl Body for Slow {
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
            // The error makes hyper drop the connection, and the close is then a reset.
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
