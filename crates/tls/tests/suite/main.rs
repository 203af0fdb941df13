//! TLS between a client and a server of this crate, under every model and driver.

use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::Context;
use std::time::Duration;

use futures_io::AsyncRead;
use switchboard_net::{Listener, Stream};
use switchboard_runtime::{self as runtime, Driver, Model};
use switchboard_tls::{PlainText, TlsClient, TlsServer, TlsStream};

use served::*;
use ways::Way;

mod served;
#[path = "../../../runtime/tests/support/ways.rs"]
mod ways;

ways::stamp!(
    large_messages_pass_in_both_directions
    a_dropped_read_loses_nothing
    a_read_into_an_empty_buffer_is_not_the_end_of_input
    the_end_of_input_is_told_apart_from_a_cut
    a_close_keeps_the_last_answer
    certificates_and_names_are_checked
    a_peer_without_tls_is_an_error
    each_host_gets_its_certificate
    a_protocol_is_agreed_on
    both_versions_are_spoken
    sessions_are_resumed
    certificates_are_replaced_while_connections_are_open
    a_client_trusts_what_it_is_told_to
);

/// Returns a client and a server that trust each other under the name `localhost`.
fn settings() -> (TlsClient, TlsServer) {
    static MADE: OnceLock<(TlsClient, TlsServer)> = OnceLock::new();
    let make = || {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let client = TlsClient::with_roots(pem.as_bytes()).unwrap();
        let server = TlsServer::from_pem(pem.as_bytes(), key.as_bytes()).unwrap();
        // A busy machine may be slow.
        (client, server.handshake_limit(Duration::from_secs(600)))
    };
    MADE.get_or_init(make).clone()
}

async fn tls_pair() -> (TlsStream, TlsStream) {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (client, server) = settings();
    let connect = async {
        let stream = Stream::connect(addr).await.unwrap();
        client.connect("localhost", stream).await.unwrap()
    };
    let accept = async {
        let (stream, _) = listener.accept().await.unwrap();
        server.accept(stream).await.unwrap()
    };
    runtime::join(connect, accept).await
}

fn large_messages_pass_in_both_directions(way: Way) {
    const LENGTH: usize = 1_000_000;
    way.run(async {
        let (mut client, mut server) = tls_pair().await;
        assert_eq!(server.server_name(), Some("localhost"));
        assert_eq!(client.peer_certificates().len(), 1);
        let question: Vec<u8> = (0..LENGTH).map(|at| (at / 3) as u8).collect();
        let ask = async {
            client.write_all(&question).await.unwrap();
            let mut answer = vec![0; LENGTH];
            client.read_exact(&mut answer).await.unwrap();
            assert!(answer == question);
        };
        let answer = async {
            let mut all = Vec::new();
            while all.len() < LENGTH {
                all.extend_from_slice(&server.recv().await.unwrap());
            }
            server.write_all(&all).await.unwrap();
        };
        runtime::join(ask, answer).await;
    });
}

fn a_dropped_read_loses_nothing(way: Way) {
    way.run(async {
        let (mut client, mut server) = tls_pair().await;
        for n in 0..20_u8 {
            let late = runtime::timeout(Duration::from_millis(1), server.recv()).await;
            assert!(late.is_err(), "none was sent yet");
            client.write_all(&[n; 3]).await.unwrap();
            let mut all = Vec::new();
            while all.len() < 3 {
                let read = async { Some(server.recv().await.unwrap()) };
                let enough = async {
                    runtime::yield_now().await;
                    None
                };
                if let Some(chunk) = runtime::race(enough, read).await {
                    all.extend_from_slice(&chunk);
                }
            }
            assert_eq!(all, [n; 3]);
        }
    });
}

fn a_read_into_an_empty_buffer_is_not_the_end_of_input(way: Way) {
    way.run(async {
        let (mut client, mut server) = tls_pair().await;
        assert_eq!(server.read(&mut []).await.unwrap(), 0);
        let poll = |context: &mut Context<'_>| Pin::new(&mut server).poll_read(context, &mut []);
        assert_eq!(poll_fn(poll).await.unwrap(), 0);
        client.write_all(b"hello").await.unwrap();
        assert_eq!(&*server.recv().await.unwrap(), b"hello");
    });
}

