//! The time of each phase, and of all.

use std::io::Write as _;
use std::net::TcpListener;
use std::num::NonZeroU64;
use std::time::Duration;

use switchboard_fetch::{Client, Error, Limits, Phase};
use switchboard_runtime as runtime;

use crate::support::{Peer, everywhere, head, page};

const SHORT: Duration = Duration::from_millis(30);

fn late(error: Error, phase: Phase) {
    assert_eq!(error.phase(), phase, "{error}");
    assert!(error.to_string().contains("30ms"), "{error}");
}

/// Sends `begin`, and then nothing until the client hangs up.
fn stalling(begin: &'static [u8]) -> Peer {
    Peer::serving(1, move |_, stream| {
        let request = head(stream);
        stream.write_all(begin).unwrap();
        let _ = std::io::copy(stream, &mut std::io::sink());
        vec![request]
    })
}

fn client(limits: Limits) -> Client {
    Client::with(limits, None)
}

#[test]
fn a_body_that_stops_coming_is_late() {
    everywhere(|| async {
        let limits = Limits {
            body: SHORT,
            ..Limits::default()
        };
        let peer = stalling(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        let response = client(limits).get(&peer.url("/")).await.unwrap();
        let content = response.content(100).await;
        assert_eq!(content.decoded, "half");
        late(content.fault.unwrap(), Phase::Body);
        peer.requests().await;
    });
}

#[test]
fn the_time_for_all_ends_each_phase() {
    let limits = Limits {
        total: Some(SHORT),
        ..Limits::default()
    };
    everywhere(|| async {
        let peer = stalling(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        // The head may be late too, where the machine is busy.
        match client(limits).get(&peer.url("/")).await {
            Ok(response) => late(response.bytes(100).await.unwrap_err(), Phase::Body),
            Err(error) => late(error, Phase::FirstByte),
        }
        peer.requests().await;
        let peer = stalling(b"");
        late(
            client(limits).get(&peer.url("/")).await.unwrap_err(),
            Phase::FirstByte,
        );
        peer.requests().await;
    });
}

#[test]
fn a_handshake_that_stops_is_late() {
    let limits = Limits {
        tls: SHORT,
        ..Limits::default()
    };
    everywhere(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        late(client(limits).get(&url).await.unwrap_err(), Phase::Tls);
    });
}

#[test]
fn a_rate_holds_bodies_back() {
    everywhere(|| async {
        let body = "x".repeat(20_000);
        let peer = Peer::new(&[&page(&body)]);
        let rate = NonZeroU64::new(100_000).unwrap();
        let client = Client::builder().limit_rate(rate).build();
        let begin = runtime::now();
        let response = client.get(&peer.url("/")).await.unwrap();
        assert_eq!(response.bytes(100_000).await.unwrap().len(), body.len());
        // Its 20,000 bytes are paid for after a fifth of a second, and not before.
        assert!(runtime::now() - begin >= Duration::from_millis(200));
        peer.requests().await;
    });
}

#[test]
fn a_piece_that_is_not_waited_for_to_the_end_is_not_lost() {
    everywhere(|| async {
        let peer = Peer::new(&[&page("ten bytes.")]);
        let rate = NonZeroU64::new(100).unwrap();
        let client = Client::builder().limit_rate(rate).build();
        let mut response = client.get(&peer.url("/")).await.unwrap();
        let mut body = Vec::new();
        loop {
            let chunk = runtime::timeout(Duration::from_millis(1), response.chunk()).await;
            match chunk.map(Result::unwrap) {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(_) => {}
            }
        }
        assert_eq!(body, b"ten bytes.");
        drop(response);
        peer.requests().await;
    });
}

#[test]
fn the_time_for_all_ends_the_wait_for_a_rate() {
    everywhere(|| async {
        let peer = Peer::new(&[&page("ten bytes.")]);
        let limits = Limits {
            total: Some(Duration::from_secs(1)),
            ..Limits::default()
        };
        let client = Client::builder().limits(limits);
        let client = client.limit_rate(NonZeroU64::MIN).build();
        let error = match client.get(&peer.url("/")).await {
            Ok(response) => {
                let error = response.bytes(100).await.unwrap_err();
                assert_eq!(error.phase(), Phase::Body);
                error
            }
            // The head may be late too, where the machine is busy.
            Err(error) => error,
        };
        assert!(error.to_string().contains("1s allowed"), "{error}");
        peer.requests().await;
    });
}
