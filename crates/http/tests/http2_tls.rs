//! HTTP by what a TLS handshake has agreed on, with hyper as the client.

use std::convert::Infallible;
use std::sync::OnceLock;

use http::{StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use switchboard_http::{Body, Executor, Io, Request, Response, serve_stream};
use switchboard_net::{Listener, Stream};
use switchboard_runtime::{self as runtime, Model};
use switchboard_tls::{TlsClient, TlsServer, TlsStream};

use support::{models_and_drivers, run};

mod support;

fn settings() -> (TlsClient, TlsServer) {
    static MADE: OnceLock<(TlsClient, TlsServer)> = OnceLock::new();
    let make = || {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let client = TlsClient::with_roots_only(pem.as_bytes()).unwrap();
        let server = TlsServer::from_pem(pem.as_bytes(), key.as_bytes()).unwrap();
        (client, server.protocols(&["h2", "http/1.1"]))
    };
    MADE.get_or_init(make).clone()
}

/// Sends back what comes, with the version in a field.
async fn echo(request: Request) -> Result<Response<Body>, Infallible> {
    let version = format!("{:?}", request.version());
    let response = Response::builder().header("version", version);
    Ok(response.body(request.into_body()).unwrap())
}

/// Runs `client` with a connection, under tasks, beside a server under every model.
fn with_connection<T>(
    protocols: &'static [&'static str],
    client: impl AsyncFn(TlsStream) -> T + Send + Sync,
) {
    for (model, driver) in models_and_drivers() {
        println!("{model} with {driver}");
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::scope(|scope| {
            let server = scope.spawn(move || {
                let serve = async {
                    let (stream, _) = listener.accept().await.unwrap();
                    let stream = settings().1.accept(stream).await.unwrap();
                    serve_stream(stream, echo).await
                };
                run(model, driver, serve)
            });
            let connected = async {
                let stream = Stream::connect(addr).await.unwrap();
                let connector = settings().0.protocols(protocols);
                client(connector.connect("localhost", stream).await.unwrap()).await;
            };
            Model::Tasks.run(connected).unwrap();
            server.join().unwrap().unwrap();
        });
    }
}

fn request(body: Bytes) -> http::Request<Full<Bytes>> {
    let builder = http::Request::post("https://localhost/");
    builder.body(Full::new(body)).unwrap()
}

#[test]
fn large_bodies_pass_both_ways_at_once() {
    with_connection(&["h2"], async |stream| {
        assert_eq!(stream.alpn(), Some(&b"h2"[..]));
        let (sender, connection) = http2::handshake(Executor, Io(stream)).await.unwrap();
        let connection = runtime::spawn(connection);
        let ask = |n: u8| {
            let mut sender = sender.clone();
            async move {
                let sent = Bytes::from(vec![n; 700_000]);
                let answer = sender.send_request(request(sent.clone())).await.unwrap();
                assert_eq!(answer.version(), Version::HTTP_2);
                assert_eq!(answer.headers()["version"], "HTTP/2.0");
                let came = answer.into_body().collect().await.unwrap().to_bytes();
                assert!(came == sent);
            }
        };
        let mut asked: Vec<_> = (0..4).map(|n| runtime::spawn(ask(n))).collect();
        for asked in asked.drain(..) {
            asked.await.unwrap();
        }
        drop(sender);
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_large_head_is_answered() {
    with_connection(&["h2"], async |stream| {
        let (mut sender, connection) = http2::handshake(Executor, Io(stream)).await.unwrap();
        let connection = runtime::spawn(connection);
        let mut large = request(Bytes::new());
        for n in 0..20 {
            let name: http::HeaderName = format!("x-{n}").parse().unwrap();
            let value = "v".repeat(1000).parse().unwrap();
            large.headers_mut().insert(name, value);
        }
        let answer = sender.send_request(large).await.unwrap();
        assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        let mut many = request(Bytes::new());
        for _ in 0..101 {
            many.headers_mut().append("a", "b".parse().unwrap());
        }
        let answer = sender.send_request(many).await.unwrap();
        assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        let mut long = request(Bytes::new());
        let uri = format!("https://localhost/{}", "x".repeat(9_000));
        *long.uri_mut() = uri.parse().unwrap();
        let answer = sender.send_request(long).await.unwrap();
        assert_eq!(answer.status(), StatusCode::URI_TOO_LONG);
        let answer = sender.send_request(request(Bytes::new())).await.unwrap();
        assert_eq!(answer.status(), 200);
        drop((sender, answer));
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_greeting_may_come_in_pieces_where_http_2_was_agreed_on() {
    with_connection(&["h2"], async |mut stream| {
        stream.write_all(b"P").await.unwrap();
        // The server's settings come before the rest of the greeting.
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let (length, kind) = (u32::from_be_bytes([0, head[0], head[1], head[2]]), head[3]);
        assert_eq!(kind, 4, "{}", head.escape_ascii());
        stream
            .read_exact(&mut vec![0; length as usize])
            .await
            .unwrap();
        let rest = b"RI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        stream.write_all(rest).await.unwrap();
        // Both sides' settings are acknowledged.
        let acknowledged = b"\0\0\0\x04\x01\0\0\0\0";
        stream.write_all(acknowledged).await.unwrap();
        let mut came = Vec::new();
        while !came.ends_with(acknowledged) {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            came.extend(byte);
        }
        stream.close().await.unwrap();
    });
}

#[test]
fn http_1_is_spoken_where_it_was_agreed_on() {
    for protocols in [&["http/1.1"][..], &[]] {
        with_connection(protocols, async |stream| {
            let (mut sender, connection) = http1::handshake(Io(stream)).await.unwrap();
            let connection = runtime::spawn(connection);
            let request = http::Request::post("/").header("host", "localhost");
            let request = request.body(Full::<Bytes>::from("hello")).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.headers()["version"], "HTTP/1.1");
            let came = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(came, "hello");
            drop(sender);
            connection.await.unwrap().unwrap();
        });
    }
}

#[test]
fn the_end_of_an_answer_is_told_apart_from_a_cut() {
    with_connection(&["http/1.1"], async |mut stream| {
        let request = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut ends = Vec::new();
        // Without a farewell the last read would fail.
        while !ends.ends_with(&[0]) {
            ends.push(stream.recv().await.unwrap().len());
        }
        assert!(ends.len() > 1);
    });
}

#[test]
fn a_client_that_was_answered_may_leave_without_the_end_of_tls() {
    with_connection(&["http/1.1"], async |mut stream| {
        let request = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";
        stream.write_all(request).await.unwrap();
        assert!(!stream.recv().await.unwrap().is_empty());
    });
}
