//! Requests whose client or back end is slow, cuts what it sends, or does not answer.

use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use hyper::body::{Body as HttpBody, Bytes, Frame};
use switchboard_apps::access::{Access, Format};
use switchboard_apps::proxy::Sender;
use switchboard_http::Body;
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, join, race};

use super::{SocketPath, http_settings, receive_all, simulated};
use crate::proxy;

/// Serves one client by HTTP, which sends a request; returns its answer. `server` does what the back end does.
fn asked<S: Future<Output = Stream>>(
    name: &str,
    server: impl FnOnce(Stream) -> S,
) -> (String, Vec<String>, Duration) {
    let path = SocketPath::new(name);
    let listener = path.listen();
    let (proxy, notices) = proxy(http_settings(&path));
    let (here, there) = Stream::pair().unwrap();
    let (answer, lasted) = simulated(async {
        let begin = runtime::now();
        let client = async {
            here.write_all(b"GET /x HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            (receive_all(&here).await, runtime::now() - begin)
        };
        let answering = async {
            let (stream, _) = listener.accept().await.unwrap();
            server(stream).await
        };
        let (answer, _peers) = join(client, join(proxy.serve(there), answering)).await;
        answer
    });
    (answer, notices.take(), lasted)
}

#[test]
fn a_back_end_that_does_not_answer_in_time_is_given_up() {
    let (answer, notices, lasted) = asked("silent", |stream| async { stream });
    assert!(
        answer.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"),
        "{answer}"
    );
    assert!((60..=61).contains(&lasted.as_secs()), "{lasted:?}");
    assert!(
        notices[0].starts_with("GET /x: 504: back end unix:"),
        "{notices:?}"
    );
    assert!(
        notices[0].ends_with(": first byte: no answer within 60s"),
        "{notices:?}"
    );
}

#[test]
fn a_back_end_that_does_not_take_a_head_in_time_is_given_up() {
    let path = SocketPath::new("full");
    let listener = path.listen();
    let (proxy, notices) = proxy(http_settings(&path));
    simulated(async {
        // More than the buffers of a socket hold.
        let request = (0..100).fold(Request::builder().uri("/"), |request, at| {
            request.header(format!("x-{at}"), "a".repeat(20_000))
        });
        let request = request.body(Body::empty()).unwrap();
        let begin = runtime::now();
        let asking = proxy.respond(Sender::default(), false, request);
        let (answer, _accepted) = join(asking, listener.accept()).await;
        let lasted = runtime::now() - begin;
        assert_eq!(answer.status(), 504);
        assert!((60..=61).contains(&lasted.as_secs()), "{lasted:?}");
    });
    let notices = notices.take();
    assert!(
        notices[0].ends_with(": send: not taken within 60s"),
        "{notices:?}"
    );
}

#[test]
fn an_answer_that_takes_long_between_its_pieces_is_cut() {
    let (answer, _, lasted) = asked("stalling", |stream| async {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
        stream.write_all(head).await.unwrap();
        for _ in 0..10 {
            runtime::sleep(Duration::from_secs(50)).await;
            stream.write_all(b"!").await.unwrap();
        }
        stream
    });
    assert!(answer.ends_with("\r\n\r\n!!!!!!!!!!"), "{answer}");
    assert!((560..=561).contains(&lasted.as_secs()), "{lasted:?}");
}

#[test]
fn a_connection_that_waits_for_a_request_is_closed_without_checks_too() {
    let path = SocketPath::new("waiting");
    let listener = path.listen();
    let (proxy, _) = proxy(http_settings(&path));
    simulated(async {
        let answering = async {
            let (stream, _) = listener.accept().await.unwrap();
            stream.recv().await.unwrap();
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            let began = runtime::now();
            assert!(stream.recv().await.unwrap().is_empty());
            runtime::now() - began
        };
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let asking = proxy.respond(Sender::default(), false, request);
        let script = runtime::timeout(Duration::from_secs(60), join(asking, answering));
        let script = async {
            let (answer, lasted) = script.await.unwrap();
            assert_eq!(answer.status(), 204);
            assert!((4..=6).contains(&lasted.as_secs()), "{lasted:?}");
        };
        race(script, proxy.watch()).await;
    });
}

#[test]
fn requests_that_no_back_end_takes_do_not_fill_the_log() {
    let path = SocketPath::new("quiet");
    let mut settings = http_settings(&path);
    settings.pools[0].rules.ejection = Duration::from_secs(3600);
    settings.pools[0].rules.longest_ejection = Duration::from_secs(3600);
    let (proxy, notices) = proxy(settings);
    simulated(async {
        let ask = async || {
            let request = Request::builder().uri("/a\u{9b}'b");
            let request = request.body(Body::empty()).unwrap();
            proxy.respond(Sender::default(), false, request).await;
        };
        for _ in 0..3 {
            ask().await;
        }
        assert_eq!(notices.take().len(), 4, "three failures and the ejection");
        for _ in 0..10 {
            ask().await;
        }
        let line = "GET /a\\u{9b}\\'b: 503: every back end of pool default is down";
        assert_eq!(notices.take(), [line]);
        runtime::sleep(Duration::from_secs(1)).await;
        ask().await;
        assert_eq!(
            notices.take(),
            [format!("{line}; so it was for 9 more requests")]
        );
    });
}

/// Sends a request whose body stops after its first bytes, and returns the answer, and what the logs say.
fn stalled(name: &str) -> (String, Vec<String>, String, std::io::Result<()>) {
    let path = SocketPath::new(name);
    let listener = path.listen();
    let (proxy, notices) = proxy(http_settings(&path));
    let (written, lines) = mpsc::channel();
    let access = Access::new().log(Format::Combined, move |line| {
        drop(written.send(line.to_owned()))
    });
    let (here, there) = Stream::pair().unwrap();
    let (answer, served) = simulated(async {
        let client = async {
            here.write_all(b"POST /x HTTP/1.1\r\nhost: here\r\ncontent-length: 100\r\n\r\nhello")
                .await
                .unwrap();
            let answer = receive_all(&here).await;
            drop(here);
            answer
        };
        let answering = async {
            let (stream, _) = listener.accept().await.unwrap();
            while stream.recv().await.is_ok_and(|chunk| !chunk.is_empty()) {}
        };
        let never = std::future::pending();
        let serving = proxy.serve_until(there, never, Some(&access));
        let (answer, (served, ())) = join(client, join(serving, answering)).await;
        (answer, served)
    });
    (answer, notices.take(), lines.recv().unwrap(), served)
}

#[test]
fn a_client_whose_upload_stalls_is_told_and_so_is_the_log() {
    let (answer, notices, line, served) = stalled("upload");
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{answer}"
    );
    let why = "the request's body: a request body that comes too slowly";
    assert_eq!(notices, [format!("POST /x: 408: {why}")]);
    assert!(line.contains("\"POST /x HTTP/1.1\" 408 "), "{line}");
    assert_eq!(served.unwrap_err().kind(), ErrorKind::TimedOut);
}

