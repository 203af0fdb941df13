//! Responses: their framing, bodies that are streamed, and bodies of requests that are read as they come, under
//! every model and driver.

use std::convert::Infallible;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, ETAG};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body as HttpBody, Bytes, Frame};
use switchboard_http::{
    Body, Request, Response, StatusCode, serve_connection, serve_stream, upgrade,
};
use switchboard_net::Stream;
use switchboard_runtime as runtime;

use support::{echo, exchange, models_and_drivers, run, statuses};

mod support;

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

/// Returns a request of a path.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n")
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

/// Reads one answer of known length.
fn read_answer(client: &mut BufReader<TcpStream>) -> String {
    let (mut text, mut length) = (String::new(), 0);
    while !text.ends_with("\r\n\r\n") {
        let before = text.len();
        assert!(client.read_line(&mut text).unwrap() > 0, "{text}");
        if let Some(value) = text[before..].strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).unwrap();
    text + std::str::from_utf8(&body).unwrap()
}

/// Connects a client with a server that answers by `handler`, under every model and driver.
fn with_clients<F>(
    handler: impl Fn(Request) -> F + Clone + Send + 'static,
    client: impl Fn(BufReader<TcpStream>),
) where
    F: Future<Output = io::Result<Response<Body>>>,
{
    for (model, driver) in models_and_drivers() {
        println!("{model} with {driver}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let handler = handler.clone();
        let server = std::thread::spawn(move || {
            run(model, driver, async {
                serve_connection(stream.into(), handler).await
            })
        });
        client(BufReader::new(socket));
        server.join().unwrap().unwrap();
    }
}

#[test]
fn a_body_is_asked_for_only_when_the_handler_reads_it() {
    let handler = |request: Request| async {
        let body = match request.uri().path() {
            "/read" => request.into_body().bytes(100).await?,
            _ => Bytes::from("unread"),
        };
        Ok(Response::new(Body::from(body)))
    };
    with_clients(handler, |mut client| {
        let head = "HTTP/1.1\r\nhost: here\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
        client
            .get_mut()
            .write_all(format!("PUT /read {head}").as_bytes())
            .unwrap();
        let mut interim = String::new();
        client.read_line(&mut interim).unwrap();
        client.read_line(&mut interim).unwrap();
        assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
        client.get_mut().write_all(b"hello").unwrap();
        assert!(read_answer(&mut client).ends_with("hello"));
        // A body that nobody reads is not asked for, so the connection cannot go on.
        client
            .get_mut()
            .write_all(format!("PUT /no {head}").as_bytes())
            .unwrap();
        let answer = read_answer(&mut client);
        assert!(answer.contains("connection: close") && answer.ends_with("unread"));
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_body_that_the_handler_leaves_is_skipped_if_it_is_short() {
    let handler = |_request: Request| async { Ok(Response::new(Body::from("unread"))) };
    with_clients(handler, |mut client| {
        for framing in ["content-length: 10", "transfer-encoding: chunked"] {
            let head = format!("POST / HTTP/1.1\r\nhost: here\r\n{framing}\r\n\r\n");
            client.get_mut().write_all(head.as_bytes()).unwrap();
            assert!(!read_answer(&mut client).contains("connection"));
            let rest: &[u8] = match framing {
                "content-length: 10" => b"0123456789",
                _ => b"a\r\n0123456789\r\n0\r\n\r\n",
            };
            client.get_mut().write_all(rest).unwrap();
        }
        let head = "POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1000000\r\n\r\n";
        client.get_mut().write_all(head.as_bytes()).unwrap();
        assert!(read_answer(&mut client).contains("connection: close"));
    });
}

#[test]
fn a_body_is_echoed_as_it_comes() {
    let handler = |request: Request| async { Ok(Response::new(request.into_body())) };
    with_clients(handler, |mut client| {
        let head = "POST / HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n";
        client.get_mut().write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            client.read_line(&mut text).unwrap();
        }
        assert!(text.contains("transfer-encoding: chunked"));
        for piece in ["hello", "world"] {
            client
                .get_mut()
                .write_all(format!("5\r\n{piece}\r\n").as_bytes())
                .unwrap();
            let mut echoed = [0; 10];
            client.read_exact(&mut echoed).unwrap();
            assert_eq!(echoed, format!("5\r\n{piece}\r\n").as_bytes());
        }
        client.get_mut().write_all(b"0\r\nsum: 7\r\n\r\n").unwrap();
        let mut end = [0; 13];
        client.read_exact(&mut end).unwrap();
        assert_eq!(&end, b"0\r\nsum: 7\r\n\r\n");
    });
}

#[test]
fn a_body_may_be_read_by_another_flow_after_the_answer() {
    for way in models_and_drivers() {
        // A model that starts no flows drops them.
        if way.0 == runtime::Model::Blocking {
            continue;
        }
        let (sender, receiver) = runtime::channel(2);
        let handler = move |request: Request| {
            let sender = sender.clone();
            runtime::spawn(async move {
                let body = request.into_body().collect().await.unwrap();
                sender.send(body.to_bytes()).await.unwrap();
            })
            .detach();
            async { Ok::<_, Infallible>(Response::new(Body::from("later"))) }
        };
        let post = "POST / HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n";
        let requests = format!("{post}5\r\nhello\r\n0\r\n\r\n{post}3\r\nbye\r\n0\r\n\r\n");
        let (text, served) = exchange(way, requests.as_bytes(), |stream| async {
            serve_connection(stream, handler).await?;
            let bodies = [receiver.recv().await, receiver.recv().await];
            // The two flows end in any order.
            let mut bodies = bodies.map(Result::unwrap);
            bodies.sort();
            assert_eq!(bodies, ["bye", "hello"]);
            Ok(())
        });
        served.unwrap();
        assert_eq!(statuses(&text), ["200", "200"], "{text}");
    }
}

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

#[test]
fn a_connection_changes_its_protocol_and_loses_no_byte() {
    for (model, driver) in models_and_drivers() {
        for plain in [true, false] {
            let (mut client, server) = std::os::unix::net::UnixStream::pair().unwrap();
            let stream = Stream::from(server);
            let server = std::thread::spawn(move || {
                let handler = |request: Request| async move {
                    let waits = request.uri().path() == "/wait";
                    if waits {
                        runtime::yield_now().await;
                    }
                    let protocol = request.headers()["upgrade"].clone();
                    Ok::<_, Infallible>(upgrade(protocol, |mut connection| async move {
                        let mut early = [0; 5];
                        connection.read_exact(&mut early).await?;
                        connection.write_all(&early).await?;
                        let mut late = Vec::new();
                        connection.read_to_end(&mut late).await?;
                        connection.write_all(&late).await
                    }))
                };
                match plain {
                    true => run(model, driver, serve_connection(stream, handler)),
                    false => run(model, driver, serve_stream(stream, handler)),
                }
            });
            let path = if plain { "/" } else { "/wait" };
            let head = "HTTP/1.1\r\nhost: here\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n";
            client
                .write_all(format!("GET {path} {head}early").as_bytes())
                .unwrap();
            let mut text = String::new();
            let mut reader = BufReader::new(client.try_clone().unwrap());
            while !text.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut text).unwrap() > 0, "{text}");
            }
            assert!(
                text.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
                "{text}"
            );
            assert!(text.contains("\r\nconnection: upgrade\r\n"), "{text}");
            assert!(text.contains("\r\nupgrade: echo\r\n"), "{text}");
            client.write_all(b", late").unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let mut echoed = String::new();
            reader.read_to_string(&mut echoed).unwrap();
            assert_eq!(echoed, "early, late");
            server.join().unwrap().unwrap();
        }
    }
}

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

