//! HTTP/2 under every model and driver: requests side by side, limits, and floods.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, ErrorKind, Write};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use switchboard_http::{Body, HttpServer, Request, Response, ServerLimits, serve_stream};
use switchboard_net::Stream;
use switchboard_runtime::{Driver, Event, Model};

use frames::*;
use support::{models_and_drivers, run};

#[path = "support/frames.rs"]
mod frames;
mod support;

/// A connection of a server, from the client's end.
struct Served {
    client: Client,
    stop: Event,
    /// Says what happens to handlers.
    said: mpsc::Receiver<&'static str>,
    server: JoinHandle<io::Result<()>>,
}

/// Says that a handler was dropped.
struct Drops(mpsc::Sender<&'static str>);

impl Drop for Drops {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// Answers by path:
///
/// | path | answer |
/// |---|---|
/// | `/wait` | comes after one of `/go` was asked for |
/// | `/stay` | never comes |
/// | `/body` | the length of the request's body, or the kind of the error |
/// | `/large` | 200,000 bytes |
/// | `/host` | its Host fields and its authority |
/// | `/cookie` | its Cookie fields |
async fn handle(request: Request, go: Event, say: mpsc::Sender<&'static str>) -> Response<Body> {
    let drops = Drops(say.clone());
    say.send("started").unwrap();
    let body = match request.uri().path() {
        "/wait" => {
            go.wait().await;
            "waited".into()
        }
        "/go" => {
            go.set();
            "gone".into()
        }
        "/stay" => pending().await,
        "/cookie" => {
            let cookies = request.headers().get_all("cookie").iter();
            Body::from(format!("{:?}", cookies.collect::<Vec<_>>()))
        }
        "/host" => {
            let hosts = request.headers().get_all("host").iter();
            let hosts: Vec<_> = hosts.map(|host| host.to_str().unwrap()).collect();
            Body::from(format!("{hosts:?} {:?}", request.uri().authority()))
        }
        "/body" => match request.into_body().bytes(1 << 20).await {
            Ok(bytes) => Body::from(bytes.len().to_string()),
            Err(error) => Body::from(format!("{:?}", error.kind())),
        },
        "/large" => Body::new(http_body_util::StreamBody::new(futures_lite::stream::iter(
            (0..200).map(|_| {
                Ok::<_, Infallible>(hyper::body::Frame::data(hyper::body::Bytes::from(vec![
                    7;
                    1000
                ])))
            }),
        ))),
        _ => Body::from("hello"),
    };
    drop(drops);
    Response::new(body)
}

impl Served {
    fn start((model, driver): (Model, Driver), limits: ServerLimits) -> Served {
        println!("{model} with {driver}");
        let (client, stream) = connection();
        let (stop, go) = (Event::new(), Event::new());
        let (say, said) = mpsc::channel();
        let stopped = stop.clone();
        let server = std::thread::spawn(move || {
            let handler = |request| {
                let answer = handle(request, go.clone(), say.clone());
                async { Ok::<_, Infallible>(answer.await) }
            };
            let http = HttpServer::new(limits);
            let serve = async { http.serve_until(stream, handler, stopped.wait()).await };
            run(model, driver, serve)
        });
        Served {
            client,
            stop,
            said,
            server,
        }
    }

    fn greeted(way: (Model, Driver)) -> Served {
        let mut served = Served::start(way, ServerLimits::default());
        served.client.greet(&[]);
        served
    }

    /// Reads up to the end of the connection. Returns the last frame, and how the server has ended.
    fn end(self) -> (Option<Frame>, io::Result<()>) {
        let last = self.client.rest().pop();
        (last, self.server.join().unwrap())
    }

    /// Waits for the end of a connection whose client says nothing more.
    fn end_unanswered(mut self) -> io::Result<()> {
        // A reset is an end as well.
        let _ = io::copy(&mut self.client.0, &mut io::sink());
        self.server.join().unwrap()
    }
}

/// Reads the body of the answer to the request of `stream`; those of others are left out.
fn answer(client: &mut Client, stream: u32) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let frame = client.next().expect("the connection is open");
        if frame.stream == stream && frame.kind == DATA {
            body.extend_from_slice(&frame.payload);
        }
        if frame.stream == stream && frame.flags & END_STREAM != 0 {
            return body;
        }
    }
}

