//! Servers that can be a node's Redis, and those that cannot.

use std::future::poll_fn;
use std::io::{Read, Write};

use switchboard_chat::{Hub, HubOptions, RedisUrl};
use switchboard_redis::{Reply, Wire};
use switchboard_runtime::Model;
use switchboard_tls::TlsClient;

use crate::client::Client;
use crate::server::{Keeps, Server, until};

#[test]
fn a_redis_that_will_never_do_is_an_error() {
    let Some(server) = Server::start(Keeps::Nothing) else {
        return;
    };
    server.ask(&["CONFIG", "SET", "requirepass", "secret"]);
    let connect = |url: String| {
        let options = HubOptions::default();
        Hub::with_redis(options, url.parse().unwrap())
    };
    let bare = server.url();
    let error = connect(bare.clone()).unwrap_err().to_string();
    assert!(error.contains("it wants a password"), "{error}");
    let wrong = bare.replace("redis://", "redis://:wrong@");
    let error = connect(wrong).unwrap_err().to_string();
    assert!(
        error.contains("the password is wrong") && !error.contains(":wrong@"),
        "{error}"
    );
    connect(bare.replace("redis://", "redis://:secret@") + "/3").unwrap();
    // A server that answers, and in another language.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let answer = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        stream
    });
    let error = connect(format!("redis://127.0.0.1:{port}"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("this is no Redis: it says `HTTP/1.1 400"),
        "{error}"
    );
    drop(answer.join());
}

#[test]
fn nodes_speak_tls_with_redis() {
    let Some((server, certificate)) = Server::with_tls() else {
        return;
    };
    let client = TlsClient::with_roots_only(certificate.as_bytes()).unwrap();
    let url: RedisUrl = server.tls_url().parse().unwrap();
    let options = HubOptions::default();
    let error = Hub::with_redis(options.clone(), url.clone()).unwrap_err();
    assert!(error.to_string().contains("rediss://localhost"), "{error}");
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
