//! Requests of one connection, and how the connection begins and ends.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use switchboard_http::{Body, Response, ServerLimits, serve_stream};
use switchboard_net::Stream;

use crate::frames::{DATA, GOAWAY, RESET, connection, frame};
use crate::support::{models_and_drivers, run};
use crate::{Served, answer};

#[test]
fn requests_of_a_connection_wait_side_by_side() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        served.client.get(1, "/wait");
        served.client.get(3, "/stay");
        for _ in 0..2 {
            assert_eq!(served.said.recv(), Ok("started"));
        }
        served.client.get(5, "/go");
        let mut first = served.client.wait_for(DATA);
        let mut second = served.client.wait_for(DATA);
        if first.stream == 1 {
            std::mem::swap(&mut first, &mut second);
        }
        assert_eq!((first.stream, &first.payload[..]), (5, &b"gone"[..]));
        assert_eq!((second.stream, &second.payload[..]), (1, &b"waited"[..]));
        // The client leaves, and the request that is open is dropped.
        drop(served.client);
        served.server.join().unwrap().unwrap();
        let said: Vec<_> = served.said.iter().collect();
        assert_eq!(said, ["started", "dropped", "dropped", "dropped"]);
    }
}

#[test]
fn a_request_that_is_taken_back_has_its_handler_dropped() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        served.client.get(1, "/stay");
        assert_eq!(served.said.recv(), Ok("started"));
        served.client.send(&frame(RESET, 0, 1, &[0, 0, 0, 8]));
        assert_eq!(served.said.recv(), Ok("dropped"));
        served.client.get(3, "/");
        assert_eq!(answer(&mut served.client, 3), b"hello");
    }
}

#[test]
fn a_stop_lets_requests_end() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        served.client.get(1, "/wait");
        assert_eq!(served.said.recv(), Ok("started"));
        served.stop.set();
        assert_eq!(served.client.wait_for(GOAWAY).reason(), 0);
        served.client.get(3, "/go");
        assert_eq!(answer(&mut served.client, 1), b"waited");
        let (last, ended) = served.end();
        ended.unwrap();
        assert!(last.is_none_or(|frame| frame.kind == GOAWAY || frame.stream == 3));
    }
}

#[test]
fn an_idle_connection_ends_at_once_when_the_server_stops() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        served.client.get(1, "/");
        assert_eq!(answer(&mut served.client, 1), b"hello");
        served.stop.set();
        let (last, ended) = served.end();
        assert_eq!(
            last.map(|frame| (frame.kind, frame.reason())),
            Some((GOAWAY, 0))
        );
        ended.unwrap();
        // One that has not said anything.
        let served = Served::start(way, ServerLimits::default());
        served.stop.set();
        served.end_unanswered().unwrap();
    }
}

#[test]
fn an_idle_connection_is_told_to_end() {
    for way in models_and_drivers() {
        let limits = ServerLimits {
            keep_alive_idle: Duration::from_millis(50),
            ..ServerLimits::default()
        };
        let mut served = Served::start(way, limits);
        served.client.greet(&[]);
        served.client.get(1, "/");
        assert_eq!(answer(&mut served.client, 1), b"hello");
        let (last, ended) = served.end();
        assert_eq!(
            last.map(|frame| (frame.kind, frame.reason())),
            Some((GOAWAY, 0))
        );
        ended.unwrap();
    }
}

/// A connection whose server reads a few bytes at once.
struct Pieces(Stream, usize);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let most = buffer.len().min(self.1);
        Pin::new(&mut self.0).poll_read(context, &mut buffer[..most])
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(context)
    }
}

#[test]
fn a_greeting_may_come_in_pieces() {
    for size in 1..6 {
        for (model, driver) in models_and_drivers() {
            println!("{model} with {driver}, {size}");
            let (mut client, stream) = connection();
            let server = std::thread::spawn(move || {
                let handler =
                    |_request| async { Ok::<_, Infallible>(Response::new(Body::from("hello"))) };
                let serve = async { serve_stream(Pieces(stream, size), handler).await };
                run(model, driver, serve)
            });
            client.greet(&[]);
            client.get(1, "/");
            assert_eq!(answer(&mut client, 1), b"hello");
            drop(client);
            // The end without GOAWAY may be an error.
            let _ = server.join().unwrap();
        }
    }
}
