//! Requests over connections that the caller holds, under every model.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_lite::AsyncReadExt;
use http::Method;
use hyper::body::{Bytes, Frame};
use switchboard_http::{
    Body, ClientConnection, ExchangeError, ExchangeLimits, ExchangePhase, RequestHead, Response,
    Upgraded,
};
use switchboard_runtime::{self as runtime, Driver, Model};

use support::{models_and_drivers, run};

mod support;

fn request(method: &Method, body: &Body) -> RequestHead {
    let mut head = RequestHead::new(method, "/path");
    head.field("host", b"here");
    head.finish(body);
    head
}

/// A connection, its peer, and what tells that it was handed back.
fn connection() -> (ClientConnection, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    there
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    (ClientConnection::new(here.into()), there)
}

async fn get(
    connection: ClientConnection,
    method: &Method,
    body: Body,
) -> (
    Result<Response<Body>, ExchangeError>,
    mpsc::Receiver<ClientConnection>,
) {
    let (kept, was_kept) = mpsc::channel();
    let head = request(method, &body);
    let keep = move |connection| kept.send(connection).unwrap();
    let limits = ExchangeLimits::default();
    (connection.send(&head, body, &limits, keep).await, was_kept)
}

/// Reads the request's head, and answers with pieces.
fn answer(
    mut peer: UnixStream,
    pieces: Vec<Vec<u8>>,
    closes: bool,
) -> std::thread::JoinHandle<UnixStream> {
    std::thread::spawn(move || {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            peer.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        for piece in pieces {
            peer.write_all(&piece).unwrap();
            std::thread::yield_now();
        }
        if closes {
            peer.shutdown(std::net::Shutdown::Both).unwrap();
        }
        peer
    })
}

/// An answer, the body that it has, and whether the connection goes on.
const ANSWERS: [(&str, &str, bool); 10] = [
    (
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: own\r\nconnection: upgrade\r\n\r\n",
        "",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "hello",
        true,
    ),
    ("HTTP/1.1 204 No Content\r\n\r\n", "", true),
    (
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
        "hello",
        false,
    ),
    (
        "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "hello",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "hello",
        true,
    ),
    ("HTTP/1.1 200 OK\r\n\r\nhello", "hello", false),
    (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n!",
        "!",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more",
        "ok",
        false,
    ),
    (
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        "",
        true,
    ),
];

#[test]
fn answers_are_read_however_they_come() {
    for (model, driver) in models_and_drivers() {
        for (text, expected, goes_on) in ANSWERS {
            for step in [1, 7, text.len()] {
                // What nobody asked for may come after the connection was handed back.
                if text.ends_with("more") && step < text.len() {
                    continue;
                }
                let (connection, peer) = connection();
                let pieces = text.as_bytes().chunks(step).map(<[u8]>::to_vec).collect();
                let answering = answer(peer, pieces, !goes_on);
                let (body, kept) = run(model, driver, async {
                    let (answer, kept) = get(connection, &Method::GET, Body::empty()).await;
                    (answer.unwrap().into_body().bytes(100).await, kept)
                });
                assert_eq!(
                    body.unwrap(),
                    expected,
                    "{model}/{driver}: {text:?} by {step}"
                );
                assert_eq!(
                    kept.try_recv().is_ok(),
                    goes_on,
                    "{model}/{driver}: {text:?} by {step}"
                );
                answering.join().unwrap();
            }
        }
    }
}

#[test]
fn an_answer_of_101_has_the_connection_and_what_has_come_behind_its_head() {
    const SWITCH: &str = "HTTP/1.1 101 Switching\r\nUpgrade: own\r\nconnection: upgrade, x-own\r\nx-own: 1\r\n\r\nfirst";
    for (model, driver) in models_and_drivers() {
        for step in [1, 7, SWITCH.len()] {
            let (connection, peer) = connection();
            let pieces = SWITCH.as_bytes().chunks(step).map(<[u8]>::to_vec).collect();
            let answering = answer(peer, pieces, true);
            let (text, kept) = run(model, driver, async {
                let (answer, kept) = get(connection, &Method::GET, Body::empty()).await;
                let mut answer = answer.unwrap();
                assert_eq!(answer.headers()["upgrade"], "own");
                assert_eq!(answer.headers().len(), 1);
                let mut upgraded = Upgraded::take(&mut answer).unwrap();
                assert!(Upgraded::take(&mut answer).is_none());
                assert!(upgraded.socket().is_some());
                let mut text = String::new();
                upgraded.read_to_string(&mut text).await.unwrap();
                (text, kept)
            });
            assert_eq!(text, "first", "{model}/{driver} by {step}");
            assert!(kept.try_recv().is_err(), "{model}/{driver} by {step}");
            answering.join().unwrap();
        }
    }
}

