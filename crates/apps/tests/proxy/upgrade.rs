//! Connections that leave HTTP, with real peers on threads of their own.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use fastrand::Rng;
use switchboard_apps::access::{Access, Format};
use switchboard_apps::proxy::{Proxy, Sender};
use switchboard_http::serve_stream;
use switchboard_net::Stream;
use switchboard_runtime::{Driver, Model};
use switchboard_tls::{TlsClient, TlsServer};

use crate::bytes::{bytes, check_reset, exchange, receive, send_and_receive};
use crate::{IDLE, Way, certified, http_settings, listen, proxy, serve_one, websocket};

crate::stamp!(
    bytes_and_half_closes_pass_both_ways_after_an_upgrade
    messages_of_websocket_pass_whole
    messages_of_websocket_pass_whole_through_tls
    an_answer_other_than_101_is_one_like_any
    a_reset_of_either_side_reaches_the_other_after_an_upgrade
    an_upgrade_that_nobody_has_asked_for_is_refused
    the_line_of_an_upgrade_is_written_at_its_end_with_the_bytes_both_ways
);

const ASK: &[u8] = b"GET /x HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: own\r\n\r\n";
pub(crate) const SWITCH: &[u8] = b"HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: own\r\n\r\n";

/// Reads a head, and nothing behind it.
fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Returns the ends of a connection that has left HTTP.
fn upgraded(
    way: Way,
    proxy: &Proxy,
    back_end: &TcpListener,
) -> (TcpStream, TcpStream, JoinHandle<std::io::Result<()>>) {
    let (mut client, serving) = serve_one(way, proxy);
    client.write_all(ASK).unwrap();
    let (mut server, _) = back_end.accept().unwrap();
    read_head(&mut server);
    server.write_all(SWITCH).unwrap();
    assert!(read_head(&mut client).starts_with("HTTP/1.1 101 "));
    (client, server, serving)
}

fn bytes_and_half_closes_pass_both_ways_after_an_upgrade(way: Way) {
    let (back_end, addr) = listen();
    let (proxy, notices) = proxy(http_settings(&[addr]));
    for seed in 0..8 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let (question, answer) = (bytes(&mut rng), bytes(&mut rng));
        let mut others = rng.fork();
        let (mut client, serving) = serve_one(way, &proxy);
        // The first bytes of both sides come with their heads.
        let early = rng.usize(0..=question.len().min(50_000));
        let ask = [ASK, &question[..early]].concat();
        client.write_all(&ask).unwrap();
        let (mut server, _) = back_end.accept().unwrap();
        let head = read_head(&mut server);
        for field in ["connection: upgrade", "upgrade: own", "x-forwarded-for: "] {
            assert!(head.contains(&format!("\r\n{field}")), "{head}");
        }
        let answering = {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let early = others.usize(0..=answer.len().min(50_000));
                let switch = [SWITCH, &answer[..early]].concat();
                server.write_all(&switch).unwrap();
                send_and_receive(server, &answer[early..], &mut others)
            })
        };
        let head = read_head(&mut client);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("\r\nupgrade: own\r\n"), "{head}");
        assert!(head.contains("\r\nvia: 1.1 switchboard-"), "{head}");
        let got = exchange(client, &question[early..], &mut rng);
        assert!(answering.join().unwrap() == question);
        assert!(got == answer);
        serving.join().unwrap().unwrap();
    }
    assert_eq!(notices.take(), [""; 0]);
}

/// Runs a peer on a thread of its own.
fn peer<F: Future<Output = ()>>(run: impl FnOnce() -> F + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || Model::Tasks.run_with(Driver::Poll, run()).unwrap())
}

fn messages_of_websocket_pass_whole(way: Way) {
    let (back_end, addr) = listen();
    let (proxy, _) = proxy(http_settings(&[addr]));
    for seed in 0..3 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let (mine, other) = (rng.fork(), rng.fork());
        let (client, serving) = serve_one(way, &proxy);
        let asking = peer(move || websocket::client(Stream::from(client), mine));
        let (server, _) = back_end.accept().unwrap();
        let answering = peer(move || websocket::server(Stream::from(server), other));
        asking.join().unwrap();
        answering.join().unwrap();
        serving.join().unwrap().unwrap();
    }
}

/// Serves one client, who may speak TLS.
fn serve_tls(
    way: Way,
    proxy: &Proxy,
    tls: Option<&TlsServer>,
) -> (TcpStream, JoinHandle<std::io::Result<()>>) {
    let Some(tls) = tls.cloned() else {
        return serve_one(way, proxy);
    };
    let (listener, addr) = listen();
    let client = TcpStream::connect(addr).unwrap();
    let (served, _) = listener.accept().unwrap();
    let proxy = proxy.clone();
    let serving = std::thread::spawn(move || {
        way.run(async {
            let stream = tls.accept(served.into()).await?;
            let from = Sender {
                peer: None,
                has_tls: true,
            };
            let answer =
                |request| async { Ok::<_, Infallible>(proxy.respond(from, false, request).await) };
            serve_stream(stream, answer).await
        })
    });
    (client, serving)
}