#[test]
fn requests_of_a_connection_wait_side_by_side() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        served.client.get(1, "/wait");
        served.client.get(3, "/stay");
        for _ in 0..2 {
            assert_eq!(served.said.recv(), Ok("started"));
        }
        served.client.get(5, "/go");
        let mut first = served.client.wait_for(DATA);
        let mut second = served.client.wait_for(DATA);
        if first.stream == 1 {
            std::mem::swap(&mut first, &mut second);
        }
        assert_eq!((first.stream, &first.payload[..]), (5, &b"gone"[..]));
        assert_eq!((second.stream, &second.payload[..]), (1, &b"waited"[..]));
        // The client leaves, and the request that is open is dropped.
        drop(served.client);
        served.server.join().unwrap().unwrap();
        let said: Vec<_> = served.said.iter().collect();
        assert_eq!(said, ["started", "dropped", "dropped", "dropped"]);
    }
}

#[test]
fn a_request_that_is_taken_back_has_its_handler_dropped() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        served.client.get(1, "/stay");
        assert_eq!(served.said.recv(), Ok("started"));
        served.client.send(&frame(RESET, 0, 1, &[0, 0, 0, 8]));
        assert_eq!(served.said.recv(), Ok("dropped"));
        served.client.get(3, "/");
        assert_eq!(answer(&mut served.client, 3), b"hello");
    }
}

#[test]
fn a_stop_lets_requests_end() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        served.client.get(1, "/wait");
        assert_eq!(served.said.recv(), Ok("started"));
        served.stop.set();
        assert_eq!(served.client.wait_for(GOAWAY).reason(), 0);
        served.client.get(3, "/go");
        assert_eq!(answer(&mut served.client, 1), b"waited");
        let (last, ended) = served.end();
        ended.unwrap();
        assert!(last.is_none_or(|frame| frame.kind == GOAWAY || frame.stream == 3));
    }
}

#[test]
fn an_idle_connection_ends_at_once_when_the_server_stops() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        served.client.get(1, "/");
        assert_eq!(answer(&mut served.client, 1), b"hello");
        served.stop.set();
        let (last, ended) = served.end();
        assert_eq!(
            last.map(|frame| (frame.kind, frame.reason())),
            Some((GOAWAY, 0))
        );
        ended.unwrap();
        // One that has not said anything.
        let served = Served::start(way, ServerLimits::default());
        served.stop.set();
        served.end_unanswered().unwrap();
    }
}

#[test]
fn an_idle_connection_is_told_to_end() {
    for way in models_and_drivers() {
        let limits = ServerLimits {
            keep_alive_idle: Duration::from_millis(50),
            ..ServerLimits::default()
        };
        let mut served = Served::start(way, limits);
        served.client.greet(&[]);
        served.client.get(1, "/");
        assert_eq!(answer(&mut served.client, 1), b"hello");
        let (last, ended) = served.end();
        assert_eq!(
            last.map(|frame| (frame.kind, frame.reason())),
            Some((GOAWAY, 0))
        );
        ended.unwrap();
    }
}

