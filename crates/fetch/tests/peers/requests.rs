//! Requests: methods, fields and bodies, redirects, credentials, cookies.

use std::io::Write as _;
use std::sync::{Mutex, mpsc};

use switchboard_fetch::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderValue};
use switchboard_fetch::{Client, Method, Phase, Request, StatusCode, Version};
use switchboard_runtime::Model;

use crate::support::{Peer, everywhere, head, page, with_peer};

fn redirect(status: u16, location: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status} Go\r\nConnection: close\r\nContent-Length: 0\r\nLocation: ");
    [head.as_bytes(), location, b"\r\n\r\n"].concat()
}

fn value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}

fn line(request: &str) -> &str {
    request.lines().next().unwrap()
}

fn has(request: &str, field: &str) -> bool {
    request.lines().any(|line| line == field)
}

#[test]
fn a_request_is_sent_as_it_was_made() {
    with_peer(
        || Peer::new(&[&page("ok")]),
        |addr| async move {
            let request = Request::new(Method::POST, format!("http://{addr}/form?x#part"))
                .header(CONTENT_TYPE, value("text/plain"))
                .header(ACCEPT, value("text/html"))
                .header("X-Two".parse().unwrap(), value("1"))
                .header("X-Two".parse().unwrap(), value("2"))
                .header("Content-Length".parse().unwrap(), value("99"))
                .body("a=b&c=d");
            let response = Client::new().send(request).await.unwrap();
            assert_eq!(response.url(), format!("http://{addr}/form?x#part"));
            assert_eq!(response.version(), Version::HTTP_11);
            assert_eq!(response.bytes(10).await.unwrap(), b"ok");
        },
        |requests| {
            let request = &requests[0];
            assert_eq!(line(request), "POST /form?x HTTP/1.1");
            assert!(request.ends_with("\r\n\r\na=b&c=d"), "{request}");
            for field in [
                "content-type: text/plain",
                "accept: text/html",
                "x-two: 1",
                "x-two: 2",
                "content-length: 7",
            ] {
                assert!(has(request, field), "{field}: {request}");
            }
            assert_eq!(request.matches("accept: ").count(), 1);
            assert_eq!(request.matches("content-length").count(), 1);
        },
    );
}

#[test]
fn a_post_without_a_body_says_so_and_a_head_has_none() {
    with_peer(
        || {
            Peer::new(&[
                &page("ok"),
                b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
            ])
        },
        |addr| async move {
            let url = format!("http://{addr}/");
            let client = Client::new();
            client
                .send(Request::new(Method::POST, url.clone()))
                .await
                .unwrap();
            let response = client.send(Request::new(Method::HEAD, url)).await.unwrap();
            assert_eq!(response.bytes(10).await.unwrap(), b"");
        },
        |requests| {
            assert!(has(&requests[0], "content-length: 0"));
            assert!(!requests[1].contains("content-length"));
        },
    );
}

#[test]
fn http_1_0_ends_with_the_connection() {
    with_peer(
        || Peer::new(&[b"HTTP/1.0 200 OK\r\n\r\nold", &page("new")]),
        |addr| async move {
            let client = Client::new();
            for expected in ["old", "new"] {
                let request = Request::get(format!("http://{addr}/")).http10();
                let response = client.send(request).await.unwrap();
                assert_eq!(response.bytes(10).await.unwrap(), expected.as_bytes());
            }
        },
        |requests| {
            for request in requests {
                assert_eq!(line(&request), "GET / HTTP/1.0");
                assert!(request.contains("\r\nhost: 127.0.0.1:"), "{request}");
            }
        },
    );
}

