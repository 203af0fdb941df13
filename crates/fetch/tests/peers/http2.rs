//! HTTP/2 by ALPN, against the server of this workspace; and TLS with a server that speaks HTTP/1 alone.

use std::convert::Infallible;
use std::io::{Read, Write as _};
use std::sync::Arc;

use http_body_util::BodyExt as _;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use switchboard_fetch::header::{CONTENT_LENGTH, HOST, HeaderValue};
use switchboard_fetch::{Client, Method, Request, Version};
use switchboard_http::{Body, Response, serve_stream};
use switchboard_net::{Listener, Stream};
use switchboard_runtime::{self as runtime, Model};
use switchboard_tls::TlsServer;

use crate::support::{Peer, everywhere, page, request};

/// Returns a certificate for `localhost`, and a server's settings with it that offer no protocol.
pub(crate) fn certificate() -> (Vec<u8>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem().into_bytes(), Arc::new(config))
}

/// Answers one request over TLS.
pub(crate) fn tls_peer(config: Arc<ServerConfig>, body: &'static str) -> Peer {
    Peer::serving(1, move |_, stream| {
        let session = ServerConnection::new(config.clone()).unwrap();
        let mut tls = StreamOwned::new(session, stream.try_clone().unwrap());
        let request = request(&mut tls);
        tls.write_all(&page(body)).unwrap();
        vec![request]
    })
}

/// Starts a server with TLS that tells of each request, and accepts so many connections; returns its port.
fn serve(config: Arc<ServerConfig>, connections: usize) -> u16 {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().as_tcp().unwrap().port();
    let server = TlsServer::from_config(config).protocols(&["h2", "http/1.1"]);
    std::thread::spawn(move || {
        let served = Model::Tasks.run(async move {
            let mut served = Vec::new();
            for _ in 0..connections {
                let (stream, _) = listener.accept().await.unwrap();
                let server = server.clone();
                let serve = async move {
                    let Ok(tls) = server.accept(stream).await else {
                        return;
                    };
                    let _ = serve_stream(tls, answer).await;
                };
                served.push(runtime::spawn_local(serve));
            }
            for connection in served {
                connection.await.unwrap();
            }
        });
        served.unwrap();
    });
    port
}

async fn answer(request: switchboard_http::Request) -> Result<Response<Body>, Infallible> {
    let line = format!(
        "{:?} {} {} {}",
        request.version(),
        request.method(),
        request.uri().path(),
        request
            .uri()
            .authority()
            .map_or("-", |authority| authority.as_str())
    );
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let large = "x".repeat(if line.contains("/large") {
        3_000_000
    } else {
        0
    });
    Ok(Response::new(Body::from(format!(
        "{line} {}{large}",
        body.len()
    ))))
}

#[test]
fn a_server_that_chooses_http_2_is_asked_in_it() {
    let (pem, config) = certificate();
    everywhere(|| async {
        let port = serve(config.clone(), 1);
        let client = Client::builder().roots(pem.clone()).build();
        let url = format!("https://localhost:{port}");
        // All go over the one connection that is accepted.
        for n in 0..10 {
            let response = client.get(&format!("{url}/{n}")).await.unwrap();
            assert_eq!(response.version(), Version::HTTP_2);
            let text = String::from_utf8(response.bytes(1000).await.unwrap()).unwrap();
            assert!(text.starts_with(&format!("HTTP/2.0 GET /{n} ")), "{text}");
        }
        let request =
            Request::get(format!("{url}/own")).header(HOST, HeaderValue::from_static("virtual:81"));
        let response = client.send(request.keep_heads()).await.unwrap();
        let sent = String::from_utf8(response.heads().unwrap().sent.clone()).unwrap();
        let begin = "GET /own HTTP/1.1\r\nhost: virtual:81\r\n";
        assert!(sent.starts_with(begin), "{sent}");
        let text = String::from_utf8(response.bytes(1000).await.unwrap()).unwrap();
        assert!(text.starts_with("HTTP/2.0 GET /own virtual:81 "), "{text}");
        let head = Request::new(Method::HEAD, format!("{url}/own"));
        let response = client.send(head).await.unwrap();
        let expected = format!("HTTP/2.0 HEAD /own localhost:{port} 0").len();
        let length = response.headers()[CONTENT_LENGTH].to_str().unwrap();
        assert_eq!(length, expected.to_string());
        assert_eq!(response.bytes(1000).await.unwrap(), b"");
        let body = "y".repeat(1_000_000);
        let post = Request::new(Method::POST, format!("{url}/large"))
            .body(body)
            .keep_heads();
        let response = client.send(post).await.unwrap();
        let heads = response.heads().unwrap().clone();
        let sent = String::from_utf8(heads.sent).unwrap();
        let begin = format!("POST /large HTTP/1.1\r\nhost: localhost:{port}\r\n");
        assert!(sent.starts_with(&begin), "{sent}");
        assert!(heads.received.starts_with(b"HTTP/1.1 200 OK\r\n"));
        let text = String::from_utf8(response.bytes(10_000_000).await.unwrap()).unwrap();
        assert!(text.contains(" 1000000x") && text.len() > 3_000_000);
    });
}

