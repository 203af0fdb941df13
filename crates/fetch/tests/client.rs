//! The client against servers that send exactly the bytes a test gives them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use switchboard_fetch::{Client, Error, Limits, Phase};
use switchboard_runtime::{Model, gather};

/// Reads the head of a request.
fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Serves each of `responses` on a connection of its own. Returns the URL, and a thread that ends with
/// the requests.
fn serve_responses(responses: Vec<Vec<u8>>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let serve = |response: Vec<u8>| {
            let (mut stream, _) = listener.accept().unwrap();
            let request = head(&mut stream);
            // The client may hang up before the end of the response.
            let _ = stream.write_all(&response);
            request
        };
        responses.into_iter().map(serve).collect()
    });
    (url, server)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn with_body(head: &str, body: &[u8]) -> Vec<u8> {
    [head.as_bytes(), b"\r\n\r\n", body].concat()
}

/// Fetches the first of `responses` under a blocking model and under a loop, and checks each result.
fn fetch(responses: &[Vec<u8>], check: impl Fn(Result<String, Error>)) {
    for model in [Model::Blocking, Model::Tasks] {
        let (url, server) = serve_responses(responses.to_vec());
        let result = model.run(async {
            let client = Client::new();
            client.get(&url).await?.text(100_000).await
        });
        check(result.unwrap());
        server.join().unwrap();
    }
}

fn fails(phase: Phase, message: &str) -> impl Fn(Result<String, Error>) {
    move |result| {
        let error = result.unwrap_err();
        assert_eq!(error.phase(), phase, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn a_gzip_body_is_decompressed() {
    let body = gzip("grüß dich".as_bytes());
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}",
        body.len()
    );
    fetch(&[with_body(&head, &body)], |result| {
        assert_eq!(result.unwrap(), "grüß dich");
    });
}

#[test]
fn text_is_decoded_by_the_charset_of_the_head_or_the_page() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=iso-8859-1\r\nconnection: close",
        "HTTP/1.0 200 OK",
    ] {
        let body = b"<meta charset='iso-8859-1'>gr\xfc\xdf dich";
        fetch(&[with_body(head, body)], |result| {
            assert!(result.unwrap().ends_with("grüß dich"));
        });
    }
}

#[test]
fn a_body_that_decompresses_beyond_the_limit_is_refused() {
    let body = gzip(&vec![0; 50_000_000]);
    assert!(body.len() < 100_000);
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close";
    let message = "longer than the 100000 bytes allowed";
    fetch(&[with_body(head, &body)], fails(Phase::Decode, message));
}

#[test]
fn a_wrong_or_unknown_content_encoding_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9";
    let broken = with_body(head, b"plaintext");
    fetch(&[broken], fails(Phase::Decode, ""));
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: compress\r\ncontent-length: 1";
    let message = "`compress` is not known";
    fetch(&[with_body(head, b"x")], fails(Phase::Decode, message));
}

#[test]
fn an_empty_body_needs_no_valid_compression() {
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0";
    fetch(&[with_body(head, b"")], |result| {
        assert_eq!(result.unwrap(), "")
    });
}

#[test]
fn the_limit_counts_bytes_that_the_decoder_buffers() {
    let body = gzip(&vec![7; 100_001]);
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close";
    fetch(
        &[with_body(head, &body)],
        fails(Phase::Decode, "longer than"),
    );
}

#[test]
fn a_truncated_body_is_an_error() {
    let cut = with_body("HTTP/1.1 200 OK\r\ncontent-length: 100", b"half");
    fetch(&[cut], fails(Phase::Body, ""));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked";
    let cut = with_body(chunked, b"4\r\nhalf\r\n");
    fetch(&[cut], fails(Phase::Body, ""));
}

#[test]
fn a_response_that_is_not_http_is_an_error() {
    fetch(&[b"SSH-2.0-x\r\n".to_vec()], fails(Phase::FirstByte, ""));
    fetch(&[Vec::new()], fails(Phase::FirstByte, ""));
}

#[test]
fn a_silent_server_exceeds_the_time_for_the_first_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    for model in [Model::Blocking, Model::Tasks] {
        let limits = Limits {
            first_byte: Duration::from_millis(20),
            ..Limits::default()
        };
        let client = Client::with(limits, None);
        let got = model.run(client.get(&url)).unwrap();
        fails(Phase::FirstByte, "20ms")(got.map(|_| String::new()));
    }
}