#[test]
fn odd_locations_are_followed_byte_for_byte() {
    let rows: &[(&[u8], &str)] = &[
        (b"/caf\xe9", "GET /caf%E9 HTTP/1.1"),
        ("/café".as_bytes(), "GET /caf%C3%A9 HTTP/1.1"),
        (b"?q=a b\xff", "GET /a/b?q=a%20b%FF HTTP/1.1"),
        (b"../up", "GET /up HTTP/1.1"),
        (b"  /blanks \t", "GET /blanks HTTP/1.1"),
        (b"\\back\\slash", "GET /back/slash HTTP/1.1"),
        (b"/folded\r\n /more", "GET /folded%20/more HTTP/1.1"),
        (b"#only", "GET /a/b HTTP/1.1"),
    ];
    everywhere(|| async {
        for (location, expected) in rows {
            let peer = Peer::new(&[&redirect(302, location), &page("here")]);
            let response = Client::new().get(&peer.url("/a/b#part")).await.unwrap();
            let fragment = if *location == b"#only" {
                "#only"
            } else {
                "#part"
            };
            assert!(response.url().ends_with(fragment), "{}", response.url());
            assert_eq!(response.bytes(10).await.unwrap(), b"here");
            let requests = peer.requests().await;
            let got = line(&requests[1]);
            // A folded line's blanks are as many as the server has sent.
            let got = got.replace("%20%20", "%20").replace("%20%20", "%20");
            assert_eq!(got, *expected);
        }
    });
}

#[test]
fn methods_follow_the_standard_and_credentials_stay_at_home() {
    everywhere(|| async {
        let other = Peer::new(&[&page("there")]);
        let peer = Peer::new(&[
            &redirect(307, b"/kept"),
            &redirect(303, b"/see"),
            &redirect(302, other.url("/away").as_bytes()),
        ]);
        let request = Request::new(Method::POST, peer.url("/"))
            .header(AUTHORIZATION, value("secret"))
            .header(COOKIE, value("a=b"))
            .header(HOST, value("virtual.example"))
            .header(CONTENT_TYPE, value("text/plain"))
            .body("body");
        let response = Client::new().send(request).await.unwrap();
        assert_eq!(response.bytes(10).await.unwrap(), b"there");
        let requests = peer.requests().await;
        assert_eq!(line(&requests[1]), "POST /kept HTTP/1.1");
        assert!(requests[1].ends_with("\r\n\r\nbody"));
        assert_eq!(line(&requests[2]), "GET /see HTTP/1.1");
        for field in [
            "authorization: secret",
            "cookie: a=b",
            "host: virtual.example",
        ] {
            assert!(has(&requests[2], field), "{field}");
        }
        assert!(!requests[2].contains("content-"), "{}", requests[2]);
        let addr = other.addr;
        let away = &other.requests().await[0];
        assert_eq!(line(away), "GET /away HTTP/1.1");
        assert!(has(away, &format!("host: {addr}")));
        assert!(
            !away.contains("secret") && !away.contains("cookie"),
            "{away}"
        );
    });
}

#[test]
fn redirects_are_followed_as_the_request_says() {
    everywhere(|| async {
        let peer = Peer::new(&[&redirect(301, b"/next")]);
        let request = Request::get(peer.url("/")).redirects(0);
        let response = Client::new().send(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY);
        peer.requests().await;
        let peer = Peer::new(&[&redirect(301, b"/1"), &redirect(301, b"/2")]);
        let request = Request::get(peer.url("/")).redirects(1);
        let error = Client::new().send(request).await.unwrap_err();
        assert!(
            error.to_string().contains("more than 1 redirects"),
            "{error}"
        );
        peer.requests().await;
    });
}

#[test]
fn a_password_in_the_url_is_sent_and_shown_nowhere() {
    with_peer(
        || Peer::new(&[&redirect(302, b"/next"), &page("ok")]),
        |addr| async move {
            let request = Request::get(format!("http://user:p%40ss@{addr}/"));
            assert!(!format!("{request:?}").contains("p%40ss"));
            let response = Client::new().send(request).await.unwrap();
            assert_eq!(response.url(), format!("http://{addr}/next"));
            assert!(!format!("{response:?}").contains("user"), "{response:?}");
        },
        |requests| {
            for request in requests {
                assert!(
                    has(&request, "authorization: Basic dXNlcjpwQHNz"),
                    "{request}"
                );
            }
        },
    );
    for url in [
        "http://user:secret@127.0.0.1:1/",
        "http://user:secret@[x/",
        "foo://user:secret@x/",
    ] {
        let error = Model::Blocking
            .run(Client::new().get(url))
            .unwrap()
            .unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("secret"),
            "{error:?}"
        );
    }
}

