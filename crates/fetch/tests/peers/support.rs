//! Peers that answer with given bytes.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use switchboard_runtime as runtime;

use crate::ways::{models_and_drivers, run};

/// A server on loopback, and what it was asked.
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    thread: JoinHandle<Vec<String>>,
}

impl Peer {
    /// Answers the first request of each connection with the next of `answers`, and closes it.
    pub(crate) fn new(answers: &[&[u8]]) -> Peer {
        Peer::keeping(answers.iter().map(|answer| vec![answer.to_vec()]).collect())
    }

    /// Answers the requests of each connection with the next of its answers, and closes it behind the last one.
    pub(crate) fn keeping(connections: Vec<Vec<Vec<u8>>>) -> Peer {
        Peer::serving(connections.len(), move |at, stream| {
            let answer = |answer: &Vec<u8>| {
                let request = request(stream);
                // The client may hang up before the end of the answer.
                let _ = stream.write_all(answer);
                request
            };
            connections[at].iter().map(answer).collect()
        })
    }

    /// Serves so many connections, one after the other; `serve` gets each with its number, and returns what it was asked.
    pub(crate) fn serving(
        connections: usize,
        serve: impl Fn(usize, &mut TcpStream) -> Vec<String> + Send + 'static,
    ) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let accept = |at| serve(at, &mut listener.accept().unwrap().0);
            (0..connections).flat_map(accept).collect()
        });
        Peer { addr, thread }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Waits until all connections were served; returns the requests.
    pub(crate) async fn requests(self) -> Vec<String> {
        // A completion driver closes the client's connection in a later turn of the loop, so it goes on meanwhile.
        runtime::run_blocking(|| self.join()).await.unwrap()
    }

    fn join(self) -> Vec<String> {
        self.thread.join().unwrap()
    }
}

/// Reads a request, with its body.
pub(crate) fn request(stream: &mut impl Read) -> String {
    let mut text = head(stream);
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    text.push_str(&String::from_utf8_lossy(&body));
    text
}

/// Reads the head of a request, byte by byte, so that what follows it is left.
pub(crate) fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Runs a case under every model and driver.
pub(crate) fn everywhere<F: Future<Output = ()>>(case: impl Fn() -> F) {
    for (model, driver) in models_and_drivers() {
        println!("{model} with {driver}");
        run(model, driver, case());
    }
}

/// Runs `client` against a new peer under every model and driver, and passes the requests to `check`.
pub(crate) fn with_peer<F: Future<Output = ()>>(
    peer: impl Fn() -> Peer,
    client: impl Fn(SocketAddr) -> F,
    check: impl Fn(Vec<String>),
) {
    for (model, driver) in models_and_drivers() {
        println!("{model} with {driver}");
        let peer = peer();
        run(model, driver, client(peer.addr));
        check(peer.join());
    }
}

/// An answer with a body of known length.
pub(crate) fn page(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}