#[test]
fn a_client_must_greet() {
    for way in models_and_drivers() {
        let limits = ServerLimits {
            head_time: Duration::from_millis(50),
            ..ServerLimits::default()
        };
        let mut served = Served::start(way, limits);
        served.client.send(b"PRI * HTTP/2.0\r\n");
        let ended = served.end_unanswered();
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}

#[test]
fn a_body_must_keep_coming_while_its_handler_waits() {
    for way in models_and_drivers() {
        let limits = ServerLimits {
            body_idle: Duration::from_millis(50),
            ..ServerLimits::default()
        };
        let mut served = Served::start(way, limits);
        served.client.greet(&[]);
        for (stream, whole, text) in [(1, true, "3000"), (3, false, "TimedOut")] {
            let fields = fields(POST, "/body");
            let flags = if whole { END_STREAM } else { 0 };
            served
                .client
                .send(&frame(HEADERS, END_HEADERS, stream, &fields));
            served.client.send(&frame(DATA, flags, stream, &[0; 3000]));
            assert_eq!(answer(&mut served.client, stream), text.as_bytes());
        }
    }
}

#[test]
fn a_client_must_take_its_answers() {
    for way in models_and_drivers() {
        let limits = ServerLimits {
            write_idle: Duration::from_millis(50),
            ..ServerLimits::default()
        };
        let mut served = Served::start(way, limits);
        // No room for the bytes of any answer, SETTINGS_INITIAL_WINDOW_SIZE.
        served.client.greet(&[(4, 0)]);
        served.client.get(1, "/large");
        let (last, ended) = served.end();
        assert_eq!(last.map(|frame| frame.kind), Some(HEADERS));
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        let settings = served.client.read().unwrap();
        assert!(
            settings
                .payload
                .chunks(6)
                .any(|it| it == [0, 3, 0, 0, 0, 100])
        );
        for n in 0..100 {
            served.client.get(1 + 2 * n, "/stay");
        }
        served.client.get(201, "/stay");
        let refused = served.client.wait_for(RESET);
        assert_eq!((refused.stream, refused.reason()), (201, REFUSED_STREAM));
        for _ in 0..100 {
            assert_eq!(served.said.recv(), Ok("started"));
        }
        drop(served.client);
        let _ = served.server.join().unwrap();
        assert_eq!(served.said.iter().count(), 100);
    }
}

/// What is asked for by `fields`, besides the method and the scheme, is answered with `status` and `text`.
fn is_answered(served: &mut Served, stream: u32, fields: &[(&str, &str)], status: u8, text: &str) {
    let begin = [(":method", "GET"), (":scheme", "http")];
    let fields = literals(&[&begin, fields].concat());
    let flags = END_HEADERS | END_STREAM;
    let request = frame(HEADERS, flags, stream, &fields);
    served.client.send(&request);
    let head = served.client.wait_for(HEADERS);
    assert_eq!((head.stream, head.payload[0]), (stream, status), "{text}");
    let body = answer(&mut served.client, stream);
    assert_eq!(String::from_utf8(body).unwrap(), text);
}

#[test]
fn the_host_is_checked_and_agrees_with_the_authority() {
    // Statuses, compressed.
    const OK: u8 = 0x88;
    const BAD: u8 = 0x8c;
    let (path, authority) = ((":path", "/host"), (":authority", "here:80"));
    let host = |host| ("host", host);
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        for (n, (fields, status, text)) in [
            (&[path, authority][..], OK, "[] Some(here:80)"),
            (
                &[path, authority, host("there")],
                OK,
                "[\"here:80\"] Some(here:80)",
            ),
            (&[path, host("there")], OK, "[\"there\"] None"),
            (&[path], BAD, "neither :authority nor a Host field\n"),
            (
                &[path, host("a"), host("a")],
                BAD,
                "more than one Host field\n",
            ),
            (
                &[path, authority, host("a"), host("b")],
                BAD,
                "more than one Host field\n",
            ),
            (
                &[path, authority, host("a/b")],
                BAD,
                "a Host that is no host\n",
            ),
            (&[path, host("a b")], BAD, "a Host that is no host\n"),
            (
                &[path, (":authority", "me@here")],
                BAD,
                "a request target that is no URI\n",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            is_answered(&mut served, 1 + 2 * n as u32, fields, status, text);
        }
        drop(served.client);
        served.server.join().unwrap().unwrap();
        let handled = served.said.iter().filter(|said| *said == "started");
        assert_eq!(handled.count(), 3);
    }
}

#[test]
fn divided_cookies_are_joined() {
    const OK: u8 = 0x88;
    let cookie = |value| ("cookie", value);
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        for (n, (cookies, text)) in [
            (&[][..], "[]"),
            (&[cookie("a=1; b=2")], "[\"a=1; b=2\"]"),
            (&[cookie("a=1"), cookie("b=2")], "[\"a=1; b=2\"]"),
            (
                &[cookie("a=1"), ("x", "y"), cookie("b=2"), cookie("c=3")],
                "[\"a=1; b=2; c=3\"]",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let begin = [(":path", "/cookie"), (":authority", "here")];
            let fields = [&begin[..], cookies].concat();
            is_answered(&mut served, 1 + 2 * n as u32, &fields, OK, text);
        }
    }
}

#[test]
fn heads_have_the_limits_of_http_1() {
    let limits = ServerLimits {
        head_bytes: 4_000,
        fields: 20,
        uri_bytes: 100,
        ..ServerLimits::default()
    };
    let (path, long) = (format!("/{}", "x".repeat(99)), "x".repeat(4_000));
    let longer = format!("{path}x");
    let begin = |path| {
        [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "here"),
            (":path", path),
        ]
    };
    let head = |path, fields: &[(&str, &str)]| literals(&[&begin(path), fields].concat());
    for way in models_and_drivers() {
        let mut served = Served::start(way, limits);
        served.client.greet(&[]);
        let settings = served.client.read().unwrap();
        // SETTINGS_MAX_HEADER_LIST_SIZE.
        let expected = [&[0, 6][..], &4_000_u32.to_be_bytes()].concat();
        assert!(settings.payload.chunks(6).any(|it| it == expected));
        for (stream, head, text) in [
            (1, head(&path, &[("a", "b"); 20]), "hello"),
            (
                3,
                head(&path, &[("a", "b"); 21]),
                "more fields than the limit\n",
            ),
            (5, head(&longer, &[]), "a URI over the limit\n"),
            (7, head("/", &[("a", &long)]), ""),
            (9, head("/", &[]), "hello"),
        ] {
            let flags = END_HEADERS | END_STREAM;
            served.client.send(&frame(HEADERS, flags, stream, &head));
            let body = answer(&mut served.client, stream);
            assert_eq!(String::from_utf8(body).unwrap(), text);
        }
        drop(served.client);
        served.server.join().unwrap().unwrap();
        let handled = served.said.iter().filter(|said| *said == "started");
        assert_eq!(handled.count(), 2);
    }
}

