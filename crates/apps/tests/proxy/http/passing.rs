//! What is passed on, and where to.

use std::sync::mpsc;
use std::time::Instant;

use http::{Request, Version};
use switchboard_apps::proxy::{PoolSettings, Route, Sender, Settings};
use switchboard_http::Body;
use switchboard_runtime::Model;

use super::peers::{BackEnd, Client, GET, Message, answer};
use crate::{IDLE, Way, http_settings, proxy, serve_one};

crate::stamp!(
    requests_share_one_connection_to_the_back_end
    what_the_back_end_gets_is_what_was_sent
    bodies_pass_both_ways
    requests_go_by_their_host_and_path
    trailers_are_passed_on_as_fields_are
);

fn requests_share_one_connection_to_the_back_end(way: Way) {
    let back_end = BackEnd::start(|_| answer(b"hello"));
    let (proxy, notices) = proxy(http_settings(&[back_end.addr]));
    let (client, serving) = serve_one(way, &proxy);
    let mut client = Client::new(client);
    let start = Instant::now();
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
    // One that has waited for too long is followed by another.
    let most = 1 + (start.elapsed().as_secs() / IDLE.as_secs()) as usize;
    assert!((1..=most).contains(&back_end.connections()));
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
    let (proxy, _) = proxy(http_settings(&[back_end.addr]));
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
    let (proxy, _) = proxy(http_settings(&[back_end.addr]));
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

fn requests_go_by_their_host_and_path(way: Way) {
    let named = |name: &'static str| BackEnd::start(move |_| answer(name.as_bytes()));
    let (api, site) = (named("api"), named("site"));
    let pool = |name: &str, back_end: &BackEnd| PoolSettings {
        name: name.to_owned(),
        ..http_settings(&[back_end.addr]).pools.remove(0)
    };
    let route = |host: &str, path: &str, pool: &str| Route {
        host: Some(host.to_owned()),
        path: path.to_owned(),
        pool: pool.to_owned(),
    };
    let (proxy, _) = proxy(Settings {
        pools: vec![pool("api", &api), pool("site", &site)],
        routes: vec![route("a.org", "/", "site"), route("a.org", "/api", "api")],
        ..http_settings(&[site.addr])
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
    assert!(connect.field("allow").unwrap().starts_with("GET, HEAD, "));
    client.end();
    serving.join().unwrap().unwrap();
}

fn trailers_are_passed_on_as_fields_are(way: Way) {
    let (got, requests) = mpsc::channel();
    let back_end = BackEnd::start(move |request| {
        got.send(request).unwrap();
        answer(b"hello")
    });
    let (proxy, _) = proxy(http_settings(&[back_end.addr]));
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

#[test]
fn requests_of_http2_name_one_host() {
    let back_end = BackEnd::start(|request| answer(request.field("host").unwrap().as_bytes()));
    let (proxy, _) = proxy(http_settings(&[back_end.addr]));
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