#[test]
fn redirects_are_followed_up_to_the_limit() {
    let to = |place: &str| {
        format!("HTTP/1.1 302 Found\r\nlocation: {place}\r\nconnection: close\r\n\r\n")
    };
    let page = with_body("HTTP/1.1 200 OK\r\ncontent-length: 4", b"here");
    let responses = [to("/next").into_bytes(), to("?more").into_bytes(), page];
    for model in [Model::Blocking, Model::Tasks] {
        let (url, server) = serve_responses(responses.to_vec());
        let text = model.run(async {
            let response = Client::new().get(&url).await?;
            assert_eq!(response.url(), format!("{url}next?more"));
            response.text(100).await
        });
        assert_eq!(text.unwrap().unwrap(), "here");
        assert!(server.join().unwrap()[2].starts_with("GET /next?more HTTP/1.1\r\n"));
    }
    let round = vec![to("/").into_bytes(); 11];
    fetch(&round, fails(Phase::FirstByte, "more than 10 redirects"));
    let away = to("gopher://x/").into_bytes();
    fetch(&[away], fails(Phase::Url, "`gopher` is not supported"));
}

#[test]
fn a_request_is_repeated_when_the_server_closed_the_idle_connection() {
    let page = with_body("HTTP/1.1 200 OK\r\ncontent-length: 4", b"here");
    for model in [Model::Blocking, Model::Tasks] {
        // Neither response announces that the connection closes.
        let (url, server) = serve_responses(vec![page.clone(), page.clone()]);
        let client = Client::new();
        model
            .run(async {
                for _ in 0..2 {
                    let response = client.get(&url).await.unwrap();
                    assert_eq!(response.text(100).await.unwrap(), "here");
                }
            })
            .unwrap();
        server.join().unwrap();
    }
}

#[test]
fn as_many_idle_connections_are_kept_as_the_limit_says() {
    const AT_ONCE: usize = 100;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    std::thread::spawn(move || {
        // No request of a round is answered before all are there, so each has a connection of its own.
        let round = Arc::new(Barrier::new(AT_ONCE));
        for stream in listener.incoming() {
            let (mut stream, round) = (stream.unwrap(), round.clone());
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                while !head(&mut stream).is_empty() {
                    round.wait();
                    let page = with_body("HTTP/1.1 200 OK\r\ncontent-length: 4", b"here");
                    stream.write_all(&page).unwrap();
                }
            });
        }
    });
    let limits = Limits {
        idle: AT_ONCE,
        ..Limits::default()
    };
    let client = Client::with(limits, None);
    Model::Tasks
        .run(async {
            for _ in 0..2 {
                let requests = (0..AT_ONCE).map(|_| {
                    let (client, url) = (client.clone(), url.clone());
                    async move { client.get(&url).await?.text(100).await }
                });
                for page in gather(requests).await {
                    assert_eq!(page.unwrap(), "here");
                }
            }
        })
        .unwrap();
    assert_eq!(accepted.load(Ordering::Relaxed), AT_ONCE);
}

#[test]
fn tls_accepts_trusted_certificates_only() {
    let generated = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(generated.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![generated.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let serve = |stream: TcpStream| {
        let session = ServerConnection::new(config.clone()).unwrap();
        let mut tls = StreamOwned::new(session, stream);
        if !head(&mut tls).is_empty() {
            tls.write_all(&with_body(
                "HTTP/1.1 200 OK\r\ncontent-length: 6",
                b"secret",
            ))
            .unwrap();
        }
    };
    let trusted = || Client::with(Limits::default(), Some(generated.cert.pem().into_bytes()));
    for model in [Model::Blocking, Model::Tasks] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..3).for_each(|_| serve(listener.accept().unwrap().0)));
            let get = |client: Client, host: &str| {
                let url = format!("https://{host}:{port}/");
                let page = async { client.get(&url).await?.text(100).await };
                model.run(page).unwrap()
            };
            assert_eq!(get(trusted(), "localhost").unwrap(), "secret");
            fails(Phase::Tls, "UnknownIssuer")(get(Client::new(), "localhost"));
            fails(Phase::Tls, "not valid for name")(get(trusted(), "127.0.0.1"));
        });
    }
    let none = Client::with(Limits::default(), Some(b"no PEM".to_vec()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let got = Model::Tasks.run(none.get(&format!("https://{addr}/")));
    fails(Phase::Tls, "no certificate")(got.unwrap().map(|_| String::new()));
}