fn messages_of_websocket_pass_whole_through_tls(way: Way) {
    let (tls_server, roots) = certified();
    let tls_client = TlsClient::with_roots(&roots).unwrap();
    for (seed, client_tls, back_end_tls) in [(0, false, true), (1, true, false), (2, true, true)] {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let (mine, other) = (rng.fork(), rng.fork());
        let back_end = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = back_end.local_addr().unwrap().port();
        let scheme = if back_end_tls { "https" } else { "http" };
        let mut settings = http_settings(&[]);
        settings.roots = Some(roots.clone());
        settings.pools[0].to = vec![format!("{scheme}://localhost:{port}").parse().unwrap()];
        let (proxy, _) = proxy(settings);
        let tls = tls_server.clone();
        let answering = std::thread::spawn(move || {
            let server = Stream::from(back_end.accept().unwrap().0);
            let serving = async {
                match back_end_tls {
                    true => websocket::server(tls.accept(server).await.unwrap(), other).await,
                    false => websocket::server(server, other).await,
                }
            };
            Model::Tasks.run_with(Driver::Poll, serving).unwrap();
        });
        let front = client_tls.then_some(&tls_server);
        let (client, serving) = serve_tls(way, &proxy, front);
        let tls = tls_client.clone();
        let asking = peer(move || async move {
            let client = Stream::from(client);
            match client_tls {
                true => {
                    let client = tls.connect("localhost", client).await.unwrap();
                    websocket::client(client, mine).await;
                }
                false => websocket::client(client, mine).await,
            }
        });
        asking.join().unwrap();
        answering.join().unwrap();
        serving.join().unwrap().unwrap();
    }
}

fn an_answer_other_than_101_is_one_like_any(way: Way) {
    let in_time = (0..5).any(|_| answers_without_a_switch(way));
    assert!(in_time, "a connection waits for too long to be asked");
}