#[test]
fn cookies_are_kept_where_they_are_wanted() {
    let set = b"HTTP/1.1 302 Go\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/x\r\nLocation: /x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    with_peer(
        || Peer::new(&[set, &page("ok"), set, &page("ok")]),
        |addr| async move {
            let url = format!("http://{addr}/");
            Client::builder().cookies().build().get(&url).await.unwrap();
            Client::new().get(&url).await.unwrap();
        },
        |requests| {
            assert!(!requests[0].contains("cookie"));
            assert!(has(&requests[1], "cookie: b=2; a=1"), "{}", requests[1]);
            assert!(!requests[3].contains("cookie"));
        },
    );
}

#[test]
fn a_post_over_a_connection_that_died_is_not_sent_twice() {
    // The first connection dies once the second request has come, unanswered.
    let serve = || Peer::keeping(vec![vec![page("one"), Vec::new()], vec![page("two")]]);
    everywhere(|| async {
        let peer = serve();
        let client = Client::new();
        let response = client.get(&peer.url("/")).await.unwrap();
        assert_eq!(response.bytes(10).await.unwrap(), b"one");
        let post = Request::new(Method::POST, peer.url("/")).body("order");
        let error = client.send(post).await.unwrap_err();
        assert_eq!(error.phase(), Phase::FirstByte);
        let response = client.get(&peer.url("/")).await.unwrap();
        assert_eq!(response.bytes(10).await.unwrap(), b"two");
        let requests = peer.requests().await;
        assert_eq!(
            requests
                .iter()
                .filter(|request| request.starts_with("POST"))
                .count(),
            1
        );
    });
    everywhere(|| async {
        let peer = serve();
        let client = Client::new();
        for expected in ["one", "two"] {
            let response = client.get(&peer.url("/")).await.unwrap();
            assert_eq!(response.bytes(10).await.unwrap(), expected.as_bytes());
        }
        assert_eq!(peer.requests().await.len(), 3);
    });
}

#[test]
fn an_answer_that_comes_before_the_body_was_sent_is_read() {
    let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge";
    everywhere(|| async {
        let peer = Peer::serving(1, move |_, stream| {
            let request = head(stream);
            stream.write_all(answer).unwrap();
            vec![request]
        });
        let request = Request::new(Method::POST, peer.url("/")).body(vec![0; 20_000_000]);
        let response = Client::new().send(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(response.bytes(10).await.unwrap(), b"large");
        peer.requests().await;
    });
}

/// The server keeps the connection, and reads no more of it.
#[test]
fn a_connection_whose_request_was_not_taken_is_not_used_again() {
    everywhere(|| async {
        let (done, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(Some(wait));
        let peer = Peer::serving(2, move |at, stream| {
            let request = head(stream);
            let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge";
            stream.write_all(answer).unwrap();
            if at == 0 {
                // The stream is kept by a thread until the second request was answered.
                let (wait, kept) = (wait.lock().unwrap().take(), stream.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = wait.unwrap().recv();
                    drop(kept);
                });
            }
            vec![request]
        });
        let client = Client::new();
        let request = Request::new(Method::POST, peer.url("/")).body(vec![0; 20_000_000]);
        let response = client.send(request).await.unwrap();
        assert_eq!(response.bytes(10).await.unwrap(), b"large");
        let response = client.get(&peer.url("/again")).await.unwrap();
        assert_eq!(response.bytes(10).await.unwrap(), b"large");
        drop(done);
        peer.requests().await;
    });
}