fn the_end_of_input_is_told_apart_from_a_cut(way: Way) {
    way.run(async {
        let (mut client, mut server) = tls_pair().await;
        client.write_all(b"last words").await.unwrap();
        client.shutdown_write().await.unwrap();
        assert_eq!(&*server.recv().await.unwrap(), b"last words");
        assert!(server.recv().await.unwrap().is_empty());
        server.write_all(b"answer").await.unwrap();
        assert_eq!(&*client.recv().await.unwrap(), b"answer");
        // Dropped without telling the client.
        drop(server);
        for _ in 0..2 {
            let cut = client.recv().await.unwrap_err();
            assert_eq!(cut.kind(), ErrorKind::UnexpectedEof);
        }
        let (mut client, mut server) = tls_pair().await;
        server.write_all(b"answer").await.unwrap();
        // The client has nothing left to read, which would make its end a reset.
        assert_eq!(&*client.recv().await.unwrap(), b"answer");
        drop(client);
        for _ in 0..2 {
            let cut = server.recv().await.unwrap_err();
            assert_eq!(cut.kind(), ErrorKind::UnexpectedEof);
            let cut = server.read(&mut [0]).await.unwrap_err();
            assert_eq!(cut.kind(), ErrorKind::UnexpectedEof);
        }
    });
}

fn a_close_keeps_the_last_answer(way: Way) {
    if way.1 == Driver::Sim {
        println!("skip: close under sim: never: its time leaps over the limit");
        return;
    }
    way.run(async {
        let (mut client, mut server) = tls_pair().await;
        client.write_all(&[0; 100_000]).await.unwrap();
        server.read_exact(&mut [0; 10]).await.unwrap();
        server.write_all(b"no").await.unwrap();
        let ask = async {
            assert_eq!(&*client.recv().await.unwrap(), b"no");
            assert!(client.recv().await.unwrap().is_empty());
            drop(client);
        };
        runtime::join(ask, async { server.close().await.unwrap() }).await;
    });
}

/// Under `sim`, whose time leaps over the limit, so that the test takes none.
#[test]
fn a_close_ends_although_the_peer_does_not_read() {
    let (client, server) = settings();
    let (here, there) = Stream::pair().unwrap();
    Way(Model::Tasks, Driver::Sim).run(async {
        let connect = client.connect("localhost", here);
        let (connected, accepted) = runtime::join(connect, server.accept(there)).await;
        let (mut client, server) = (connected.unwrap(), accepted.unwrap());
        let socket = client.socket().clone();
        let fill = async { while client.write(&[0; 10_000]).await.is_ok() {} };
        let full = runtime::timeout(Duration::from_secs(1), fill).await;
        assert!(full.is_err(), "the peer reads nothing");
        let start = runtime::now();
        let close = runtime::timeout(Duration::from_secs(60), client.close());
        let closed = close.await.expect("a close has a limit of its own");
        assert_eq!(closed.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(runtime::now() - start, Duration::from_secs(5));
        assert!(socket.is_hung_up());
        drop(server);
    });
}

fn certificates_and_names_are_checked(way: Way) {
    let (trusting, server) = settings();
    for (client, host) in [
        (TlsClient::new().unwrap(), "localhost"),
        (trusting, "example.org"),
    ] {
        let (here, there) = Stream::pair().unwrap();
        way.run(async {
            let connect = client.connect(host, here);
            let (connected, accepted) = runtime::join(connect, server.accept(there)).await;
            assert_eq!(connected.unwrap_err().kind(), ErrorKind::InvalidData);
            assert_eq!(accepted.unwrap_err().kind(), ErrorKind::InvalidData);
        });
    }
    let (here, _there) = Stream::pair().unwrap();
    let error = way.run(settings().0.connect("no name", here)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

fn a_peer_without_tls_is_an_error(way: Way) {
    let (client, server) = settings();
    let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    (&there).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let error = way.run(server.accept(here.into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(PlainText::is(&error), "{error}");
    let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    (&there).write_all(&[0; 100]).unwrap();
    let error = way.run(server.accept(here.into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(!PlainText::is(&error), "{error}");
    let (here, mut there) = std::os::unix::net::UnixStream::pair().unwrap();
    let gone = std::thread::spawn(move || assert_ne!(there.read(&mut [0; 1000]).unwrap(), 0));
    let error = way
        .run(client.connect("localhost", here.into()))
        .unwrap_err();
    // The peer may have left the rest of the hello unread.
    let kinds = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
    assert!(kinds.contains(&error.kind()), "{error}");
    gone.join().unwrap();
}

#[test]
fn wrong_texts_are_refused() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (pem, key) = (made.cert.pem(), other.signing_key.serialize_pem());
    for error in [
        TlsClient::with_roots(b"no PEM").unwrap_err(),
        TlsServer::from_pem(b"no PEM", key.as_bytes()).unwrap_err(),
        TlsServer::from_pem(pem.as_bytes(), b"no PEM").unwrap_err(),
        TlsServer::from_pem(pem.as_bytes(), key.as_bytes()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}
