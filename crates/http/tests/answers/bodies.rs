//! Bodies of requests, which are read as they come, or not at all.

use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Bytes;
use switchboard_http::{Body, Request, Response, serve_connection};
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Driver, Model};

use crate::support::{exchange, models_and_drivers, run, statuses};

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

#[test]
fn a_body_that_is_read_within_the_answer_is_asked_for_before_it() {
    let handler = |request: Request| async { Ok(Response::new(request.into_body())) };
    with_clients(handler, |mut client| {
        for _ in 0..2 {
            let head = b"PUT / HTTP/1.1\r\nhost: here\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
            client.get_mut().write_all(head).unwrap();
            let mut interim = String::new();
            client.read_line(&mut interim).unwrap();
            client.read_line(&mut interim).unwrap();
            assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
            client.get_mut().write_all(b"hello").unwrap();
            let answer = read_answer(&mut client);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
        }
    });
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

/// The reader is woken although the flow that has a frame for it is its own.
#[test]
fn a_body_is_read_beside_its_connection_in_one_flow() {
    let head = "POST / HTTP/1.1\r\nhost: here\r\n";
    let length = ("content-length: 5\r\n\r\n", ["hel", "lo"]);
    let chunks = "transfer-encoding: chunked\r\n\r\n";
    let chunks = (chunks, ["5\r\nhello\r\n", "0\r\n\r\n"]);
    for (framing, pieces) in [length, chunks] {
        let read = Model::Tasks.run_with(Driver::Sim, async {
            let (client, server) = Stream::pair().unwrap();
            let (sender, receiver) = runtime::channel::<Request>(1);
            let handler = |request| {
                let sender = sender.clone();
                async move {
                    sender.send(request).await.unwrap();
                    Ok::<_, Infallible>(Response::new(Body::empty()))
                }
            };
            let start = runtime::now();
            let reader = async {
                let request = receiver.recv().await.unwrap();
                let body = request.into_body().bytes(100).await.unwrap();
                (body, runtime::now() - start)
            };
            let serving = async {
                serve_connection(server, handler).await.unwrap();
                unreachable!("the client keeps the connection open");
            };
            let client = async move {
                client.write_all(head.as_bytes()).await.unwrap();
                client.write_all(framing.as_bytes()).await.unwrap();
                for piece in pieces {
                    runtime::sleep(Duration::from_millis(10)).await;
                    client.write_all(piece.as_bytes()).await.unwrap();
                }
                std::future::pending::<()>().await
            };
            // In a flow of its own, so that it does not wake the one of both others.
            let _client = runtime::spawn_local(client);
            runtime::race(reader, serving).await
        });
        let (read, lasted) = read.unwrap();
        assert_eq!(&read[..], b"hello");
        // No timer of the connection was what polled it again.
        assert!(lasted < Duration::from_millis(100), "{lasted:?}");
    }
}
