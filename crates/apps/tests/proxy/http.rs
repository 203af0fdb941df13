//! Requests through the proxy, with real peers on threads of their own.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Version};
use hyper::body::{Body as HttpBody, Bytes, Frame};
use switchboard_apps::proxy::{Mode, PoolSettings, Proxy, Route, Sender, Settings};
use switchboard_http::{Body, HttpServer, ServerLimits};
use switchboard_runtime::Model;

use crate::{Notices, Way, listen, nowhere, serve_one};

crate::stamp!(
    requests_share_one_connection_to_the_back_end
    what_the_back_end_gets_is_what_was_sent
    bodies_pass_both_ways
    a_request_on_a_connection_that_has_died_is_sent_again_if_that_is_safe
    another_back_end_answers_where_connecting_fails
    failures_are_answered_and_say_in_the_log_where_they_were
    a_cut_answer_is_cut_for_the_client_too
    requests_go_by_their_host_and_path
    trailers_are_passed_on_as_fields_are
    a_client_whose_upload_stalls_gets_408
);

fn settings(to: &[SocketAddr]) -> Settings {
    Settings {
        mode: Mode::Http,
        ..crate::settings(to)
    }
}

fn proxy(settings: Settings) -> (Proxy, Notices) {
    let notices = Notices::default();
    let proxy = Proxy::with_hooks(settings, Arc::new(notices.clone())).unwrap();
    (proxy, notices)
}

/// One message that a peer has read.
#[derive(Debug)]
struct Message {
    /// The first line and the fields.
    head: Vec<String>,
    body: Vec<u8>,
    trailers: Vec<String>,
}

impl Message {
    fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.iter().skip(1);
        let mut fields = lines.filter_map(|line| line.split_once(": "));
        fields
            .find(|(it, _)| it.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Reads a message; `None` at the end of input before one. `without_body` says that it was asked for by
    /// HEAD.
    fn read(reader: &mut impl BufRead, without_body: bool) -> Option<Message> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let mut message = Message {
            head,
            body: Vec::new(),
            trailers: Vec::new(),
        };
        if without_body {
            return Some(message);
        }
        if message.field("transfer-encoding") == Some("chunked") {
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
                if size == 0 {
                    break;
                }
                let mut piece = vec![0; size + 2];
                reader.read_exact(&mut piece).unwrap();
                message.body.extend_from_slice(&piece[..size]);
            }
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                match line.trim_end() {
                    "" => break,
                    line => message.trailers.push(line.to_owned()),
                }
            }
        } else if let Some(length) = message.field("content-length") {
            message.body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut message.body).unwrap();
        }
        Some(message)
    }
}

/// A back end that answers each request as `respond` says, or closes the connection.
struct BackEnd {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl BackEnd {
    fn start(respond: impl Fn(Message) -> Option<Vec<u8>> + Send + Sync + 'static) -> BackEnd {
        let (listener, addr) = listen();
        let connections = Arc::<AtomicUsize>::default();
        let (counted, respond) = (connections.clone(), Arc::new(respond));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                counted.fetch_add(1, Ordering::SeqCst);
                let respond = respond.clone();
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut writer = stream;
                    while let Some(message) = Message::read(&mut reader, false) {
                        match respond(message) {
                            Some(answer) if writer.write_all(&answer).is_ok() => {}
                            _ => break,
                        }
                    }
                });
            }
        });
        BackEnd { addr, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn answer(body: &[u8]) -> Option<Vec<u8>> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    Some(answer)
}

/// A client's connection, which reads answers.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(stream: TcpStream) -> Client {
        Client(BufReader::new(stream))
    }

    fn send(&mut self, request: &[u8]) {
        self.0.get_mut().write_all(request).unwrap();
    }

    fn ask(&mut self, request: &str) -> Message {
        self.send(request.as_bytes());
        Message::read(&mut self.0, request.starts_with("HEAD")).expect("an answer")
    }

    fn end(self) {
        self.0.get_ref().shutdown(Shutdown::Both).unwrap();
    }
}

