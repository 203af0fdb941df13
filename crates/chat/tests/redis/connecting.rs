//! Servers that can be a node's Redis, and those that cannot.

use std::future::poll_fn;
use std::io::{Read, Write};

use switchboard_chat::{Hub, HubOptions, RedisUrl};
use switchboard_redis::{Reply, Wire};
use switchboard_runtime::Model;
use switchboard_tls::TlsClient;

use crate::client::Client;
use crate::server::{Keeps, Server, until};

/// Returns why a server will never do. One that has not answered in time may come, and is asked again.
fn refusal(url: &RedisUrl) -> String {
    let connect = |_| Hub::with_redis(HubOptions::default(), url.clone()).err();
    let error = (0..20).find_map(connect);
    error.expect("the server is refused").to_string()
}

#[test]
fn a_redis_that_will_never_do_is_an_error() {
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
    server.ask(&["CONFIG", "SET", "requirepass", "secret"]);
    let bare = server.url();
    let error = refusal(&bare.parse().unwrap());
    assert!(error.contains("it wants a password"), "{error}");
    let wrong = bare.replace("redis://", "redis://:wrong@");
    let error = refusal(&wrong.parse().unwrap());
    assert!(
        error.contains("the password is wrong") && !error.contains(":wrong@"),
        "{error}"
    );
    let right = bare.replace("redis://", "redis://:secret@") + "/3";
    Hub::with_redis(HubOptions::default(), right.parse().unwrap()).unwrap();
    // A server that answers, and in another language.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut streams = Vec::new();
        for stream in other.incoming() {
            let mut stream = stream.unwrap();
            // A node may have given up.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            streams.push(stream);
        }
    });
    let error = refusal(&format!("redis://127.0.0.1:{port}").parse().unwrap());
    assert!(
        error.contains("this is no Redis: it says `HTTP/1.1 400"),
        "{error}"
    );
}

#[test]
fn nodes_speak_tls_with_redis() {
    let Some((server, certificate)) = Server::with_tls() else {
        return;
    };
    let client = TlsClient::with_roots_only(certificate.as_bytes()).unwrap();
    let url: RedisUrl = server.tls_url().parse().unwrap();
    let options = HubOptions::default();
    let error = refusal(&url);
    assert!(error.contains("rediss://localhost"), "{error}");
    let hub = Hub::with_redis(options, url.tls(client)).unwrap();
    let mut ann = Client::new("ann");
    ann.connect(&hub);
    ann.join("tea");
    ann.say("tea");
    until("it is kept", || {
        ann.read();
        !ann.acknowledged.is_empty()
    });
}

#[test]
fn replies_that_came_before_the_end_are_taken() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let url: RedisUrl = url.parse().unwrap();
    let replies = Model::Tasks.run(async {
        let mut wire = Wire::connect(&url).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        // The server ends with a command that it has not read, so that what is sent next fails.
        wire.send(["PING"].iter());
        peer.write_all(b"+1\r\n").unwrap();
        let first = poll_fn(|context| wire.poll(context)).await;
        peer.read_exact(&mut [0]).unwrap();
        peer.write_all(b"+2\r\n").unwrap();
        drop(peer);
        wire.send(["PING"].iter());
        let second = poll_fn(|context| wire.poll(context)).await;
        let end = poll_fn(|context| wire.poll(context)).await;
        (first, second, end)
    });
    let (first, second, end) = replies.unwrap();
    assert_eq!(first.unwrap(), Reply::SimpleString(b"1".to_vec()));
    assert_eq!(second.unwrap(), Reply::SimpleString(b"2".to_vec()));
    end.unwrap_err();
}
