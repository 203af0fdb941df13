//! Both ends of a connection, under every model.

mod support;
#[path = "../../runtime/tests/support/ways.rs"]
mod ways;

use std::io;
use std::time::Duration;

use http::StatusCode;
use support::{BINARY, CLOSE, FIN, PING, TEXT, frame};
use switchboard_http::{Request, serve_connection};
use switchboard_net::{Listener, Stream};
use switchboard_runtime::{self as runtime};
use switchboard_tls::{TlsClient, TlsServer};
use switchboard_websocket::{
    CloseCode, CloseFrame, Deflate, Encoded, Message, Options, Role, Violation, WebSocket, Wire,
    accept, connect,
};
use ways::{models_and_drivers, run};

async fn echo<S: Wire>(mut socket: WebSocket<S>) -> io::Result<()> {
    while let Some(message) = socket.recv().await? {
        if let Some(answer) = Encoded::message(&message) {
            socket.send(answer).await?;
        }
    }
    Ok(())
}

async fn serve(stream: Stream, options: &Options) -> io::Result<()> {
    serve_connection(stream, |request: Request| async move {
        Ok::<_, std::convert::Infallible>(accept(&request, options, echo))
    })
    .await
}

fn close_of(code: CloseCode) -> Option<CloseFrame> {
    let reason = "".into();
    Some(CloseFrame { code, reason })
}

/// Sends messages of many sizes, and expects each back.
async fn ask<S: Wire>(mut socket: WebSocket<S>) -> io::Result<()> {
    for length in [0, 1, 125, 126, 70_000, 400_000] {
        let text: String = ('a'..='z').cycle().take(length).collect();
        // Both directions may be full of a large message.
        socket.send(&text).await?;
        assert_eq!(socket.recv().await?, Some(Message::Text(text.into())));
        socket.send(&vec![7; length][..]).await?;
        assert_eq!(
            socket.recv().await?,
            Some(Message::Binary(vec![7; length].into()))
        );
    }
    socket.ping(b"there?").await?;
    assert_eq!(socket.recv().await?, Some(Message::Pong("there?".into())));
    let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let encoded: Vec<Encoded> = texts.iter().map(Encoded::from).collect();
    socket.send_all(&encoded).await?;
    for text in texts {
        assert_eq!(socket.recv().await?, Some(Message::Text(text.into())));
    }
    socket.close(close_of(CloseCode::Away)).await?;
    assert_eq!(socket.recv().await?, None);
    let error = socket.send("late").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    Ok(())
}

#[test]
fn messages_are_echoed_under_every_model() {
    for (model, driver) in models_and_drivers() {
        println!("{model} {driver}");
        for deflate in [
            None,
            Some(Deflate::new()),
            Some(Deflate::new().takeover(true).window_bits(9)),
        ] {
            let mut options = Options::new();
            options = deflate.into_iter().fold(options, Options::deflate);
            let listener = Listener::bind("127.0.0.1:0").unwrap();
            let url = format!("ws://{}/echo?a", listener.local_addr().unwrap());
            let (served, asked) = run(model, driver, async {
                let server = async {
                    let (stream, _) = listener.accept().await?;
                    serve(stream, &options).await
                };
                let client = async { ask(connect(&url, &options).await?).await };
                runtime::join(server, client).await
            });
            served.unwrap();
            asked.unwrap();
        }
    }
}

#[test]
fn messages_are_echoed_over_tls() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = TlsServer::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let trusted = TlsClient::with_roots_only(certificate.as_bytes()).unwrap();
    let options = Options::new().deflate(Deflate::new()).tls(trusted);
    for (model, driver) in models_and_drivers() {
        println!("{model} {driver}");
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().as_tcp().unwrap().port();
        let (served, asked) = run(model, driver, async {
            let server = async {
                let (stream, _) = listener.accept().await?;
                let stream = tls.accept(stream).await?;
                let handler = |request: Request| {
                    let answer = accept(&request, &options, echo);
                    async { Ok::<_, std::convert::Infallible>(answer) }
                };
                switchboard_http::serve_stream(stream, handler).await
            };
            let url = format!("wss://localhost:{port}/");
            let client = async { ask(connect(&url, &options).await?).await };
            runtime::join(server, client).await
        });
        served.unwrap();
        asked.unwrap();
    }
}

