//! Requests that exceed a limit, under every model and driver: what they are answered, and the error.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_io::{AsyncRead, AsyncWrite};
use switchboard_http::{Body, HttpServer, Request, Response, ServerLimits};
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Driver, Model, Sleep};

use support::{echo, exchange, models_and_drivers, run, statuses};

mod support;

/// Each test that looks at a limit of time makes that one short, so that none of the others ends its connection.
const SMALL: ServerLimits = ServerLimits {
    head_time: HOUR,
    head_bytes: 1_000,
    fields: 50,
    uri_bytes: 100,
    body_bytes: 20,
    body_idle: HOUR,
    write_idle: HOUR,
    min_rate: 0,
    rate_grace: Duration::ZERO,
    keep_alive_idle: HOUR,
    requests: 3,
    streams: 3,
};
const HOUR: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(50);

const SHORT_HEADS: ServerLimits = ServerLimits {
    head_time: SHORT,
    keep_alive_idle: SHORT,
    ..SMALL
};

#[test]
fn what_is_too_large_is_refused() {
    let http = HttpServer::new(SMALL);
    let fields = |count: usize| "a: b\r\n".repeat(count);
    let get =
        |path: &str, fields: &str| format!("GET {path} HTTP/1.1\r\nhost: here\r\n{fields}\r\n");
    let long = |bytes: usize| format!("a: {}\r\n", "x".repeat(bytes));
    let path = |bytes: usize| format!("/{}", "x".repeat(bytes));
    let post = "POST / HTTP/1.1\r\nhost: here\r\n";
    for (request, status, kind) in [
        (get("/", &fields(49)), "200", ErrorKind::Other),
        (get("/", &fields(50)), "431", ErrorKind::InvalidData),
        (get("/", &fields(120)), "431", ErrorKind::InvalidData),
        (get("/", &long(900)), "200", ErrorKind::Other),
        (get("/", &long(1_000)), "431", ErrorKind::InvalidData),
        (get("/", &long(100_000)), "431", ErrorKind::InvalidData),
        (get(&path(99), ""), "200", ErrorKind::Other),
        (get(&path(100), ""), "414", ErrorKind::InvalidData),
        // A line that may be refused before it has come as a whole is refused then as well.
        (
            get("/", "").replace("GET", &"M".repeat(200)),
            "414",
            ErrorKind::InvalidData,
        ),
        (get(&path(100_000), ""), "414", ErrorKind::InvalidData),
        (
            format!("{post}content-length: 20\r\n\r\n{}", "x".repeat(20)),
            "200",
            ErrorKind::Other,
        ),
        (
            format!("{post}content-length: 21\r\n\r\n"),
            "413",
            ErrorKind::FileTooLarge,
        ),
        (
            format!(
                "{post}transfer-encoding: chunked\r\n\r\n15\r\n{}\r\n",
                "x".repeat(21)
            ),
            "413",
            ErrorKind::FileTooLarge,
        ),
    ] {
        for way in models_and_drivers() {
            let (text, served) =
                exchange(way, request.as_bytes(), |stream| http.serve(stream, echo));
            assert_eq!(statuses(&text), [status], "{way:?} {request}");
            match served {
                Ok(()) => assert_eq!(status, "200"),
                Err(error) => assert_eq!(error.kind(), kind),
            }
        }
    }
}

#[test]
fn the_last_request_of_a_connection_is_told() {
    let http = HttpServer::new(SMALL);
    let request = "GET / HTTP/1.1\r\nhost: here\r\n\r\n".repeat(5);
    for way in models_and_drivers() {
        let (text, served) = exchange(way, request.as_bytes(), |stream| http.serve(stream, echo));
        served.unwrap();
        assert_eq!(statuses(&text), ["200"; 3]);
        assert_eq!(text.matches("connection: close").count(), 1);
    }
}

