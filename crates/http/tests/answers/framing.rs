//! How an answer says where its body ends, and whether the connection goes on.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, ETAG};
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Bytes, Frame};
use switchboard_http::{Body, Request, Response, StatusCode, serve_connection};

use crate::get;
use crate::support::{exchange, models_and_drivers};

/// A body of frames, each of which comes at its second poll.
struct Frames {
    frames: Vec<Frame<Bytes>>,
    waited: bool,
}

impl Frames {
    fn of(frames: impl IntoIterator<Item = Frame<Bytes>>) -> Body {
        let mut frames: Vec<_> = frames.into_iter().collect();
        frames.reverse();
        Body::new(Frames {
            frames,
            waited: false,
        })
    }
}

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.waited = !self.waited;
        if self.waited {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.frames.pop().map(Ok))
    }
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from(text))
}

async fn answer(request: Request) -> io::Result<Response<Body>> {
    let mut response = Response::new(Body::empty());
    match request.uri().path() {
        "/small" => *response.body_mut() = Body::from("hello"),
        "/full" => *response.body_mut() = Body::new(Full::<Bytes>::from("hello")),
        "/large" => *response.body_mut() = Body::from("0123456789".repeat(30_000)),
        "/file" => {
            let file = File::open("Cargo.toml")?;
            *response.body_mut() = Body::file(file, 1..10);
        }
        "/streamed" => *response.body_mut() = Frames::of([data("hel"), data(""), data("lo")]),
        "/trailers" => {
            let mut trailers = HeaderMap::new();
            trailers.insert("sum", "7".parse().unwrap());
            *response.body_mut() = Frames::of([data("hello"), Frame::trailers(trailers)]);
        }
        "/known" => {
            *response.body_mut() = Frames::of([data("hel"), data("lo")]);
            response.headers_mut().insert(CONTENT_LENGTH, 5.into());
        }
        "/short" => {
            *response.body_mut() = Frames::of([data("hel")]);
            response.headers_mut().insert(CONTENT_LENGTH, 5.into());
        }
        "/204" => *response.status_mut() = StatusCode::NO_CONTENT,
        "/304" => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
                .headers_mut()
                .insert(ETAG, "\"x\"".parse().unwrap());
            *response.body_mut() = Body::from("not sent");
        }
        "/close" => {
            let close = "close".parse().unwrap();
            response.headers_mut().insert("connection", close);
        }
        _ => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    Ok(response)
}

/// Checks the answer to `request`, without its date.
fn check(request: &str, expected: &str) {
    for way in models_and_drivers() {
        let (text, served) = exchange(way, request.as_bytes(), |stream| {
            serve_connection(stream, answer)
        });
        let lines = text.split_inclusive('\n');
        let undated: String = lines.filter(|line| !line.starts_with("date: ")).collect();
        assert_eq!(undated, expected, "{request} under {way:?}: {served:?}");
        assert_eq!(served.is_err(), request.contains("/short"), "{served:?}");
    }
}

#[test]
fn a_body_of_known_length_has_it_in_the_head() {
    let expected = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    for path in ["/small", "/full", "/known"] {
        check(&get(path), expected);
    }
    let expected = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npackage]\n";
    check(&get("/file"), expected);
    let large = "0123456789".repeat(30_000);
    let expected = format!("HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n{large}");
    check(&get("/large"), &expected);
}

#[test]
fn a_body_of_unknown_length_is_chunked() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let expected = format!("{head}3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
    check(&get("/streamed"), &expected);
    let expected = format!("{head}5\r\nhello\r\n0\r\nsum: 7\r\n\r\n");
    check(&get("/trailers"), &expected);
}

#[test]
fn a_body_of_unknown_length_ends_with_the_connection_of_an_old_client() {
    check(
        "GET /streamed HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello",
    );
}

#[test]
fn a_body_shorter_than_its_head_says_cuts_the_connection() {
    let expected = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    check(&get("/short"), &format!("{expected}hel"));
}

#[test]
fn responses_without_a_body_have_none() {
    check(&get("/204"), "HTTP/1.1 204 No Content\r\n\r\n");
    check(
        &get("/304"),
        "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n",
    );
    for (path, field) in [
        ("/small", "content-length: 5\r\n"),
        ("/known", "content-length: 5\r\n"),
        ("/large", "content-length: 300000\r\n"),
        ("/streamed", ""),
    ] {
        let request = format!("HEAD {path} HTTP/1.1\r\nhost: here\r\n\r\n");
        check(&request, &format!("HTTP/1.1 200 OK\r\n{field}\r\n"));
    }
}

#[test]
fn a_connection_goes_on_as_long_as_both_sides_agree() {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    check(&get("/small").repeat(3), &whole.repeat(3));
    let old = "GET /small HTTP/1.0\r\n\r\n";
    let closed = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
    check(&old.repeat(2), closed);
    let kept = "GET /small HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";
    let going_on = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello";
    check(&kept.repeat(2), &going_on.repeat(2));
    let close = "GET /small HTTP/1.1\r\nhost: here\r\nconnection: te, Close\r\n\r\n";
    check(&close.repeat(2), closed);
    let closed = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    check(&get("/close").repeat(2), closed);
}