/// Returns a request, and a frame that takes it back.
fn taken_back(stream: u32) -> [Vec<u8>; 2] {
    let flags = END_HEADERS | END_STREAM;
    let head = frame(HEADERS, flags, stream, &fields(GET, "/stay"));
    [head, frame(RESET, 0, stream, &[0, 0, 0, 8])]
}

/// CVE-2023-44487.
#[test]
fn a_burst_of_requests_that_are_taken_back_ends_the_connection() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        let burst = (0..30).flat_map(|n| taken_back(1 + 2 * n).concat());
        served.client.send(&burst.collect::<Vec<_>>());
        let (last, ended) = served.end();
        let error = ended.unwrap_err().to_string();
        assert!(error.contains("excessive load"), "{error}");
        let last = last.map(|frame| (frame.kind, frame.reason()));
        assert_eq!(last, Some((GOAWAY, ENHANCE_YOUR_CALM)));
    }
}

#[test]
fn requests_that_are_taken_back_one_by_one_end_the_connection() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        // Whether the handler of a request begins, and ends as its request is taken back.
        let mut one = |n: u32| {
            let [head, reset] = taken_back(1 + 2 * n);
            let Served { client, said, .. } = &mut served;
            client.0.write_all(&head).is_ok()
                && said.recv() == Ok("started")
                && client.0.write_all(&reset).is_ok()
                && said.recv() == Ok("dropped")
        };
        assert!((0..1000).any(|n| !one(n)));
        let error = served.server.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("took back"), "{error}");
    }
}