/// A body that never ends.
struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        Poll::Pending
    }
}

#[test]
fn an_answer_of_101_before_the_end_of_the_request_is_refused() {
    for (model, driver) in models_and_drivers() {
        let (connection, peer) = connection();
        let text = b"HTTP/1.1 101 Switching\r\nupgrade: own\r\n\r\n".to_vec();
        let answering = answer(peer, vec![text], false);
        let body = Body::new(Endless);
        let (answer, _) = run(model, driver, get(connection, &Method::POST, body));
        let error = answer.unwrap_err();
        assert_eq!(error.phase, ExchangePhase::Head, "{model}/{driver}");
        assert_eq!(error.error.kind(), ErrorKind::InvalidData);
        answering.join().unwrap();
    }
}

#[test]
fn an_answer_to_head_has_a_length_and_no_body() {
    let (connection, peer) = connection();
    let text = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n".to_vec();
    let answering = answer(peer, vec![text], false);
    let (answer, kept) = run(
        Model::Tasks,
        Driver::best(),
        get(connection, &Method::HEAD, Body::empty()),
    );
    let answer = answer.unwrap();
    assert_eq!(answer.headers()["content-length"], "500");
    assert_eq!(answer.body().length(), Some(0));
    assert!(kept.try_recv().is_ok());
    answering.join().unwrap();
}

/// A body of pieces whose length nobody knows.
struct Pieces(Vec<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.0.pop().map(|piece| Ok(Frame::data(piece))))
    }
}

#[test]
fn bodies_are_sent_as_they_come_while_the_answer_does() {
    const PIECES: usize = 40;
    const PIECE: usize = 50_000;
    for (model, driver) in models_and_drivers() {
        for chunked in [false, true] {
            let (connection, mut peer) = connection();
            // The peer sends each piece back before it reads the next one, so that both must go on at once.
            let echoing = std::thread::spawn(move || {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    peer.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                let framing = if chunked {
                    "transfer-encoding: chunked"
                } else {
                    "content-length: 2000000"
                };
                assert!(head.contains(framing), "{head}");
                peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n")
                    .unwrap();
                let size = format!("{PIECE:x}\r\n");
                for _ in 0..PIECES {
                    let mut piece = vec![0; PIECE];
                    if chunked {
                        peer.read_exact(&mut vec![0; size.len()]).unwrap();
                    }
                    peer.read_exact(&mut piece).unwrap();
                    if chunked {
                        peer.read_exact(&mut [0; 2]).unwrap();
                    }
                    peer.write_all(&piece).unwrap();
                }
                if chunked {
                    let mut end = [0; 5];
                    peer.read_exact(&mut end).unwrap();
                    assert_eq!(&end, b"0\r\n\r\n");
                }
            });
            let piece = |at: usize| Bytes::from(vec![at as u8; PIECE]);
            let body = match chunked {
                true => Body::new(Pieces((0..PIECES).rev().map(piece).collect())),
                false => Body::from((0..PIECES).flat_map(piece).collect::<Vec<u8>>()),
            };
            let (body, kept) = run(model, driver, async {
                let (answer, kept) = get(connection, &Method::POST, body).await;
                (
                    answer.unwrap().into_body().bytes(3_000_000).await.unwrap(),
                    kept,
                )
            });
            assert!(
                body.iter()
                    .enumerate()
                    .all(|(at, byte)| *byte == (at / PIECE) as u8)
            );
            echoing.join().unwrap();
            // The end of the chunks may follow the answer.
            assert!(chunked || kept.try_recv().is_ok(), "{model}/{driver}");
        }
    }
}