/// Returns `false` if a connection has waited for too long to be asked.
fn answers_without_a_switch(way: Way) -> bool {
    let start = Instant::now();
    let (back_end, addr) = listen();
    let (proxy, _) = proxy(http_settings(&[addr]));
    let (mut client, serving) = serve_one(way, &proxy);
    // Both requests come at once, so that the second one must not be taken for the other protocol.
    client.write_all(&[ASK, ASK].concat()).unwrap();
    let (mut server, _) = back_end.accept().unwrap();
    for _ in 0..2 {
        read_head(&mut server);
        let answer = b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno";
        server.write_all(answer).unwrap();
        assert!(read_head(&mut client).starts_with("HTTP/1.1 426 "));
        client.read_exact(&mut [0; 2]).unwrap();
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(receive(&mut client), b"");
    serving.join().unwrap().unwrap();
    // The connection that has carried two requests carries a third one, and leaves HTTP with it.
    let (mut client, serving) = serve_one(way, &proxy);
    client.write_all(ASK).unwrap();
    if server.peek(&mut [0]).unwrap() == 0 && start.elapsed() >= IDLE {
        return false;
    }
    read_head(&mut server);
    server.write_all(SWITCH).unwrap();
    read_head(&mut client);
    // It carries no further one.
    let (mut other, other_serving) = serve_one(way, &proxy);
    other.write_all(ASK).unwrap();
    let (mut second, _) = back_end.accept().unwrap();
    read_head(&mut second);
    drop(second);
    assert!(read_head(&mut other).starts_with("HTTP/1.1 502 "));
    drop(other);
    other_serving.join().unwrap().unwrap();
    drop(server);
    assert_eq!(receive(&mut client), b"");
    drop(client);
    serving.join().unwrap().unwrap();
    true
}

fn a_reset_of_either_side_reaches_the_other_after_an_upgrade(way: Way) {
    let (back_end, addr) = listen();
    let (proxy, _) = proxy(http_settings(&[addr]));
    for by_client in [true, false] {
        let (client, server, serving) = upgraded(way, &proxy, &back_end);
        let (resets, other) = match by_client {
            true => (client, server),
            false => (server, client),
        };
        check_reset(resets, other, serving, addr);
    }
}

fn an_upgrade_that_nobody_has_asked_for_is_refused(way: Way) {
    let (back_end, addr) = listen();
    let plain = b"GET /x HTTP/1.1\r\nhost: here\r\n\r\n";
    // Requests of HTTP/2 would come past the routes of the proxy.
    let h2c = b"GET /x HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";
    // What a back end took for the other protocol would be the rest of the body.
    let body = b"GET /x HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: own\r\ncontent-length: 5\r\n\r\n";
    let nameless = b"HTTP/1.1 101 Yes\r\n\r\n";
    let other = b"HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";
    let both = b"HTTP/1.1 101 Yes\r\nupgrade: own\r\nupgrade: h2c\r\n\r\n";
    let cases: [(&[u8], &[u8], &str); 5] = [
        (plain, SWITCH, "an upgrade that nobody has asked for"),
        (h2c, SWITCH, "an upgrade that nobody has asked for"),
        (ASK, nameless, "an upgrade to no protocol, or to several"),
        (ASK, other, "an upgrade that nobody has asked for"),
        (ASK, both, "an upgrade to no protocol, or to several"),
    ];
    for (ask, switch, why) in cases {
        // One that is new, since a back end that fails so often is left out.
        let (proxy, notices) = proxy(http_settings(&[addr]));
        let (mut client, serving) = serve_one(way, &proxy);
        client.write_all(ask).unwrap();
        let (mut server, _) = back_end.accept().unwrap();
        let head = read_head(&mut server);
        assert_eq!(head.contains("upgrade"), ask == ASK, "{head}");
        server.write_all(switch).unwrap();
        assert!(read_head(&mut client).starts_with("HTTP/1.1 502 "));
        let line = format!("GET /x: 502: back end {addr}: head: {why}");
        assert!(notices.take().contains(&line));
        assert_eq!(receive(&mut server), b"");
        drop(client);
        serving.join().unwrap().unwrap();
    }
    let (proxy, _) = proxy(http_settings(&[addr]));
    // A client that withholds the body cannot have a switch blamed on the back end.
    let (mut client, serving) = serve_one(way, &proxy);
    client.write_all(&[&body[..], b"hello"].concat()).unwrap();
    let (mut server, _) = back_end.accept().unwrap();
    let head = read_head(&mut server);
    assert!(!head.contains("upgrade"), "{head}");
    server.read_exact(&mut [0; 5]).unwrap();
    server
        .write_all(b"HTTP/1.1 426 Upgrade Required\r\nupgrade: own\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    let answer = read_head(&mut client);
    assert!(answer.contains("upgrade: own\r\n"), "{answer}");
    drop(client);
    serving.join().unwrap().unwrap();
}

fn the_line_of_an_upgrade_is_written_at_its_end_with_the_bytes_both_ways(way: Way) {
    let (back_end, addr) = listen();
    let (proxy, _) = proxy(http_settings(&[addr]));
    for (format, cut) in [(Format::Json, false), (Format::Combined, true)] {
        let (written, lines) = mpsc::channel();
        let access = Access::new().log(format, move |line| drop(written.send(line.to_owned())));
        let (listener, front) = listen();
        let mut client = TcpStream::connect(front).unwrap();
        let (served, _) = listener.accept().unwrap();
        let serving = std::thread::spawn({
            let (proxy, access) = (proxy.clone(), access.clone());
            let never = std::future::pending();
            move || way.run(proxy.serve_until(served.into(), never, Some(&access)))
        });
        client.write_all(&[ASK, b"early"].concat()).unwrap();
        let (mut server, _) = back_end.accept().unwrap();
        read_head(&mut server);
        server.write_all(&[SWITCH, b"first"].concat()).unwrap();
        read_head(&mut client);
        server.read_exact(&mut [0; 5]).unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        client.write_all(b"and more").unwrap();
        server.read_exact(&mut [0; 8]).unwrap();
        assert!(lines.try_recv().is_err(), "it has not ended");
        if cut {
            Stream::from(client).reset_on_close().unwrap();
        } else {
            drop(client);
        }
        drop(server);
        let _ = serving.join().unwrap();
        let line = lines.recv().unwrap();
        match format {
            Format::Json => {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                assert_eq!(line["status"], 101, "{line}");
                assert_eq!((&line["bytes"], &line["received"]), (&5.into(), &13.into()));
                assert_eq!((&line["end"], &line["tries"]), (&"whole".into(), &1.into()));
            }
            Format::Combined => {
                assert!(line.contains("\"GET /x HTTP/1.1\" 101 5 "), "{line}");
                assert!(
                    line.contains(&format!(" {addr} ")) && line.ends_with(" 1 13"),
                    "{line}"
                );
            }
        }
        assert!(lines.try_recv().is_err());
        assert_eq!(access.counts().informational, 1);
        assert_eq!(access.counts().body_bytes, 5);
    }
}