/// Has a client send `bytes` and no more; returns what it reads to the end, and the error.
fn wait(limits: ServerLimits, bytes: &str, check: impl Fn(&str, std::io::Result<()>)) {
    for (model, driver) in models_and_drivers() {
        println!("{model} with {driver}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let http = HttpServer::new(limits);
        // Before the server's time begins.
        client.write_all(bytes.as_bytes()).unwrap();
        let server = std::thread::spawn(move || {
            run(model, driver, async {
                http.serve(stream.into(), echo).await
            })
        });
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        drop(client);
        check(&text, server.join().unwrap());
    }
}

#[test]
fn a_client_that_sends_no_request_or_a_part_of_one_is_ended() {
    wait(SHORT_HEADS, "", |text, served| {
        assert_eq!(text, "");
        assert_eq!(served.unwrap_err().kind(), ErrorKind::TimedOut);
    });
    wait(SHORT_HEADS, "GET / HTTP/1.1\r\nho", |text, served| {
        assert_eq!(statuses(text), ["408"]);
        assert_eq!(
            served.unwrap_err().to_string(),
            "408 a request head that comes too slowly"
        );
    });
}

#[test]
fn a_client_that_sends_a_part_of_a_body_is_ended() {
    let idle = ServerLimits {
        body_idle: SHORT,
        ..SMALL
    };
    let rated = ServerLimits {
        min_rate: 1_000,
        rate_grace: SHORT,
        ..SMALL
    };
    let head = "POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\nhel";
    for limits in [idle, rated] {
        wait(limits, head, |text, served| {
            assert_eq!(statuses(text), ["408"]);
            assert_eq!(served.unwrap_err().kind(), ErrorKind::TimedOut);
        });
    }
}

#[test]
fn an_idle_connection_is_closed() {
    let limits = ServerLimits {
        keep_alive_idle: SHORT,
        ..SMALL
    };
    let request = "GET / HTTP/1.1\r\nhost: here\r\n\r\n";
    wait(limits, request, |text, served| {
        served.unwrap();
        assert_eq!(statuses(text), ["200"]);
    });
}

#[test]
fn a_client_that_reads_nothing_is_ended() {
    // The rate is high, because the bytes that the system takes for the client count as well.
    let rated = ServerLimits {
        min_rate: 1 << 30,
        rate_grace: SHORT,
        ..SMALL
    };
    let idle = ServerLimits {
        write_idle: SHORT,
        ..SMALL
    };
    for limits in [idle, rated] {
        stall(limits);
    }
}

fn stall(limits: ServerLimits) {
    for (model, driver) in models_and_drivers() {
        println!("{model} with {driver}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
            .unwrap();
        let serve = async {
            let answer = |_request: Request| async {
                Ok::<_, Infallible>(Response::new(Body::from(vec![0; 64 << 20])))
            };
            HttpServer::new(limits).serve(stream.into(), answer).await
        };
        let error = run(model, driver, serve).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        drop(client);
    }
}

#[test]
fn a_client_that_reads_slowly_is_served() {
    std::thread::scope(|scope| {
        for way in models_and_drivers() {
            scope.spawn(move || {
                let mut read = read_slowly(way);
                for _ in 0..10 {
                    // A reader that stood still itself shows nothing.
                    if read.served.is_err() && read.longest >= WRITE_IDLE / 4 {
                        read = read_slowly(way);
                    }
                }
                read.served.unwrap();
                assert!(read.bytes > LENGTH, "{way:?}");
            });
        }
    });
}

const LENGTH: usize = 400_000;
const WRITE_IDLE: Duration = Duration::from_millis(500);

struct Reading {
    served: io::Result<()>,
    bytes: usize,
    /// The longest time without a read.
    longest: Duration,
}

/// Has a client take an answer in small pieces, one after another.
fn read_slowly((model, driver): (Model, Driver)) -> Reading {
    let limits = ServerLimits {
        write_idle: WRITE_IDLE,
        ..SMALL
    };
    let (mut client, stream) = UnixStream::pair().unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
        .unwrap();
    // The socket takes more once a third of its buffer is free, which is later than the limit.
    let reading = std::thread::spawn(move || {
        let (mut buffer, mut bytes) = (vec![0; 4096], 0);
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        loop {
            match client.read(&mut buffer).unwrap() {
                0 => return (bytes, longest.max(last.elapsed())),
                length => bytes += length,
            }
            std::thread::sleep(Duration::from_millis(40));
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
    });
    let serve = async {
        let answer = |_request: Request| async {
            Ok::<_, Infallible>(Response::new(Body::from(vec![0; LENGTH])))
        };
        HttpServer::new(limits).serve(stream.into(), answer).await
    };
    let served = run(model, driver, serve);
    let (bytes, longest) = reading.join().unwrap();
    Reading {
        served,
        bytes,
        longest,
    }
}

#[test]
fn a_handler_may_take_longer_than_every_limit() {
    let limits = ServerLimits {
        head_time: SHORT,
        body_idle: SHORT,
        write_idle: SHORT,
        keep_alive_idle: SHORT,
        ..SMALL
    };
    for (model, driver) in models_and_drivers() {
        let handler = |_request: Request| async {
            runtime::sleep(SHORT * 3).await;
            Ok::<_, Infallible>(Response::new(Body::from("late")))
        };
        let (mut client, stream) = UnixStream::pair().unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
            .unwrap();
        let http = HttpServer::new(limits);
        let serve = async { http.serve(stream.into(), handler).await };
        run(model, driver, serve).unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(statuses(&text), ["200"], "{model} with {driver}");
    }
}

/// A client that sends its pieces one by one, each later than the one before, and then the end of input.
struct Slow {
    socket: Stream,
    pieces: VecDeque<Vec<u8>>,
    sleep: Sleep,
}

/// Less than the limit of time.
const PAUSE: Duration = Duration::from_millis(20);

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.sleep).poll(context));
        self.sleep.reset(runtime::now() + PAUSE);
        let piece = self.pieces.pop_front().unwrap_or_default();
        buffer[..piece.len()].copy_from_slice(&piece);
        Poll::Ready(Ok(piece.len()))
    }
}

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(context)
    }
}