#[test]
fn a_violation_closes_with_its_code() {
    for (model, driver) in models_and_drivers() {
        println!("{model} {driver}");
        let (here, there) = Stream::pair().unwrap();
        let options = Options::new().max_message(10);
        run(model, driver, async {
            let server = async {
                let mut socket = WebSocket::new(there, Role::Server, &options, None);
                let error = socket.recv().await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                assert_eq!(error.downcast::<Violation>().unwrap(), Violation::TooLarge);
                assert_eq!(socket.recv().await.unwrap(), None);
            };
            let client = async {
                // More than the server reads: a reset would overtake the close.
                here.write_all(&frame(FIN | BINARY, Some(*b"mask"), &[0; 100]))
                    .await
                    .unwrap();
                let mut socket = WebSocket::new(here, Role::Client, &options, None);
                let Some(Message::Close(Some(close))) = socket.recv().await.unwrap() else {
                    panic!("no close")
                };
                assert_eq!(close.code, CloseCode::Size);
                assert_eq!(socket.recv().await.unwrap(), None);
            };
            runtime::join(server, client).await
        });
    }
}

#[test]
fn a_peer_that_does_not_answer_a_close_is_left() {
    for (model, driver) in models_and_drivers() {
        println!("{model} {driver}");
        let (here, there) = Stream::pair().unwrap();
        let options = Options::new().close_limit(Duration::from_millis(20));
        let closed = run(model, driver, async {
            let mut socket = WebSocket::new(there, Role::Server, &options, None);
            let closed = socket.close(None).await;
            assert_eq!(socket.recv().await.unwrap(), None);
            // The peer finds the end, although the socket is held.
            let mut received = vec![];
            let read = async {
                loop {
                    match here.recv().await.unwrap() {
                        chunk if chunk.is_empty() => break,
                        chunk => received.extend_from_slice(&chunk),
                    }
                }
            };
            let found = runtime::timeout(Duration::from_secs(600), read).await;
            assert!(found.is_ok(), "the connection is open");
            assert_eq!(received, [FIN | CLOSE, 0]);
            drop(socket);
            closed
        });
        assert_eq!(closed.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}

#[test]
fn an_end_without_a_close_is_an_error() {
    for (model, driver) in models_and_drivers() {
        let (here, there) = Stream::pair().unwrap();
        let error = run(model, driver, async {
            here.write_all(&frame(FIN | TEXT, Some(*b"mask"), b"hello")[..5])
                .await
                .unwrap();
            drop(here);
            WebSocket::new(there, Role::Server, &Options::new(), None)
                .recv()
                .await
                .unwrap_err()
        });
        assert_eq!(
            error.kind(),
            io::ErrorKind::UnexpectedEof,
            "{model} {driver}"
        );
    }
}

#[test]
fn what_was_received_is_handed_out_although_its_answer_cannot_be_sent() {
    for (model, driver) in models_and_drivers() {
        println!("{model} {driver}");
        let (here, there) = Stream::pair().unwrap();
        let mask = Some(*b"mask");
        let frames = [
            frame(FIN | PING, mask, b"there?"),
            frame(FIN | TEXT, mask, b"x"),
            frame(FIN | CLOSE, mask, &1000_u16.to_be_bytes()),
        ];
        run(model, driver, async {
            here.write_all(&frames.concat()).await.unwrap();
            drop(here);
            let mut socket = WebSocket::new(there, Role::Server, &Options::new(), None);
            let ping = socket.recv().await.unwrap();
            assert_eq!(ping, Some(Message::Ping("there?".into())));
            let text = socket.recv().await.unwrap();
            assert_eq!(text, Some(Message::Text("x".into())));
            let close = socket.recv().await.unwrap();
            assert_eq!(close, Some(Message::Close(close_of(CloseCode::Normal))));
            assert_eq!(socket.recv().await.unwrap(), None);
        });
    }
}

#[test]
fn the_last_of_many_pings_is_answered_to_a_peer_that_does_not_read() {
    for (model, driver) in models_and_drivers() {
        println!("{model} {driver}");
        let (here, there) = Stream::pair().unwrap();
        const COUNT: u32 = 20_000;
        run(model, driver, async {
            let server = async {
                let mut socket = WebSocket::new(there, Role::Server, &Options::new(), None);
                for _ in 0..COUNT {
                    assert!(matches!(socket.recv().await, Ok(Some(Message::Ping(_)))));
                }
                echo(socket).await
            };
            let client = async {
                for number in 0..COUNT {
                    let ping = frame(
                        FIN | PING,
                        Some(*b"mask"),
                        &[&number.to_be_bytes()[..], &[0; 100]].concat(),
                    );
                    here.write_all(&ping).await?;
                }
                let mut socket = WebSocket::new(here, Role::Client, &Options::new(), None);
                let mut last = 0;
                while last < COUNT - 1 {
                    let Some(Message::Pong(pong)) = socket.recv().await? else {
                        panic!("no pong")
                    };
                    let number = u32::from_be_bytes(*pong.first_chunk().unwrap());
                    assert!(number == 0 || number > last);
                    last = number;
                }
                socket.close(None).await
            };
            let (served, asked) = runtime::join(server, client).await;
            served.and(asked).unwrap();
        });
    }
}

fn request() -> http::request::Builder {
    http::Request::get("/")
        .header("host", "here")
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", "WebSocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}

#[test]
fn requests_are_checked() {
    let options = Options::new()
        .protocols(["chat.v2", "chat.v1"])
        .origin(|origin| origin.is_none_or(|origin| origin == "https://here"));
    let answer = |request: http::Request<()>| accept(&request, &options, echo);
    let good = answer(request().body(()).unwrap());
    assert_eq!(good.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(good.headers().get("sec-websocket-protocol"), None);
    let both = request().header("sec-websocket-protocol", "other, chat.v1,chat.v2");
    let both = answer(both.body(()).unwrap());
    assert_eq!(both.headers()["sec-websocket-protocol"], "chat.v2");
    let here = request().header("origin", "https://here").body(()).unwrap();
    assert_eq!(answer(here).status(), StatusCode::SWITCHING_PROTOCOLS);

    let without = |field: &str| {
        let mut request = request().body(()).unwrap();
        request.headers_mut().remove(field);
        request
    };
    let with = |field: &'static str, value: &'static str| {
        let mut request = request().body(()).unwrap();
        request.headers_mut().insert(field, value.parse().unwrap());
        request
    };
    let post = request().method("POST").body(()).unwrap();
    let old = request().version(http::Version::HTTP_10).body(()).unwrap();
    let two = request().header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (request, status) in [
        (post, 405),
        (old, 400),
        (without("connection"), 426),
        (without("upgrade"), 426),
        (without("sec-websocket-version"), 426),
        (with("sec-websocket-version", "8"), 426),
        (without("sec-websocket-key"), 400),
        (with("sec-websocket-key", "c2hvcnQ="), 400),
        (two.body(()).unwrap(), 400),
        (with("origin", "https://elsewhere"), 403),
    ] {
        let text = format!("{request:?}");
        let answer = answer(request);
        assert_eq!(answer.status().as_u16(), status, "{text}");
        assert_eq!(answer.headers()["sec-websocket-version"], "13");
    }
}

#[test]
fn answers_are_checked() {
    for (answer, text) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n", "404"),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "handshake"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            "handshake",
        ),
        ("SSH-2.0\r\n\r\n", "HTTP"),
    ] {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let error = runtime::Model::Tasks
            .run(async {
                let server = async {
                    let (stream, _) = listener.accept().await.unwrap();
                    stream.recv().await.unwrap();
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream
                };
                let options = Options::new();
                let (_stream, connected) = runtime::join(server, connect(&url, &options)).await;
                connected.map(drop).unwrap_err()
            })
            .unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains(text), "{error}");
    }
    for url in ["http://here/", "ws:", "nothing"] {
        let connected = runtime::Model::Tasks
            .run(connect(url, &Options::new()))
            .unwrap();
        assert_eq!(
            connected.map(drop).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
