//! Bodies of answers, which are sent as the client takes them, and files.

use std::convert::Infallible;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use switchboard_http::{Body, Request, Response, serve_connection, serve_stream};

use crate::get;
use crate::support::{exchange, models_and_drivers, run};

/// A client that sends one request, and takes so many bytes of the answer.
struct Slow {
    request: &'static [u8],
    takes: usize,
}

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match buffer.write(std::mem::take(&mut self.request))? {
            0 => Poll::Pending,
            length => Poll::Ready(Ok(length)),
        }
    }
}

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(self.takes);
        self.takes -= taken;
        match taken {
            0 => Poll::Pending,
            taken => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_frame_is_asked_for_once_the_one_before_is_taken() {
    const FRAME: usize = 64 * 1024;
    for (model, driver) in models_and_drivers() {
        let asked = Arc::new(AtomicUsize::new(0));
        let client = Slow {
            request: b"GET / HTTP/1.1\r\nhost: here\r\n\r\n",
            takes: 10 * FRAME,
        };
        let handler = |_request: Request| {
            let asked = asked.clone();
            let frames = (0..100).map(move |_| {
                asked.fetch_add(1, Ordering::Relaxed);
                Ok::<_, io::Error>(Frame::data(Bytes::from(vec![0; FRAME])))
            });
            let body = StreamBody::new(futures_lite::stream::iter(frames));
            async { Ok::<_, Infallible>(Response::new(body)) }
        };
        run(model, driver, async {
            let mut served = pin!(serve_stream(client, handler));
            for _ in 0..20 {
                let polled = poll_fn(|context| Poll::Ready(served.as_mut().poll(context))).await;
                assert!(polled.is_pending());
            }
        });
        // A part of the tenth frame is left, for the heads of chunks were sent too.
        assert_eq!(asked.load(Ordering::Relaxed), 10);
    }
}

#[test]
fn a_file_is_sent_whole_or_the_connection_is_cut() {
    let content: Vec<u8> = (0..300_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    let path = std::env::temp_dir().join(format!("answers-{}", std::process::id()));
    std::fs::write(&path, &content).unwrap();
    let file = File::open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    for way in models_and_drivers() {
        for (range, end) in [
            (7..300_000, (299_993, true)),
            (0..300_001, (300_000, false)),
        ] {
            let (told, ends) = std::sync::mpsc::channel();
            let handler = |_request: Request| {
                let (file, told) = (file.try_clone().unwrap(), told.clone());
                let body = Body::file(file, range.clone());
                let body = body.on_end(move |bytes, whole| told.send((bytes, whole)).unwrap());
                async { Ok::<_, Infallible>(Response::new(body)) }
            };
            let (text, served) = exchange(way, get("/").as_bytes(), |stream| {
                serve_connection(stream, handler)
            });
            let (_, body) = text.split_once("\r\n\r\n").unwrap();
            let sent = &content[range.start as usize..];
            assert!(body.as_bytes() == sent, "{} bytes", body.len());
            assert_eq!(ends.recv(), Ok(end));
            let failed = served.err().map(|error| error.kind());
            assert_eq!(failed, (!end.1).then_some(ErrorKind::UnexpectedEof));
        }
    }
}