const GET: &str = "GET /path?query HTTP/1.1\r\nhost: here\r\n\r\n";

fn requests_share_one_connection_to_the_back_end(way: Way) {
    let back_end = BackEnd::start(|_| answer(b"hello"));
    let (proxy, notices) = proxy(settings(&[back_end.addr]));
    let (client, serving) = serve_one(way, &proxy);
    let mut client = Client::new(client);
    for _ in 0..20 {
        let answer = client.ask(GET);
        assert_eq!(answer.head[0], "HTTP/1.1 200 OK");
        assert_eq!(answer.body, b"hello");
        assert!(answer.field("via").unwrap().starts_with("1.1 switchboard-"));
    }
    let head = client.ask("HEAD / HTTP/1.1\r\nhost: here\r\n\r\n");
    // This back end answers HEAD with a body, after which its connection is not used again.
    assert_eq!(
        (head.field("content-length"), head.body.len()),
        (Some("5"), 0)
    );
    assert_eq!(back_end.connections(), 1);
    client.end();
    serving.join().unwrap().unwrap();
    assert_eq!(notices.take(), [""; 0]);
}

fn what_the_back_end_gets_is_what_was_sent(way: Way) {
    let (got, requests) = mpsc::channel();
    let back_end = BackEnd::start(move |request| {
        got.send(request).unwrap();
        let answer = "HTTP/1.1 201 Made\r\nx-own: 1\r\nconnection: x-own\r\nkeep-alive: timeout=5\r\nx-other: 2\r\n\
            location: /a\r\ncontent-length: 2\r\n\r\nok";
        Some(answer.as_bytes().to_vec())
    });
    let (proxy, _) = proxy(settings(&[back_end.addr]));
    let (client, serving) = serve_one(way, &proxy);
    let mut client = Client::new(client);
    let answer = client.ask(
        "PUT /a%20b?c=d&e HTTP/1.1\r\nhost: here\r\nconnection: x-mine\r\nx-mine: 1\r\nx-yours: 2\r\n\
        x-forwarded-for: 203.0.113.9\r\ncontent-length: 3\r\n\r\nabc",
    );
    assert_eq!(answer.head[0], "HTTP/1.1 201 Created");
    let fields =
        ["x-own", "keep-alive", "connection", "x-other", "location"].map(|name| answer.field(name));
    assert_eq!(fields, [None, None, None, Some("2"), Some("/a")]);
    let request = requests.recv().unwrap();
    assert_eq!(request.head[0], "PUT /a%20b?c=d&e HTTP/1.1");
    let fields = ["host", "x-mine", "x-yours", "x-forwarded-for"].map(|name| request.field(name));
    assert_eq!(fields, [Some("here"), None, Some("2"), Some("127.0.0.1")]);
    assert_eq!(request.body, b"abc");
    // An old client need not name a host.
    client.send(b"GET / HTTP/1.0\r\n\r\n");
    Message::read(&mut client.0, false).unwrap();
    assert_eq!(
        requests.recv().unwrap().field("host"),
        Some(&*back_end.addr.to_string())
    );
    serving.join().unwrap().unwrap();
}