#[test]
fn what_fails_says_in_which_phase() {
    let cut = |text: &str| {
        let (connection, peer) = connection();
        let answering = answer(peer, vec![text.as_bytes().to_vec()], true);
        let (result, kept) = run(
            Model::Tasks,
            Driver::best(),
            get(connection, &Method::GET, Body::empty()),
        );
        answering.join().unwrap();
        assert!(kept.try_recv().is_err());
        result
    };
    let error = cut("").unwrap_err();
    assert_eq!(
        (error.phase, error.error.kind()),
        (ExchangePhase::FirstByte, ErrorKind::UnexpectedEof)
    );
    let error = cut("HTTP/1.1 20").unwrap_err();
    assert_eq!(
        (error.phase, error.error.kind()),
        (ExchangePhase::Head, ErrorKind::UnexpectedEof)
    );
    let error = cut("SSH-2.0-x\r\n").unwrap_err();
    assert_eq!(
        (error.phase, error.error.kind()),
        (ExchangePhase::Head, ErrorKind::InvalidData)
    );
    let body = cut("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello")
        .unwrap()
        .into_body();
    let error = run(Model::Tasks, Driver::best(), body.bytes(100)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    let (connection, peer) = connection();
    drop(peer);
    let (result, _) = run(
        Model::Tasks,
        Driver::best(),
        get(connection, &Method::GET, Body::empty()),
    );
    assert_eq!(result.unwrap_err().phase, ExchangePhase::Send);
}

#[test]
fn a_server_that_does_not_answer_is_given_up_on_virtual_time() {
    let (connection, _peer) = connection();
    let (result, _) = run(
        Model::Tasks,
        Driver::Sim,
        get(connection, &Method::GET, Body::empty()),
    );
    let error = result.unwrap_err();
    assert_eq!(
        (error.phase, error.error.kind()),
        (ExchangePhase::FirstByte, ErrorKind::TimedOut)
    );
    let (connection, mut peer) = self::connection();
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello")
        .unwrap();
    let body = run(Model::Tasks, Driver::Sim, async {
        let (answer, _kept) = get(connection, &Method::GET, Body::empty()).await;
        answer.unwrap().into_body().bytes(100).await
    });
    assert_eq!(body.unwrap_err().kind(), ErrorKind::TimedOut);
}

/// A body that waits before each of its pieces.
struct Slow {
    left: usize,
    pause: runtime::Sleep,
}

impl hyper::body::Body for Slow {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        ready!(Pin::new(&mut self.pause).poll(context));
        self.left -= 1;
        self.pause = runtime::sleep(Duration::from_secs(40));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"!")))))
    }
}

#[test]
fn an_upload_that_goes_on_keeps_an_answer_that_has_begun_on_virtual_time() {
    let (connection, mut peer) = connection();
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
        .unwrap();
    let (error, lasted) = run(Model::Tasks, Driver::Sim, async {
        let pause = runtime::sleep(Duration::from_secs(40));
        let body = Body::new(Slow { left: 10, pause });
        let (answer, _kept) = get(connection, &Method::POST, body).await;
        let began = runtime::now();
        let error = answer.unwrap().into_body().bytes(100).await.unwrap_err();
        (error, runtime::now() - began)
    });
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    // The last piece is sent after 400 s.
    assert!((460..=520).contains(&lasted.as_secs()), "{lasted:?}");
}

/// Asks in each turn of the loop, in which the driver reports events.
async fn becomes_stale(connection: &mut ClientConnection) -> bool {
    for _ in 0..1000 {
        if connection.is_stale().await {
            return true;
        }
        runtime::yield_now().await;
    }
    false
}

#[test]
fn a_connection_that_has_waited_says_whether_it_may_go_on() {
    for (model, driver) in models_and_drivers() {
        run(model, driver, async {
            let (mut fresh, peer) = connection();
            assert!(!fresh.is_stale().await, "{model}/{driver}");
            assert!(!fresh.is_stale().await, "{model}/{driver}");
            drop(peer);
            assert!(becomes_stale(&mut fresh).await, "{model}/{driver}");
            let (mut told, mut peer) = connection();
            assert!(!told.is_stale().await, "{model}/{driver}");
            peer.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
                .unwrap();
            assert!(becomes_stale(&mut told).await, "{model}/{driver}");
        });
    }
}