/// CVE-2024-27316: a head that has no end.
#[test]
fn a_head_without_an_end_ends_the_connection() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        served.client.send(&frame(HEADERS, 0, 1, &fields(GET, "/")));
        let more = frame(CONTINUATION, 0, 1, &b"\x00\x01a\x01b".repeat(1000));
        // Far more than the system holds for a server that does not read.
        let cut = (0..10_000).any(|_| served.client.0.write_all(&more).is_err());
        assert!(cut);
        let error = served.server.join().unwrap().unwrap_err();
        assert_ne!(error.kind(), ErrorKind::TimedOut, "{error}");
    }
}

#[test]
fn a_flood_of_frames_that_carry_nothing_ends_the_connection() {
    for way in models_and_drivers() {
        for flood in [
            frame(PING, 0, 0, &[7; 8]),
            frame(SETTINGS, 0, 0, &[]),
            frame(PRIORITY, 0, 9, &[0, 0, 0, 0, 16]),
            // Of a kind that nobody knows.
            frame(0xee, 0, 0, &[0; 100]),
        ] {
            let mut served = Served::greeted(way);
            // A request that waits makes it no better.
            served.client.get(1, "/stay");
            assert_eq!(served.said.recv(), Ok("started"));
            let mut answers = served.client.0.try_clone().unwrap();
            let reader = std::thread::spawn(move || io::copy(&mut answers, &mut io::sink()));
            let many = flood.repeat(1000);
            let cut = (0..10_000).any(|_| served.client.0.write_all(&many).is_err());
            assert!(cut);
            let error = served.server.join().unwrap().unwrap_err();
            assert!(error.to_string().contains("a flood: "), "{error}");
            // A reset is an end as well.
            let _ = reader.join().unwrap();
        }
    }
}

#[test]
fn a_client_that_floods_is_told() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        served.client.get(1, "/");
        assert_eq!(answer(&mut served.client, 1), b"hello");
        let pings = frame(PING, 0, 0, &[7; 8]).repeat(100);
        let last = 'flood: loop {
            served.client.send(&pings);
            for _ in 0..100 {
                match served.client.read().unwrap() {
                    frame if frame.kind == PING => {}
                    frame => break 'flood frame,
                }
            }
        };
        assert_eq!((last.kind, last.reason()), (GOAWAY, ENHANCE_YOUR_CALM));
        assert_eq!(last.payload[..4], [0, 0, 0, 1]);
        served.end_unanswered().unwrap_err();
    }
}

#[test]
fn frames_beside_answers_are_no_flood() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        let pings = frame(PING, 0, 0, &[7; 8]).repeat(1000);
        for n in 0..35 {
            let stream = 1 + 2 * n;
            served.client.get(stream, "/large");
            served.client.send(&pings);
            for stream in [0, stream] {
                let more = 200_000_u32.to_be_bytes();
                served.client.send(&frame(WINDOW_UPDATE, 0, stream, &more));
            }
            assert_eq!(answer(&mut served.client, stream).len(), 200_000);
        }
        drop(served.client);
        served.server.join().unwrap().unwrap();
    }
}

/// A connection whose server reads a few bytes at once.
struct Pieces(Stream, usize);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let most = buffer.len().min(self.1);
        Pin::new(&mut self.0).poll_read(context, &mut buffer[..most])
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(context)
    }
}

#[test]
fn a_greeting_may_come_in_pieces() {
    for size in 1..6 {
        for (model, driver) in models_and_drivers() {
            println!("{model} with {driver}, {size}");
            let (mut client, stream) = connection();
            let server = std::thread::spawn(move || {
                let handler =
                    |_request| async { Ok::<_, Infallible>(Response::new(Body::from("hello"))) };
                let serve = async { serve_stream(Pieces(stream, size), handler).await };
                run(model, driver, serve)
            });
            client.greet(&[]);
            client.get(1, "/");
            assert_eq!(answer(&mut client, 1), b"hello");
            drop(client);
            // The end without GOAWAY may be an error.
            let _ = server.join().unwrap();
        }
    }
}