#[test]
fn a_protocol_changes_only_if_asked_for_and_behind_the_body() {
    let fields = "connection: upgrade\r\nupgrade: echo\r\n";
    let length = "content-length: 5\r\n\r\n";
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    for (path, rest, status) in [
        ("/read", format!("{fields}{length}helloearly"), "101"),
        (
            "/read",
            format!("{fields}{chunked}5\r\nhello\r\n0\r\n\r\nearly"),
            "101",
        ),
        ("/leave", format!("{fields}{length}helloearly"), "101"),
        (
            "/leave",
            format!("{fields}{chunked}5\r\nhello\r\n0\r\n\r\nearly"),
            "500",
        ),
        ("/leave", "\r\nearly".to_owned(), "500"),
    ] {
        let request = format!("POST {path} HTTP/1.1\r\nhost: here\r\n{rest}");
        for way in models_and_drivers() {
            let handler = |request: Request| async move {
                if request.uri() == "/read" {
                    request.into_body().bytes(100).await?;
                }
                let run = |mut connection: switchboard_http::Upgraded| async move {
                    let mut early = String::new();
                    connection.read_to_string(&mut early).await?;
                    connection.write_all(format!("<{early}>").as_bytes()).await
                };
                io::Result::Ok(upgrade(http::HeaderValue::from_static("echo"), run))
            };
            let (text, served) = exchange(way, request.as_bytes(), |stream| {
                serve_connection(stream, handler)
            });
            assert_eq!(statuses(&text), [status], "{text}");
            assert_eq!(text.ends_with("\r\n\r\n<early>"), status == "101", "{text}");
            assert_eq!(served.is_ok(), status == "101");
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

#[test]
fn the_end_of_a_whole_body_is_no_error_after_the_connection() {
    let request =
        b"POST / HTTP/1.1\r\nhost: here\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    for (model, driver) in models_and_drivers() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let handler = move |request: Request| {
            let sender = sender.clone();
            async move {
                let mut body = request.into_body();
                assert_eq!(body.chunk().await.unwrap().unwrap(), "hello");
                sender.send(body).unwrap();
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        };
        let (mut client, server) = std::os::unix::net::UnixStream::pair().unwrap();
        let server = std::thread::spawn(move || {
            run(model, driver, async {
                serve_connection(server.into(), handler).await.unwrap();
                let mut body = receiver.recv().unwrap();
                assert!(body.chunk().await.is_none());
            })
        });
        client.write_all(request).unwrap();
        // The body comes once it is asked for, so the connection feeds it.
        client.read_exact(&mut [0; 25]).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();
        server.join().unwrap();
    }
}
