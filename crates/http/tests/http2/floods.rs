//! Clients that make work for the server, and ask for nothing.

use std::io::{self, ErrorKind, Write};

use crate::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GET, GOAWAY, HEADERS, PING, PRIORITY,
    RESET, SETTINGS, WINDOW_UPDATE, fields, frame,
};
use crate::support::models_and_drivers;
use crate::{Served, answer};

/// Returns a request, and a frame that takes it back.
fn taken_back(stream: u32) -> [Vec<u8>; 2] {
    let flags = END_HEADERS | END_STREAM;
    let head = frame(HEADERS, flags, stream, &fields(GET, "/stay"));
    [head, frame(RESET, 0, stream, &[0, 0, 0, 8])]
}

/// CVE-2023-44487.
#[test]
fn a_burst_of_requests_that_are_taken_back_ends_the_connection() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        let burst = (0..30).flat_map(|n| taken_back(1 + 2 * n).concat());
        served.client.send(&burst.collect::<Vec<_>>());
        let (last, ended) = served.end();
        let error = ended.unwrap_err().to_string();
        assert!(error.contains("excessive load"), "{error}");
        let last = last.map(|frame| (frame.kind, frame.reason()));
        assert_eq!(last, Some((GOAWAY, ENHANCE_YOUR_CALM)));
    }
}

#[test]
fn requests_that_are_taken_back_one_by_one_end_the_connection() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        // Whether the handler of a request begins, and ends as its request is taken back.
        let mut one = |n: u32| {
            let [head, reset] = taken_back(1 + 2 * n);
            let Served { client, said, .. } = &mut served;
            client.0.write_all(&head).is_ok()
                && said.recv() == Ok("started")
                && client.0.write_all(&reset).is_ok()
                && said.recv() == Ok("dropped")
        };
        assert!((0..1000).any(|n| !one(n)));
        let error = served.server.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("took back"), "{error}");
    }
}

/// CVE-2024-27316: a head that has no end.
#[test]
fn a_head_without_an_end_ends_the_connection() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        served.client.send(&frame(HEADERS, 0, 1, &fields(GET, "/")));
        let more = frame(CONTINUATION, 0, 1, &b"\x00\x01a\x01b".repeat(1000));
        // Far more than the system holds for a server that does not read.
        let cut = (0..10_000).any(|_| served.client.0.write_all(&more).is_err());
        assert!(cut);
        let error = served.server.join().unwrap().unwrap_err();
        assert_ne!(error.kind(), ErrorKind::TimedOut, "{error}");
    }
}

#[test]
fn a_flood_of_frames_that_carry_nothing_ends_the_connection() {
    for way in models_and_drivers() {
        for flood in [
            frame(PING, 0, 0, &[7; 8]),
            frame(SETTINGS, 0, 0, &[]),
            frame(PRIORITY, 0, 9, &[0, 0, 0, 0, 16]),
            // Of a kind that nobody knows.
            frame(0xee, 0, 0, &[0; 100]),
        ] {
            let mut served = Served::greeted(way);
            // A request that waits makes it no better.
            served.client.get(1, "/stay");
            assert_eq!(served.said.recv(), Ok("started"));
            let mut answers = served.client.0.try_clone().unwrap();
            let reader = std::thread::spawn(move || io::copy(&mut answers, &mut io::sink()));
            let many = flood.repeat(1000);
            let cut = (0..10_000).any(|_| served.client.0.write_all(&many).is_err());
            assert!(cut);
            let error = served.server.join().unwrap().unwrap_err();
            assert!(error.to_string().contains("a flood: "), "{error}");
            // A reset is an end as well.
            let _ = reader.join().unwrap();
        }
    }
}

#[test]
fn a_client_that_floods_is_told() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        served.client.get(1, "/");
        assert_eq!(answer(&mut served.client, 1), b"hello");
        let pings = frame(PING, 0, 0, &[7; 8]).repeat(100);
        let last = 'flood: loop {
            served.client.send(&pings);
            for _ in 0..100 {
                match served.client.read().unwrap() {
                    frame if frame.kind == PING => {}
                    frame => break 'flood frame,
                }
            }
        };
        assert_eq!((last.kind, last.reason()), (GOAWAY, ENHANCE_YOUR_CALM));
        assert_eq!(last.payload[..4], [0, 0, 0, 1]);
        served.end_unanswered().unwrap_err();
    }
}

#[test]
fn frames_beside_answers_are_no_flood() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        let pings = frame(PING, 0, 0, &[7; 8]).repeat(1000);
        for n in 0..35 {
            let stream = 1 + 2 * n;
            served.client.get(stream, "/large");
            served.client.send(&pings);
            for stream in [0, stream] {
                let more = 200_000_u32.to_be_bytes();
                served.client.send(&frame(WINDOW_UPDATE, 0, stream, &more));
            }
            assert_eq!(answer(&mut served.client, stream).len(), 200_000);
        }
        drop(served.client);
        served.server.join().unwrap().unwrap();
    }
}
