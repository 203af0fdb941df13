//! Interim answers.

use std::convert::Infallible;
use std::io::{self, ErrorKind, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use switchboard_http::{Body, Request, Response, StatusCode, serve_connection, serve_stream};

use crate::support::{echo, exchange, models_and_drivers, run, statuses};

#[test]
fn an_interim_response_is_no_answer() {
    let requests = "GET /early HTTP/1.1\r\nhost: here\r\n\r\nGET /b HTTP/1.1\r\nhost: here\r\n\r\n";
    for code in [100, 103, 101, 199] {
        for way in models_and_drivers() {
            let handler = |request: Request| async move {
                let mut response = Response::new(Body::from("secret"));
                if request.uri() == "/early" {
                    *response.status_mut() = StatusCode::from_u16(code).unwrap();
                }
                Ok::<_, Infallible>(response)
            };
            let (text, served) = exchange(way, requests.as_bytes(), |stream| {
                serve_connection(stream, handler)
            });
            assert_eq!(statuses(&text), ["500"], "{text}");
            assert!(text.contains("connection: close") && !text.contains("secret"));
            assert_eq!(served.unwrap_err().kind(), ErrorKind::Other);
        }
    }
}

/// A client that waits for `100 Continue`, behind a stream that sends only what is flushed.
struct Waiting {
    pieces: Vec<&'static [u8]>,
    buffered: Vec<u8>,
    sent: Vec<u8>,
}

impl AsyncRead for Waiting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let is_told = self.sent.starts_with(b"HTTP/1.1 100 Continue\r\n\r\n");
        if self.pieces.len() == 1 && !is_told {
            return Poll::Ready(Err(io::Error::other("the client waits")));
        }
        Poll::Ready(buffer.write(self.pieces.pop().unwrap_or_default()))
    }
}

impl AsyncWrite for Waiting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.buffered.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let bytes = std::mem::take(&mut self.buffered);
        self.sent.extend(bytes);
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

#[test]
fn an_interim_answer_is_flushed() {
    for (model, driver) in models_and_drivers() {
        let head =
            b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
        let client = Waiting {
            pieces: vec![b"hello", head],
            buffered: Vec::new(),
            sent: Vec::new(),
        };
        run(model, driver, async { serve_stream(client, echo).await }).unwrap();
    }
}