#[test]
fn http_1_is_spoken_where_http_2_is_not_wanted() {
    let (pem, config) = certificate();
    everywhere(|| async {
        let port = serve(config.clone(), 3);
        let url = format!("https://localhost:{port}/");
        let both = Client::builder().roots(pem.clone()).build();
        let one = Client::builder().roots(pem.clone()).without_http2().build();
        for (client, request, version) in [
            (&both, Request::get(&url), Version::HTTP_2),
            (&both, Request::get(&url).http10(), Version::HTTP_10),
            (&one, Request::get(&url), Version::HTTP_11),
        ] {
            let response = client.send(request).await.unwrap();
            let text = String::from_utf8(response.bytes(1000).await.unwrap()).unwrap();
            assert!(text.starts_with(&format!("{version:?} GET / ")), "{text}");
        }
    });
    everywhere(|| async {
        let peer = tls_peer(config.clone(), "plain");
        let client = Client::builder().roots(pem.clone()).build();
        let url = format!("https://localhost:{}/", peer.addr.port());
        let response = client.get(&url).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(response.bytes(10).await.unwrap(), b"plain");
        peer.requests().await;
    });
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let head = [
        length[1], length[2], length[3], kind, flags, 0, 0, 0, stream,
    ];
    [&head[..], payload].concat()
}

/// Reads frames up to one of this kind with these flags, at least.
fn read_to(stream: &mut impl Read, kind: u8, flags: u8) {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).unwrap();
        if head[3] == kind && head[4] & flags == flags {
            return;
        }
    }
}

#[test]
fn what_a_server_sends_before_it_goes_away_is_read() {
    let (pem, config) = certificate();
    let config = {
        let mut config = ServerConfig::clone(&config);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    };
    everywhere(|| async {
        for early in [true, false].repeat(5) {
            let config = config.clone();
            let peer = Peer::serving(1, move |_, stream| {
                let session = ServerConnection::new(config.clone()).unwrap();
                let mut tls = StreamOwned::new(session, stream.try_clone().unwrap());
                tls.read_exact(&mut [0; 24]).unwrap();
                read_to(&mut tls, 1, 0);
                // Settings, `:status: 200`, and the announcement that it goes, before the body or behind it.
                let begin = [frame(4, 0, 0, b""), frame(1, 4, 1, &[0x88])].concat();
                tls.write_all(&begin).unwrap();
                let going = frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
                if early {
                    tls.write_all(&going).unwrap();
                    // The client has read all of that once it acknowledges the settings.
                    read_to(&mut tls, 4, 1);
                }
                for last in [0, 0, 0, 1] {
                    tls.write_all(&frame(0, last, 1, &[b'x'; 16_000])).unwrap();
                }
                if !early {
                    tls.write_all(&going).unwrap();
                }
                // A reset throws away what the client's system has not taken yet.
                let socket = Stream::from(stream.try_clone().unwrap());
                while socket.unacknowledged().unwrap() > 0 {
                    std::thread::yield_now();
                }
                // It goes then, whatever the client has to say.
                Vec::new()
            });
            let client = Client::builder().roots(pem.clone()).build();
            let url = format!("https://localhost:{}/", peer.addr.port());
            let response = client.get(&url).await.unwrap();
            let body = response.bytes(100_000).await.unwrap();
            assert_eq!(body.len(), 64_000);
            peer.requests().await;
        }
    });
}
