//! Clients that are slow, or ask for more than they may.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use switchboard_http::ServerLimits;
use switchboard_runtime::{Driver, Model};

use crate::frames::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, POST, REFUSED_STREAM, RESET, WINDOW_UPDATE,
    fields, frame,
};
use crate::support::models_and_drivers;
use crate::{Served, answer};

#[test]
fn a_client_must_greet() {
    for way in models_and_drivers() {
        let limits = ServerLimits {
            head_time: Duration::from_millis(50),
            ..ServerLimits::default()
        };
        let mut served = Served::start(way, limits);
        served.client.send(b"PRI * HTTP/2.0\r\n");
        let ended = served.end_unanswered();
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}

#[test]
fn a_body_must_keep_coming_while_its_handler_waits() {
    for way in models_and_drivers() {
        let limits = ServerLimits {
            body_idle: Duration::from_millis(50),
            ..ServerLimits::default()
        };
        let mut served = Served::start(way, limits);
        served.client.greet(&[]);
        for (stream, whole, text) in [(1, true, "3000"), (3, false, "TimedOut")] {
            let fields = fields(POST, "/body");
            let flags = if whole { END_STREAM } else { 0 };
            let head = frame(HEADERS, END_HEADERS, stream, &fields);
            let body = frame(DATA, flags, stream, &[0; 3000]);
            served.client.send(&[head, body].concat());
            assert_eq!(answer(&mut served.client, stream), text.as_bytes());
        }
    }
}

#[test]
fn a_client_must_take_its_answers() {
    for way in models_and_drivers() {
        let limits = ServerLimits {
            write_idle: Duration::from_millis(50),
            ..ServerLimits::default()
        };
        let mut served = Served::start(way, limits);
        // No room for the bytes of any answer, SETTINGS_INITIAL_WINDOW_SIZE.
        served.client.greet(&[(4, 0)]);
        served.client.get(1, "/large");
        let (last, ended) = served.end();
        assert_eq!(last.map(|frame| frame.kind), Some(HEADERS));
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}

#[test]
fn an_answer_that_is_taken_slowly_does_not_make_its_connection_idle() {
    std::thread::scope(|scope| {
        for way in models_and_drivers() {
            scope.spawn(move || {
                let (mut body, mut longest) = take_slowly(way);
                for _ in 0..10 {
                    // A client that stood still itself shows nothing.
                    if body.is_none() && longest >= IDLE / 2 {
                        (body, longest) = take_slowly(way);
                    }
                }
                assert_eq!(body, Some(200_000), "{way:?}");
            });
        }
    });
}

const IDLE: Duration = Duration::from_secs(1);

/// Has a client take an answer in pieces, for longer than a connection may be idle. Returns the length of its body if
/// the connection has not ended before, and the longest time between two signs of the client.
fn take_slowly(way: (Model, Driver)) -> (Option<usize>, Duration) {
    let limits = ServerLimits {
        keep_alive_idle: IDLE,
        ..ServerLimits::default()
    };
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    let mut served = Served::start(way, limits);
    served.client.greet(&[]);
    // One piece, which is with the connection at once.
    served.client.get(1, "/piece");
    let mut body = 0;
    loop {
        let data = match served.client.next() {
            Some(frame) if frame.kind == DATA => frame,
            Some(frame) if frame.kind != GOAWAY => continue,
            _ => return (None, longest.max(last.elapsed())),
        };
        body += data.payload.len();
        if data.flags & END_STREAM != 0 {
            return (Some(body), longest);
        }
        std::thread::sleep(Duration::from_millis(150));
        let room = (data.payload.len() as u32).to_be_bytes();
        for stream in [0, 1] {
            // The server may have closed.
            let _ = served
                .client
                .0
                .write_all(&frame(WINDOW_UPDATE, 0, stream, &room));
        }
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        let settings = served.client.read().unwrap();
        assert!(
            settings
                .payload
                .chunks(6)
                .any(|it| it == [0, 3, 0, 0, 0, 100])
        );
        for n in 0..100 {
            served.client.get(1 + 2 * n, "/stay");
        }
        served.client.get(201, "/stay");
        let refused = served.client.wait_for(RESET);
        assert_eq!((refused.stream, refused.reason()), (201, REFUSED_STREAM));
        for _ in 0..100 {
            assert_eq!(served.said.recv(), Ok("started"));
        }
        drop(served.client);
        let _ = served.server.join().unwrap();
        assert_eq!(served.said.iter().count(), 100);
    }
}