fn bodies_pass_both_ways(way: Way) {
    let back_end = BackEnd::start(|request| match request.field("x-chunked") {
        Some(_) => {
            let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            for piece in request.body.chunks(10_000) {
                chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                chunked.extend_from_slice(piece);
                chunked.extend_from_slice(b"\r\n");
            }
            chunked.extend_from_slice(b"0\r\n\r\n");
            Some(chunked)
        }
        None => answer(&request.body),
    });
    let (proxy, _) = proxy(settings(&[back_end.addr]));
    let (client, serving) = serve_one(way, &proxy);
    let mut client = Client::new(client);
    for length in [1, 5000, 100_000, 1_000_000] {
        let body: Vec<u8> = (0..length).map(|at| (at * 31 / 7) as u8).collect();
        for chunked in ["", "x-chunked: yes\r\n"] {
            let framing = format!("content-length: {length}");
            let mut request =
                format!("POST / HTTP/1.1\r\nhost: here\r\n{chunked}{framing}\r\n\r\n").into_bytes();
            request.extend_from_slice(&body);
            client.send(&request);
            assert!(Message::read(&mut client.0, false).unwrap().body == body);
            let framing = "transfer-encoding: chunked";
            let mut request =
                format!("POST / HTTP/1.1\r\nhost: here\r\n{chunked}{framing}\r\n\r\n").into_bytes();
            for piece in body.chunks(33_333) {
                request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                request.extend_from_slice(piece);
                request.extend_from_slice(b"\r\n");
            }
            request.extend_from_slice(b"0\r\n\r\n");
            client.send(&request);
            assert!(Message::read(&mut client.0, false).unwrap().body == body);
        }
    }
    client.end();
    serving.join().unwrap().unwrap();
}

fn a_request_on_a_connection_that_has_died_is_sent_again_if_that_is_safe(way: Way) {
    // Each connection serves one request, and dies at the second one.
    let (listener, addr) = listen();
    let back_end = std::thread::spawn(move || {
        for _ in 0..4 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            Message::read(&mut reader, false).unwrap();
            stream.write_all(&answer(b"hello").unwrap()).unwrap();
            Message::read(&mut reader, false);
        }
    });
    let (proxy, notices) = proxy(settings(&[addr]));
    let (client, serving) = serve_one(way, &proxy);
    let mut client = Client::new(client);
    for _ in 0..3 {
        assert_eq!(client.ask(GET).body, b"hello");
    }
    let post = "POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1\r\n\r\n!";
    assert_eq!(client.ask(post).head[0], "HTTP/1.1 502 Bad Gateway");
    let notices = notices.take();
    let expected = format!("POST /: 502: back end {addr}: first byte: ");
    assert!(notices[0].starts_with(&expected), "{notices:?}");
    assert_eq!(client.ask(GET).body, b"hello");
    client.end();
    serving.join().unwrap().unwrap();
    // The last connection waits for its second request.
    drop(proxy);
    back_end.join().unwrap();
}

fn another_back_end_answers_where_connecting_fails(way: Way) {
    let back_end = BackEnd::start(|request| answer(&request.body));
    let (proxy, _) = proxy(settings(&[nowhere(), nowhere(), back_end.addr]));
    let (client, serving) = serve_one(way, &proxy);
    let mut client = Client::new(client);
    for _ in 0..10 {
        let post = "POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1\r\n\r\n!";
        assert_eq!(client.ask(post).body, b"!");
    }
    client.end();
    serving.join().unwrap().unwrap();
}

fn failures_are_answered_and_say_in_the_log_where_they_were(way: Way) {
    let down = nowhere();
    let garbage = BackEnd::start(|_| Some(b"SSH-2.0-x\r\n\r\n".to_vec()));
    let closing = BackEnd::start(|_| None);
    let cases = [
        (
            down,
            "502 Bad Gateway",
            format!("GET /path?query: 502: back end {down}: connect: cannot connect to {down}"),
        ),
        (
            garbage.addr,
            "502 Bad Gateway",
            format!("GET /path?query: 502: back end {}: head: ", garbage.addr),
        ),
        (
            closing.addr,
            "502 Bad Gateway",
            format!(
                "GET /path?query: 502: back end {}: first byte: ",
                closing.addr
            ),
        ),
    ];
    for (addr, status, line) in cases {
        let (proxy, notices) = proxy(settings(&[addr]));
        let (client, serving) = serve_one(way, &proxy);
        let mut client = Client::new(client);
        for _ in 0..3 {
            let answer = client.ask(GET);
            assert_eq!(answer.head[0], format!("HTTP/1.1 {status}"));
            // Clients are told nothing of back ends.
            assert!(
                !String::from_utf8(answer.body)
                    .unwrap()
                    .contains("127.0.0.1")
            );
        }
        let told = notices.take();
        assert!(told[0].starts_with(&line), "{told:?}");
        assert!(
            told.iter().any(|it| it.contains("is left out for 1s")),
            "{told:?}"
        );
        let answer = client.ask(GET);
        assert_eq!(answer.head[0], "HTTP/1.1 503 Service Unavailable");
        let all_down = "GET /path?query: 503: every back end of pool default is down";
        assert_eq!(notices.take(), [all_down]);
        client.end();
        serving.join().unwrap().unwrap();
    }
}

