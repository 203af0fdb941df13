//! Heads of requests: their hosts, their cookies and their limits.

use switchboard_http::ServerLimits;

use crate::frames::{END_HEADERS, END_STREAM, HEADERS, frame, literals};
use crate::support::models_and_drivers;
use crate::{Served, answer};

/// What is asked for by `fields`, besides the method and the scheme, is answered with `status` and `text`.
fn is_answered(served: &mut Served, stream: u32, fields: &[(&str, &str)], status: u8, text: &str) {
    let begin = [(":method", "GET"), (":scheme", "http")];
    let fields = literals(&[&begin, fields].concat());
    let flags = END_HEADERS | END_STREAM;
    let request = frame(HEADERS, flags, stream, &fields);
    served.client.send(&request);
    let head = served.client.wait_for(HEADERS);
    assert_eq!((head.stream, head.payload[0]), (stream, status), "{text}");
    let body = answer(&mut served.client, stream);
    assert_eq!(String::from_utf8(body).unwrap(), text);
}

#[test]
fn the_host_is_checked_and_agrees_with_the_authority() {
    // Statuses, compressed.
    const OK: u8 = 0x88;
    const BAD: u8 = 0x8c;
    let (path, authority) = ((":path", "/host"), (":authority", "here:80"));
    let host = |host| ("host", host);
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        for (n, (fields, status, text)) in [
            (&[path, authority][..], OK, "[] Some(here:80)"),
            (
                &[path, authority, host("there")],
                OK,
                "[\"here:80\"] Some(here:80)",
            ),
            (&[path, host("there")], OK, "[\"there\"] None"),
            (&[path], BAD, "neither :authority nor a Host field\n"),
            (
                &[path, host("a"), host("a")],
                BAD,
                "more than one Host field\n",
            ),
            (
                &[path, authority, host("a"), host("b")],
                BAD,
                "more than one Host field\n",
            ),
            (
                &[path, authority, host("a/b")],
                BAD,
                "a Host that is no host\n",
            ),
            (&[path, host("a b")], BAD, "a Host that is no host\n"),
            (
                &[(":path", "*"), authority],
                BAD,
                "a request target that is no URI\n",
            ),
            (
                &[(":path", "?q"), authority],
                BAD,
                "a request target that is no URI\n",
            ),
            (
                &[path, (":authority", "me@here")],
                BAD,
                "a request target that is no URI\n",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            is_answered(&mut served, 1 + 2 * n as u32, fields, status, text);
        }
        drop(served.client);
        served.server.join().unwrap().unwrap();
        let handled = served.said.iter().filter(|said| *said == "started");
        assert_eq!(handled.count(), 3);
    }
}

#[test]
fn divided_cookies_are_joined() {
    const OK: u8 = 0x88;
    let cookie = |value| ("cookie", value);
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        for (n, (cookies, text)) in [
            (&[][..], "[]"),
            (&[cookie("a=1; b=2")], "[\"a=1; b=2\"]"),
            (&[cookie("a=1"), cookie("b=2")], "[\"a=1; b=2\"]"),
            (
                &[cookie("a=1"), ("x", "y"), cookie("b=2"), cookie("c=3")],
                "[\"a=1; b=2; c=3\"]",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let begin = [(":path", "/cookie"), (":authority", "here")];
            let fields = [&begin[..], cookies].concat();
            is_answered(&mut served, 1 + 2 * n as u32, &fields, OK, text);
        }
    }
}

#[test]
fn heads_have_the_limits_of_http_1() {
    let limits = ServerLimits {
        head_bytes: 4_000,
        fields: 20,
        uri_bytes: 100,
        ..ServerLimits::default()
    };
    let (path, long) = (format!("/{}", "x".repeat(99)), "x".repeat(4_000));
    let longer = format!("{path}x");
    let begin = |path| {
        [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "here"),
            (":path", path),
        ]
    };
    let head = |path, fields: &[(&str, &str)]| literals(&[&begin(path), fields].concat());
    for way in models_and_drivers() {
        let mut served = Served::start(way, limits);
        served.client.greet(&[]);
        let settings = served.client.read().unwrap();
        // SETTINGS_MAX_HEADER_LIST_SIZE.
        let expected = [&[0, 6][..], &4_000_u32.to_be_bytes()].concat();
        assert!(settings.payload.chunks(6).any(|it| it == expected));
        for (stream, head, text) in [
            (1, head(&path, &[("a", "b"); 20]), "hello"),
            (
                3,
                head(&path, &[("a", "b"); 21]),
                "more fields than the limit\n",
            ),
            (5, head(&longer, &[]), "a URI over the limit\n"),
            (7, head("/", &[("a", &long)]), ""),
            (9, head("/", &[]), "hello"),
        ] {
            let flags = END_HEADERS | END_STREAM;
            served.client.send(&frame(HEADERS, flags, stream, &head));
            let body = answer(&mut served.client, stream);
            assert_eq!(String::from_utf8(body).unwrap(), text);
        }
        drop(served.client);
        served.server.join().unwrap().unwrap();
        let handled = served.said.iter().filter(|said| *said == "started");
        assert_eq!(handled.count(), 2);
    }
}

#[test]
fn answers_that_have_no_body_end_with_their_head() {
    for way in models_and_drivers() {
        let mut served = Served::greeted(way);
        let asked = [
            ("HEAD", "/"),
            ("HEAD", "/large"),
            ("GET", "/204"),
            ("GET", "/304"),
        ];
        for (n, (method, path)) in asked.into_iter().enumerate() {
            let stream = 1 + 2 * n as u32;
            let fields = [
                (":method", method),
                (":scheme", "http"),
                (":path", path),
                (":authority", "here"),
            ];
            let flags = END_HEADERS | END_STREAM;
            let request = frame(HEADERS, flags, stream, &literals(&fields));
            served.client.send(&request);
            let head = served.client.wait_for(HEADERS);
            assert_eq!(head.stream, stream);
            assert_eq!(head.flags & END_STREAM, END_STREAM, "{method} {path}");
        }
        is_answered(
            &mut served,
            9,
            &[(":path", "/"), (":authority", "here")],
            0x88,
            "hello",
        );
        drop(served.client);
        served.server.join().unwrap().unwrap();
    }
}