/// Has a client send `pieces` slowly; returns what it reads to the end, and the error.
fn send_slowly(pieces: &[Vec<u8>], check: impl Fn(&str, io::Result<()>)) {
    for way in models_and_drivers() {
        println!("{way:?}");
        let (text, served) = exchange(way, b"", |socket| {
            let slow = Slow {
                socket,
                pieces: pieces.iter().cloned().collect(),
                sleep: Sleep::until(runtime::now() + PAUSE),
            };
            HttpServer::new(SHORT_HEADS).serve_stream_until(slow, echo, pending())
        });
        check(&text, served);
    }
}

#[test]
fn a_head_must_be_whole_in_its_time_however_its_pieces_grow() {
    let head = format!(
        "GET / HTTP/1.1\r\nhost: here\r\na: {}\r\n\r\n",
        "x".repeat(100)
    );
    let (mut pieces, mut rest) = (Vec::new(), head.as_bytes());
    while !rest.is_empty() {
        let size = (head.len() - rest.len()).clamp(1, rest.len());
        let (piece, after) = rest.split_at(size);
        pieces.push(piece.to_vec());
        rest = after;
    }
    send_slowly(&pieces, |text, served| {
        assert_eq!(statuses(text), ["408"]);
        assert_eq!(served.unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn empty_lines_keep_no_connection() {
    let request = "GET / HTTP/1.1\r\nhost: here\r\n\r\n";
    let pieces = |texts: &[&str]| Vec::from_iter(texts.iter().map(|text| text.as_bytes().to_vec()));
    let lines = ["\r\n", "\r\n", "\r\n", "\r\n", request];
    send_slowly(&pieces(&lines), |text, served| {
        assert_eq!(text, "");
        assert_eq!(served.unwrap_err().kind(), ErrorKind::TimedOut);
    });
    send_slowly(
        &pieces(&[&[request], &lines[..]].concat()),
        |text, served| {
            assert_eq!(statuses(text), ["200"]);
            served.unwrap();
        },
    );
}
