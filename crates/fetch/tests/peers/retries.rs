//! Retries: what is sent again, how often, and what servers ask for.

use std::time::Duration;

use switchboard_fetch::{Client, Limits, Method, Request, Retries, StatusCode};

use crate::support::{Peer, everywhere, page};

fn client(most: u32) -> Client {
    let retries = Retries {
        most,
        first: Duration::from_millis(1),
        longest: Duration::from_millis(2),
        longest_asked: Duration::from_millis(3),
    };
    Client::builder().retries(retries).build()
}

fn busy(fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 503 Busy\r\n{fields}Content-Length: 4\r\n\r\nbusy").into_bytes()
}

#[test]
fn a_busy_server_is_asked_again_as_often_as_the_policy_says() {
    everywhere(|| async {
        for (most, expected) in [
            (0, StatusCode::SERVICE_UNAVAILABLE),
            (1, StatusCode::SERVICE_UNAVAILABLE),
            (2, StatusCode::OK),
        ] {
            let mut answers = vec![
                // A day, which is cut; and the past.
                busy("Retry-After: 86400\r\n"),
                busy("Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
                page("free"),
            ];
            answers.truncate(most as usize + 1);
            let answers: Vec<_> = answers.iter().map(Vec::as_slice).collect();
            let peer = Peer::new(&answers);
            let response = client(most).get(&peer.url("/")).await.unwrap();
            assert_eq!(response.status(), expected);
            drop(response);
            assert_eq!(peer.requests().await.len(), most as usize + 1);
        }
    });
}

#[test]
fn only_what_does_no_harm_is_sent_again() {
    everywhere(|| async {
        let peer = Peer::new(&[&busy("")]);
        let post = Request::new(Method::POST, peer.url("/")).body("order");
        let response = client(5).send(post).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(response);
        assert_eq!(peer.requests().await.len(), 1);
        let peer = Peer::new(&[b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"]);
        let response = client(5).get(&peer.url("/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        drop(response);
        assert_eq!(peer.requests().await.len(), 1);
    });
}

#[test]
fn a_connection_that_breaks_before_the_head_is_tried_again() {
    everywhere(|| async {
        let peer = Peer::new(&[b"", b"HTTP/1.1 20", &page("whole")]);
        let response = client(2).get(&peer.url("/")).await.unwrap();
        assert_eq!(response.bytes(10).await.unwrap(), b"whole");
        peer.requests().await;
    });
}

#[test]
fn no_pause_goes_beyond_the_time_for_all() {
    everywhere(|| async {
        let peer = Peer::new(&[&busy("Retry-After: 50\r\n")]);
        let limits = Limits {
            total: Some(Duration::from_secs(20)),
            ..Limits::default()
        };
        let retries = Retries {
            most: 3,
            ..Retries::default()
        };
        let client = Client::builder().limits(limits).retries(retries).build();
        let response = client.get(&peer.url("/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.bytes(10).await.unwrap(), b"busy");
        peer.requests().await;
    });
}