/// A body that fails after a second.
struct Failing(runtime::Sleep);

impl HttpBody for Failing {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let failed = std::io::Error::from(ErrorKind::ConnectionReset);
        let slept = Pin::new(&mut self.0).poll(context);
        slept.map(|()| Some(Err(failed)))
    }
}

#[test]
fn only_a_back_end_that_cuts_its_own_answers_is_left_out() {
    let path = SocketPath::new("cutting");
    let listener = path.listen();
    let (proxy, notices) = proxy(http_settings(&path));
    let to = path.to();
    simulated(async {
        let answering = async |closes: bool| {
            let (stream, _) = listener.accept().await.unwrap();
            stream.recv().await.unwrap();
            let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello";
            stream.write_all(cut).await.unwrap();
            while !closes && !stream.recv().await.unwrap().is_empty() {}
        };
        let asking = async |body: Body| {
            let request = Request::builder().method("POST").uri("/");
            let request = request.body(body).unwrap();
            let answer = proxy.respond(Sender::default(), false, request).await;
            assert_eq!(answer.status(), 200);
            answer.into_body().bytes(100).await.unwrap_err().kind()
        };
        for _ in 0..3 {
            let body = Body::new(Failing(runtime::sleep(Duration::from_secs(1))));
            let (kind, ()) = join(asking(body), answering(false)).await;
            assert_eq!(kind, ErrorKind::ConnectionReset);
        }
        assert_eq!(notices.take(), [""; 0]);
        for _ in 0..3 {
            let (kind, ()) = join(asking(Body::empty()), answering(true)).await;
            assert_eq!(kind, ErrorKind::UnexpectedEof);
        }
        let [left_out] = &notices.take()[..] else {
            panic!("one notice")
        };
        let expected = format!("back end {to} fails and is left out for 1s: ");
        assert!(left_out.starts_with(&expected), "{left_out}");
    });
}