fn a_cut_answer_is_cut_for_the_client_too(way: Way) {
    let (listener, addr) = listen();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        Message::read(&mut BufReader::new(stream.try_clone().unwrap()), false).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nhello")
            .unwrap();
    });
    let (proxy, _) = proxy(settings(&[addr]));
    let (client, serving) = serve_one(way, &proxy);
    let mut client = Client::new(client);
    client.send(GET.as_bytes());
    let mut got = Vec::new();
    let ended = client.0.read_to_end(&mut got);
    assert!(ended.is_ok() || ended.unwrap_err().kind() == ErrorKind::ConnectionReset);
    assert!(got.len() < 1000);
    let error = serving.join().unwrap().unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("back end {addr}: body: ")),
        "{error}"
    );
}

fn requests_go_by_their_host_and_path(way: Way) {
    let named = |name: &'static str| BackEnd::start(move |_| answer(name.as_bytes()));
    let (api, site) = (named("api"), named("site"));
    let pool = |name: &str, back_end: &BackEnd| PoolSettings {
        name: name.to_owned(),
        ..settings(&[back_end.addr]).pools.remove(0)
    };
    let route = |host: &str, path: &str, pool: &str| Route {
        host: Some(host.to_owned()),
        path: path.to_owned(),
        pool: pool.to_owned(),
    };
    let (proxy, _) = proxy(Settings {
        pools: vec![pool("api", &api), pool("site", &site)],
        routes: vec![route("a.org", "/", "site"), route("a.org", "/api", "api")],
        ..settings(&[site.addr])
    });
    let (client, serving) = serve_one(way, &proxy);
    let mut client = Client::new(client);
    let mut get = |path: &str, host: &str| {
        let answer = client.ask(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        let status = answer.head[0][9..12].to_owned();
        (status, String::from_utf8(answer.body).unwrap())
    };
    let ok = |body: &str| ("200".to_owned(), body.to_owned());
    assert_eq!(get("/", "a.org"), ok("site"));
    assert_eq!(get("/api/x", "A.ORG:8080"), ok("api"));
    assert_eq!(get("/apis", "a.org"), ok("site"));
    assert_eq!(get("http://a.org/api", "b.org"), ok("api"));
    assert_eq!(get("/", "b.org").0, "404");
    let via = {
        let answer = client.ask("GET / HTTP/1.1\r\nhost: a.org\r\n\r\n");
        answer.field("via").unwrap().to_owned()
    };
    let looped = client.ask(&format!(
        "GET / HTTP/1.1\r\nhost: a.org\r\nvia: 1.0 x, {via}\r\n\r\n"
    ));
    assert_eq!(looped.head[0], "HTTP/1.1 508 Loop Detected");
    let connect = client.ask("CONNECT a.org:443 HTTP/1.1\r\nhost: a.org\r\n\r\n");
    assert_eq!(connect.head[0], "HTTP/1.1 405 Method Not Allowed");
    client.end();
    serving.join().unwrap().unwrap();
}

fn trailers_are_passed_on_as_fields_are(way: Way) {
    let (got, requests) = mpsc::channel();
    let back_end = BackEnd::start(move |request| {
        got.send(request).unwrap();
        answer(b"hello")
    });
    let (proxy, _) = proxy(settings(&[back_end.addr]));
    let (client, serving) = serve_one(way, &proxy);
    let mut client = Client::new(client);
    client.ask(
        "POST / HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\
        x-sum: 7\r\nx-forwarded-for: 203.0.113.9\r\nx_real_ip: 203.0.113.9\r\ncookie: a\r\n\r\n",
    );
    let request = requests.recv().unwrap();
    assert_eq!(request.body, b"abc");
    assert_eq!(request.trailers, ["x-sum: 7"]);
    client.end();
    serving.join().unwrap().unwrap();
}

fn a_client_whose_upload_stalls_gets_408(way: Way) {
    let back_end = BackEnd::start(|request| answer(&request.body));
    let (proxy, notices) = proxy(settings(&[back_end.addr]));
    let server = HttpServer::new(ServerLimits {
        body_idle: Duration::from_millis(1),
        ..ServerLimits::default()
    });
    for framing in [
        "content-length: 100\r\n\r\nhello",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello",
    ] {
        let (listener, addr) = listen();
        let mut client = Client::new(TcpStream::connect(addr).unwrap());
        let served = listener.accept().unwrap().0.into();
        let serving = std::thread::spawn({
            let (proxy, server) = (proxy.clone(), server.clone());
            move || {
                let answer = |request| {
                    let answer = proxy.respond(Sender::default(), false, request);
                    async { Ok::<_, Infallible>(answer.await) }
                };
                way.run(server.serve(served, answer))
            }
        });
        let answer = client.ask(&format!("POST /x HTTP/1.1\r\nhost: here\r\n{framing}"));
        assert_eq!(answer.head[0], "HTTP/1.1 408 Request Timeout");
        assert_eq!(answer.field("connection"), Some("close"));
        client.end();
        let error = serving.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
    // One line a second is told.
    let why = "the request's body: a request body that comes too slowly";
    let told = notices.take();
    assert_eq!(told[0], format!("POST /x: 408: {why}"));
}

/// A body that fails at once, as one of HTTP/2 does that comes too slowly.
struct TooSlow;

impl HttpBody for TooSlow {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        Poll::Ready(Some(Err(ErrorKind::TimedOut.into())))
    }
}

#[test]
fn an_upload_of_http2_that_stalls_gets_408() {
    let back_end = BackEnd::start(|request| answer(&request.body));
    let (proxy, notices) = proxy(settings(&[back_end.addr]));
    let request = Request::post("https://a.org/").version(Version::HTTP_2);
    let request = request.body(Body::new(TooSlow)).unwrap();
    let answer = Model::Tasks.run(proxy.respond(Sender::default(), false, request));
    assert_eq!(answer.unwrap().status(), 408);
    let line = "POST https://a.org/: 408: the request's body: ";
    assert!(notices.take()[0].starts_with(line));
}

#[test]
fn requests_of_http2_name_one_host() {
    let back_end = BackEnd::start(|request| answer(request.field("host").unwrap().as_bytes()));
    let (proxy, _) = proxy(settings(&[back_end.addr]));
    let ask = |uri: &str, hosts: &[&str]| {
        let request = hosts.iter().fold(Request::builder(), |request, host| {
            request.header("host", *host)
        });
        let request = request.uri(uri).version(Version::HTTP_2);
        let request = request.body(Body::empty()).unwrap();
        let answering = async {
            let answer = proxy.respond(Sender::default(), false, request).await;
            let status = answer.status().as_u16();
            let body = answer.into_body().bytes(1000).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        Model::Tasks.run(answering).unwrap()
    };
    let ok = |host: &str| (200, host.to_owned());
    assert_eq!(ask("https://a.org/", &[]), ok("a.org"));
    assert_eq!(ask("https://a.org/", &["A.org"]), ok("a.org"));
    assert_eq!(ask("/", &["a.org"]), ok("a.org"));
    assert_eq!(ask("https://a.org/", &["b.org"]).0, 400);
    assert_eq!(ask("https://a.org/", &["a.org", "b.org"]).0, 400);
    assert_eq!(ask("https://user@a.org/", &[]).0, 400);
    assert_eq!(ask("/", &["a\";for=b"]).0, 400);
    assert_eq!(ask("/", &[]).0, 400);
}
