//! Requests in pieces of random lengths, well-formed and not: they are answered as if they had come at once.
//! `SWITCHBOARD_SEED` repeats a run.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use fastrand::Rng;
use futures_io::{AsyncRead, AsyncWrite};
use switchboard_http::{HttpServer, ServerLimits};
use switchboard_runtime::Model;

use support::echo;

mod support;

/// A stream that gives its pieces one by one, and has the reader wait before each.
struct Script {
    pieces: VecDeque<Vec<u8>>,
    ready: bool,
    written: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if !std::mem::replace(&mut self.ready, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(mut piece) = self.pieces.pop_front() else {
            return Poll::Ready(Ok(0));
        };
        let length = piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&piece[..length]);
        piece.drain(..length);
        match piece.is_empty() {
            true => self.ready = false,
            false => self.pieces.push_front(piece),
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Serves a connection that brings `pieces`; returns what was written and the error. Dates are left out, and
/// what depends on what has come: interim answers, and the reason to refuse a head that has several.
fn serve(model: Model, pieces: Vec<Vec<u8>>) -> (String, Option<String>) {
    let written = Arc::<Mutex<Vec<u8>>>::default();
    let script = Script {
        pieces: pieces
            .into_iter()
            .filter(|piece| !piece.is_empty())
            .collect(),
        ready: false,
        written: written.clone(),
    };
    let http = HttpServer::new(ServerLimits {
        head_bytes: 2_000,
        uri_bytes: 300,
        fields: 40,
        body_bytes: 3_000,
        ..ServerLimits::default()
    });
    let served = model.run(http.serve_stream_until(script, echo, std::future::pending()));
    let error = served.unwrap().err().map(|error| error.to_string());
    let text = String::from_utf8_lossy(&written.lock().unwrap()).into_owned();
    let mut undated = String::new();
    for line in text.split_inclusive('\n') {
        if !line.starts_with("date: ") {
            undated.push_str(line);
        }
    }
    let mut text = undated.replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    let of_head = ["400", "414", "431", "505"];
    if let Some(error) = &error
        && of_head.contains(&&error[..3])
    {
        text.truncate(text.rfind(&format!("HTTP/1.1 {}", &error[..3])).unwrap());
        return (text, Some("refused".to_owned()));
    }
    (text, error)
}

/// Cuts `bytes` at random places.
fn split(rng: &mut Rng, bytes: &[u8]) -> Vec<Vec<u8>> {
    let most = [1, 2, 7, 40, 1_000][rng.usize(..5)];
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rng.usize(1..=most.min(rest.len())));
        pieces.push(piece.to_vec());
        rest = after;
    }
    pieces
}

/// Returns a few requests, most of them well-formed.
fn requests(rng: &mut Rng) -> Vec<u8> {
    const PARTS: &[&str] = &[
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HEAD /x?y=z HTTP/1.1\r\nHost: a:80\r\naccept: */*\r\nx: \r\n\r\n",
        "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\nhello world",
        "POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        "5\r\nhello\r\n",
        "b;e=\"f\"\r\nhello world\r\n",
        "0\r\n\r\n",
        "0\r\nt: u\r\nv: w\r\n\r\n",
        "GET /old HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
        "GET /end HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "PUT /e HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n",
        "abc",
        "\r\n",
    ];
    let mut bytes = Vec::new();
    for _ in 0..rng.usize(1..6) {
        bytes.extend_from_slice(PARTS[rng.usize(..PARTS.len())].as_bytes());
    }
    if rng.u8(..) < 24 {
        let fields = rng.usize(..60);
        bytes.extend_from_slice(b"GET /many HTTP/1.1\r\nhost: a\r\n");
        bytes.extend((0..fields).flat_map(|n| format!("x-{n}: {n}\r\n").into_bytes()));
        bytes.extend_from_slice(b"\r\n");
    }
    if rng.u8(..) < 24 {
        let path = "p".repeat(rng.usize(..500));
        bytes.extend_from_slice(format!("GET /{path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes());
    }
    bytes
}

/// Changes a few bytes.
fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    const BYTES: &[u8] = b"\r\n\t :;,0159afxGH/\0\x7f\xff";
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..bytes.len());
        let byte = BYTES[rng.usize(..BYTES.len())];
        match rng.u8(..3) {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
        if bytes.is_empty() {
            bytes.push(byte);
        }
    }
}

fn seed() -> u64 {
    let given = std::env::var("SWITCHBOARD_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    seed
}

/// Checks that the pieces of each of `count` inputs are answered as the whole is.
fn compare(model: Model, count: usize, input: impl Fn(&mut Rng) -> Vec<u8>) {
    let mut rng = Rng::with_seed(seed());
    let mut answered = 0;
    for _ in 0..count {
        let bytes = input(&mut rng);
        let whole = serve(model, vec![bytes.clone()]);
        answered += usize::from(whole.0.contains("HTTP/1.1 200"));
        for _ in 0..3 {
            let pieces = split(&mut rng, &bytes);
            let parts = serve(model, pieces.clone());
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!(parts, whole, "{text:?} in {} pieces", pieces.len());
        }
    }
    println!("{answered} of {count} had an answer of 200");
}

#[test]
fn pieces_of_requests_are_answered_as_the_whole() {
    compare(Model::Tasks, 300, requests);
    compare(Model::Threads, 50, requests);
}

#[test]
fn pieces_of_changed_requests_are_answered_as_the_whole() {
    compare(Model::Tasks, 500, |rng| {
        let mut bytes = requests(rng);
        mutate(rng, &mut bytes);
        bytes
    });
}

#[test]
fn pieces_of_random_bytes_are_answered_as_the_whole() {
    compare(Model::Tasks, 200, |rng| {
        let length = rng.usize(1..600);
        (0..length).map(|_| rng.u8(..)).collect()
    });
}
