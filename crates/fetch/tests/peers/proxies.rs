//! Proxies: what they are told, and what goes through them.

use std::io::{Read, Write};
use std::net::TcpStream;

use switchboard_fetch::{Client, Phase, Proxies};

use crate::http2::{certificate, tls_peer};
use crate::support::{Peer, everywhere, head, page};

fn through(proxies: Proxies) -> Client {
    Client::builder().proxies(proxies).build()
}

/// Copies bytes between two connections until both have ended.
fn relay(client: &TcpStream, server: TcpStream) {
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| copy(client, &server));
        copy(&server, client);
    });
}

#[test]
fn http_requests_go_to_the_proxy_whole_and_share_its_connection() {
    everywhere(|| async {
        let proxy = Peer::keeping(vec![vec![page("one"), page("two")]]);
        let url = format!("http://us%65r:secret@{}", proxy.addr);
        let client = through(
            Proxies::default()
                .http(&url)
                .unwrap()
                .except("direct.example"),
        );
        for (page, body) in [
            ("http://a.example:81/x?y#z", "one"),
            ("http://b.example/", "two"),
        ] {
            let response = client.get(page).await.unwrap();
            assert_eq!(response.url(), page);
            assert_eq!(response.peer_addr(), Some(proxy.addr));
            assert_eq!(response.bytes(10).await.unwrap(), body.as_bytes());
        }
        let requests = proxy.requests().await;
        let begin = "GET http://a.example:81/x?y HTTP/1.1\r\nhost: a.example:81\r\n";
        assert!(requests[0].starts_with(begin), "{}", requests[0]);
        assert!(requests[1].starts_with("GET http://b.example/ HTTP/1.1\r\nhost: b.example\r\n"));
        for request in requests {
            assert!(request.contains("\r\nproxy-authorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
        }
    });
}

#[test]
fn hosts_that_need_no_proxy_get_none() {
    everywhere(|| async {
        let peer = Peer::new(&[&page("direct")]);
        let nowhere = Proxies::default().http("http://127.0.0.1:1").unwrap();
        let client = through(nowhere.except("127.0.0.0/8"));
        let response = client.get(&peer.url("/")).await.unwrap();
        assert_eq!(response.bytes(10).await.unwrap(), b"direct");
        assert!(peer.requests().await[0].starts_with("GET / HTTP/1.1\r\n"));
    });
}

#[test]
fn https_goes_through_a_tunnel_that_never_sees_it() {
    let (pem, config) = certificate();
    everywhere(|| async {
        let server = tls_peer(config.clone(), "tunnelled");
        let to = server.addr;
        let proxy = Peer::serving(1, move |_, stream| {
            let request = head(stream);
            let onward = TcpStream::connect(to).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n")
                .unwrap();
            relay(stream, onward);
            vec![request]
        });
        let proxies = Proxies::default()
            .https(&format!("http://u:p@{}", proxy.addr))
            .unwrap();
        let client = Client::builder()
            .proxies(proxies)
            .roots(pem.clone())
            .build();
        let response = client
            .get(&format!("https://localhost:{}/", to.port()))
            .await
            .unwrap();
        assert_eq!(response.bytes(10).await.unwrap(), b"tunnelled");
        drop(client);
        let requests = proxy.requests().await;
        let begin = format!(
            "CONNECT localhost:{0} HTTP/1.1\r\nhost: localhost:{0}\r\n",
            to.port()
        );
        assert!(requests[0].starts_with(&begin), "{}", requests[0]);
        assert!(requests[0].contains("proxy-authorization: Basic dTpw\r\n"));
        let inner = &server.requests().await[0];
        assert!(
            inner.starts_with("GET / HTTP/1.1\r\n") && !inner.contains("proxy-"),
            "{inner}"
        );
    });
}

#[test]
fn what_a_proxy_refuses_is_said_without_the_password() {
    everywhere(|| async {
        for (answer, part) in [
            (
                &b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..],
                "407 Proxy",
            ),
            (b"HTTP/1.1 502\r\n\r\n", "answers 502"),
            (b"SSH-2.0-x\r\n\r\n", "does not answer in HTTP"),
            (b"", "closed the connection"),
            (b"HTTP/1.1 200 OK\r\n\r\nmore", "bytes of its own"),
        ] {
            let proxy = Peer::new(&[answer]);
            let url = format!("http://user:secret@{}", proxy.addr);
            let client = through(Proxies::default().https(&url).unwrap());
            let error = client.get("https://host.example/").await.unwrap_err();
            let text = format!("{error} {error:?}");
            assert_eq!(error.phase(), Phase::Proxy);
            assert!(text.contains(part) && !text.contains("secret"), "{text}");
            assert!(text.contains(&proxy.addr.to_string()), "{text}");
            proxy.requests().await;
        }
    });
}

/// A SOCKS 5 server that wants a password, and relays one connection to `to`, whatever it is asked for.
fn socks(to: std::net::SocketAddr) -> Peer {
    Peer::serving(1, move |_, stream| {
        let mut take = |length: usize| {
            let mut bytes = vec![0; length];
            stream.read_exact(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(take(4), [5, 2, 0, 2]);
        stream.write_all(&[5, 2]).unwrap();
        let mut login = [0; 1 + 1 + 4 + 1 + 6];
        stream.read_exact(&mut login).unwrap();
        assert_eq!(&login[..], b"\x01\x04user\x06secret");
        stream.write_all(&[1, 0]).unwrap();
        let mut request = [0; 4];
        stream.read_exact(&mut request).unwrap();
        let mut length = [0];
        let host = match request {
            [5, 1, 0, 1] => {
                let mut ip = [0; 4];
                stream.read_exact(&mut ip).unwrap();
                format!("{ip:?}")
            }
            [5, 1, 0, 3] => {
                stream.read_exact(&mut length).unwrap();
                let mut name = vec![0; usize::from(length[0])];
                stream.read_exact(&mut name).unwrap();
                String::from_utf8(name).unwrap()
            }
            other => panic!("{other:?}"),
        };
        let mut port = [0; 2];
        stream.read_exact(&mut port).unwrap();
        let onward = TcpStream::connect(to).unwrap();
        stream
            .write_all(&[5, 0, 0, 3, 4, b'h', b'o', b's', b't', 0, 1])
            .unwrap();
        relay(stream, onward);
        vec![host]
    })
}

#[test]
fn socks_gets_names_or_addresses() {
    everywhere(|| async {
        for (scheme, host, told) in [
            ("socks5h", "nowhere.example", "nowhere.example"),
            ("socks5h", "127.0.0.9", "[127, 0, 0, 9]"),
            ("socks5", "127.0.0.9", "[127, 0, 0, 9]"),
        ] {
            let server = Peer::new(&[&page("far")]);
            let proxy = socks(server.addr);
            let url = format!("{scheme}://user:secret@{}", proxy.addr);
            let client = through(Proxies::default().http(&url).unwrap());
            let response = client.get(&format!("http://{host}/")).await.unwrap();
            assert_eq!(response.bytes(10).await.unwrap(), b"far");
            drop(client);
            assert_eq!(proxy.requests().await, [told]);
            assert!(server.requests().await[0].starts_with("GET / HTTP/1.1\r\n"));
        }
    });
}

#[test]
fn what_a_socks_server_refuses_is_said() {
    everywhere(|| async {
        for (answers, part) in [
            (&[&b"\x05\xff"[..]][..], "another way to authenticate"),
            (&[b"HT"], "does not speak SOCKS 5"),
            (
                &[b"\x05\x00", b"\x05\x05\x00\x01\0\0\0\0\0\0"],
                "the connection was refused",
            ),
        ] {
            let answers: Vec<Vec<u8>> = answers.iter().map(|answer| answer.to_vec()).collect();
            let proxy = Peer::serving(1, move |_, stream| {
                let mut buffer = [0; 300];
                for answer in &answers {
                    assert_ne!(stream.read(&mut buffer).unwrap(), 0);
                    stream.write_all(answer).unwrap();
                }
                Vec::new()
            });
            let url = format!("socks5h://{}", proxy.addr);
            let client = through(Proxies::default().http(&url).unwrap());
            let error = client.get("http://host.example/").await.unwrap_err();
            assert_eq!(error.phase(), Phase::Proxy);
            assert!(error.to_string().contains(part), "{error}");
            proxy.requests().await;
        }
    });
}
