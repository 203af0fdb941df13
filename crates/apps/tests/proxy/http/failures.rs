//! Back ends that cannot be reached, or end before their answers do.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::time::Instant;

use super::peers::{BackEnd, Client, GET, Message, answer};
use crate::{IDLE, Way, ejecting, http_settings, listen, nowhere, proxy, serve_one};

crate::stamp!(
    a_request_on_a_connection_that_has_died_is_sent_again_if_that_is_safe
    another_back_end_answers_where_connecting_fails
    failures_are_answered_and_say_in_the_log_where_they_were
    a_cut_answer_is_cut_for_the_client_too
);

fn a_request_on_a_connection_that_has_died_is_sent_again_if_that_is_safe(way: Way) {
    let in_time = (0..5).any(|_| asks_on_a_connection_that_has_died(way));
    assert!(in_time, "a connection waits for too long to be asked");
}

/// Returns `false` if a connection has waited for too long to be asked.
fn asks_on_a_connection_that_has_died(way: Way) -> bool {
    let start = Instant::now();
    // Each connection serves one request, and dies at the second one.
    let (listener, addr) = listen();
    let back_end = std::thread::spawn(move || {
        for _ in 0..4 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            Message::read(&mut reader, false).unwrap();
            stream.write_all(&answer(b"hello").unwrap()).unwrap();
            Message::read(&mut reader, false);
        }
    });
    let (proxy, notices) = proxy(http_settings(&[addr]));
    let (client, serving) = serve_one(way, &proxy);
    let mut client = Client::new(client);
    for _ in 0..3 {
        assert_eq!(client.ask(GET).body, b"hello");
    }
    let post = "POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1\r\n\r\n!";
    let answer = client.ask(post);
    if start.elapsed() >= IDLE {
        return false;
    }
    assert_eq!(answer.head[0], "HTTP/1.1 502 Bad Gateway");
    let notices = notices.take();
    let expected = format!("POST /: 502: back end {addr}: first byte: ");
    assert!(notices[0].starts_with(&expected), "{notices:?}");
    assert_eq!(client.ask(GET).body, b"hello");
    client.end();
    serving.join().unwrap().unwrap();
    // The last connection waits for its second request.
    drop(proxy);
    back_end.join().unwrap();
    true
}

fn another_back_end_answers_where_connecting_fails(way: Way) {
    let back_end = BackEnd::start(|request| answer(&request.body));
    let (proxy, _) = proxy(http_settings(&[nowhere(), nowhere(), back_end.addr]));
    let (client, serving) = serve_one(way, &proxy);
    let mut client = Client::new(client);
    for _ in 0..10 {
        let post = "POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1\r\n\r\n!";
        assert_eq!(client.ask(post).body, b"!");
    }
    client.end();
    serving.join().unwrap().unwrap();
}

fn failures_are_answered_and_say_in_the_log_where_they_were(way: Way) {
    let down = nowhere();
    let garbage = BackEnd::start(|_| Some(b"SSH-2.0-x\r\n\r\n".to_vec()));
    let closing = BackEnd::start(|_| None);
    let cases = [
        (
            down,
            "502 Bad Gateway",
            format!("GET /path?query: 502: back end {down}: connect: cannot connect to {down}"),
        ),
        (
            garbage.addr,
            "502 Bad Gateway",
            format!("GET /path?query: 502: back end {}: head: ", garbage.addr),
        ),
        (
            closing.addr,
            "502 Bad Gateway",
            format!(
                "GET /path?query: 502: back end {}: first byte: ",
                closing.addr
            ),
        ),
    ];
    for (addr, status, line) in cases {
        let (proxy, notices) = proxy(ejecting(http_settings(&[addr])));
        let (client, serving) = serve_one(way, &proxy);
        let mut client = Client::new(client);
        for _ in 0..3 {
            let answer = client.ask(GET);
            assert_eq!(answer.head[0], format!("HTTP/1.1 {status}"));
            // Clients are told nothing of back ends.
            assert!(
                !String::from_utf8(answer.body)
                    .unwrap()
                    .contains("127.0.0.1")
            );
        }
        let told = notices.take();
        assert!(told[0].starts_with(&line), "{told:?}");
        assert!(
            told.iter().any(|it| it.contains("is left out for 3600s")),
            "{told:?}"
        );
        let answer = client.ask(GET);
        assert_eq!(answer.head[0], "HTTP/1.1 503 Service Unavailable");
        let all_down = "GET /path?query: 503: every back end of pool default is down";
        assert_eq!(notices.take(), [all_down]);
        client.end();
        serving.join().unwrap().unwrap();
    }
}

fn a_cut_answer_is_cut_for_the_client_too(way: Way) {
    let (listener, addr) = listen();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        Message::read(&mut BufReader::new(stream.try_clone().unwrap()), false).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nhello")
            .unwrap();
    });
    let (proxy, _) = proxy(http_settings(&[addr]));
    let (client, serving) = serve_one(way, &proxy);
    let mut client = Client::new(client);
    client.send(GET.as_bytes());
    let mut got = Vec::new();
    let ended = client.0.read_to_end(&mut got);
    assert!(ended.is_ok() || ended.unwrap_err().kind() == ErrorKind::ConnectionReset);
    assert!(got.len() < 1000);
    let error = serving.join().unwrap().unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("back end {addr}: body: ")),
        "{error}"
    );
}
