//! Requests whose body stalls, or whose server does not want all of it.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Method;
use hyper::body::{Bytes, Frame};
use switchboard_http::{
    Body, ClientConnection, ExchangeError, ExchangeLimits, ExchangePhase, RequestHead, Response,
};
use switchboard_runtime::{self as runtime, Driver, Model};

use support::{models_and_drivers, run};

mod support;

/// Sends a request to upload `body`. Returns what tells that the connection was handed back, too.
async fn upload(
    stream: UnixStream,
    body: Body,
) -> (
    Result<Response<Body>, ExchangeError>,
    mpsc::Receiver<ClientConnection>,
) {
    let (kept, was_kept) = mpsc::channel();
    let mut head = RequestHead::new(&Method::POST, "/");
    head.field("host", b"here");
    head.finish(&body);
    let keep = move |connection| kept.send(connection).unwrap();
    let limits = ExchangeLimits::default();
    let connection = ClientConnection::new(stream.into());
    (connection.send(&head, body, &limits, keep).await, was_kept)
}

/// A body of one piece and a pause, after which it ends or fails.
struct Stalls {
    piece: Option<Bytes>,
    pause: runtime::Sleep,
    fails: bool,
}

impl hyper::body::Body for Stalls {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(piece) = self.piece.take() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        ready!(Pin::new(&mut self.pause).poll(context));
        Poll::Ready(match self.fails {
            true => Some(Err(ErrorKind::TimedOut.into())),
            false => None,
        })
    }
}

/// Returns how an upload to a server that does not answer fails, on virtual time, and after how many seconds.
fn unanswered(piece: Bytes, fails: bool) -> (ExchangePhase, ErrorKind, u64) {
    let (here, _there) = UnixStream::pair().unwrap();
    let (error, lasted) = run(Model::Tasks, Driver::Sim, async {
        let began = runtime::now();
        let body = Body::new(Stalls {
            piece: Some(piece),
            pause: runtime::sleep(Duration::from_secs(200)),
            fails,
        });
        let (answer, _kept) = upload(here, body).await;
        (answer.unwrap_err(), runtime::now() - began)
    });
    (error.phase, error.error.kind(), lasted.as_secs())
}

#[test]
fn a_server_is_not_to_blame_for_a_body_that_stalls() {
    let small = Bytes::from_static(b"small");
    let failed = unanswered(small.clone(), true);
    assert_eq!(failed, (ExchangePhase::Body, ErrorKind::TimedOut, 200));
    // Its time begins with the end of the body.
    let failed = unanswered(small, false);
    assert_eq!(failed, (ExchangePhase::FirstByte, ErrorKind::TimedOut, 260));
    // It does not take what has come.
    let failed = unanswered(vec![0; 10_000_000].into(), true);
    assert_eq!(failed, (ExchangePhase::FirstByte, ErrorKind::TimedOut, 60));
}

#[test]
fn a_server_is_not_to_blame_for_an_answer_that_waits_for_the_body() {
    for (piece, is_of_body) in [(5, true), (10_000_000, false)] {
        let (here, mut there) = UnixStream::pair().unwrap();
        there
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
            .unwrap();
        let error = run(Model::Tasks, Driver::Sim, async {
            let body = Body::new(Stalls {
                piece: Some(vec![0; piece].into()),
                pause: runtime::sleep(Duration::from_secs(200)),
                fails: true,
            });
            let (answer, _kept) = upload(here, body).await;
            answer.unwrap().into_body().bytes(100).await.unwrap_err()
        });
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let inner = error.get_ref().and_then(|it| it.downcast_ref());
        let phase = inner.map(|it: &ExchangeError| it.phase);
        assert_eq!(phase == Some(ExchangePhase::Body), is_of_body, "{error}");
    }
}

const REFUSAL: &[u8] = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 5\r\n\r\nlarge";

#[test]
fn an_early_answer_is_whole_though_the_server_hangs_up() {
    for (model, driver) in models_and_drivers() {
        // The bytes of the answer that come before the body does.
        for begun in [0, REFUSAL.len() - 3, REFUSAL.len()] {
            let (here, mut there) = UnixStream::pair().unwrap();
            there.write_all(&REFUSAL[..begun]).unwrap();
            let mut there = Some(there);
            let mut end = || {
                if let Some(mut there) = there.take() {
                    there.write_all(&REFUSAL[begun..]).unwrap();
                }
            };
            if begun == 0 {
                end();
            }
            let body = Body::from(vec![0; 10_000_000]);
            let (text, kept) = run(model, driver, async {
                let (answer, kept) = upload(here, body).await;
                end();
                (answer.unwrap().into_body().bytes(100).await, kept)
            });
            assert_eq!(text.unwrap(), "large", "{model}/{driver} after {begun}");
            assert!(kept.try_recv().is_err(), "{model}/{driver} after {begun}");
        }
    }
}
