//! Connections through the proxy, with real peers on threads of their own.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use fastrand::Rng;
use switchboard_apps::proxy::{Proxy, Settings};
use switchboard_net::Stream;

use crate::{Notices, Way, listen, nowhere, serve_one, settings};

crate::stamp!(
    bytes_and_half_closes_pass_both_ways
    a_reset_of_either_side_reaches_the_other
    another_back_end_is_tried_where_connecting_fails
    a_back_end_that_fails_is_left_out
    clients_are_refused_where_no_back_end_answers
);

fn proxy(settings: Settings) -> (Proxy, Notices) {
    let notices = Notices::default();
    let proxy = Proxy::with_hooks(settings, Arc::new(notices.clone())).unwrap();
    (proxy, notices)
}

pub(crate) fn bytes(rng: &mut Rng) -> Vec<u8> {
    let length = [0, 1, 100, 16 * 1024, 300_000, 2_000_000][rng.usize(..6)];
    (0..rng.usize(0..=length)).map(|_| rng.u8(..)).collect()
}

/// Sends bytes in pieces, and ends the direction.
pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8], rng: &mut Rng) {
    let mut left = bytes;
    while !left.is_empty() {
        let (piece, rest) = left.split_at(rng.usize(1..=100_000).min(left.len()));
        stream.write_all(piece).unwrap();
        left = rest;
    }
    stream.shutdown(Shutdown::Write).unwrap();
}

pub(crate) fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// Each side sends before, while or after it receives.
pub(crate) fn exchange(mut stream: TcpStream, bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    match rng.u8(..3) {
        0 => {
            send(&mut stream, bytes, rng);
            receive(&mut stream)
        }
        1 => {
            let mut writer = stream.try_clone().unwrap();
            let mut fork = rng.fork();
            std::thread::scope(|scope| {
                scope.spawn(|| send(&mut writer, bytes, &mut fork));
                receive(&mut stream)
            })
        }
        _ => {
            let all = receive(&mut stream);
            send(&mut stream, bytes, rng);
            all
        }
    }
}

fn bytes_and_half_closes_pass_both_ways(way: Way) {
    let (back_end, addr) = listen();
    let (proxy, _) = proxy(settings(&[addr]));
    for seed in 0..8 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let (question, answer) = (bytes(&mut rng), bytes(&mut rng));
        let mut others = rng.fork();
        let (client, serving) = serve_one(way, &proxy);
        let (server, _) = back_end.accept().unwrap();
        let answering = {
            let answer = answer.clone();
            std::thread::spawn(move || {
                // Both sides must not wait for the other's end.
                others.seed(2 * seed);
                let mut server = server;
                let mut writer = server.try_clone().unwrap();
                let sending = std::thread::spawn(move || send(&mut writer, &answer, &mut others));
                let got = receive(&mut server);
                sending.join().unwrap();
                got
            })
        };
        let got = exchange(client, &question, &mut rng);
        assert!(answering.join().unwrap() == question);
        assert!(got == answer);
        serving.join().unwrap().unwrap();
    }
}

fn a_reset_of_either_side_reaches_the_other(way: Way) {
    let (back_end, addr) = listen();
    let (proxy, _) = proxy(settings(&[addr]));
    for by_client in [true, false] {
        let (mut client, serving) = serve_one(way, &proxy);
        client.write_all(b"hello").unwrap();
        let (mut server, _) = back_end.accept().unwrap();
        server.read_exact(&mut [0; 5]).unwrap();
        server.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        let (resets, mut other) = if by_client {
            (client, server)
        } else {
            (server, client)
        };
        Stream::from(resets).reset_on_close().unwrap();
        let error = other.read(&mut [0; 5]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let error = serving.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
    }
}

fn another_back_end_is_tried_where_connecting_fails(way: Way) {
    let (back_end, addr) = listen();
    let (proxy, _) = proxy(settings(&[nowhere(), nowhere(), addr]));
    for _ in 0..3 {
        let (mut client, serving) = serve_one(way, &proxy);
        let (mut server, _) = back_end.accept().unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(receive(&mut server), b"hello");
        drop(server);
        assert_eq!(receive(&mut client), b"");
        serving.join().unwrap().unwrap();
    }
}

fn a_back_end_that_fails_is_left_out(way: Way) {
    let (back_end, addr) = listen();
    let down = nowhere();
    let mut settings = settings(&[down, addr]);
    // Longer than the test may take.
    settings.pools[0].rules.ejection = std::time::Duration::from_secs(3600);
    settings.pools[0].rules.longest_ejection = settings.pools[0].rules.ejection;
    let (proxy, notices) = proxy(settings);
    for _ in 0..12 {
        let (client, serving) = serve_one(way, &proxy);
        drop((back_end.accept().unwrap(), client));
        let _ = serving.join().unwrap();
    }
    let notices = notices.take();
    assert_eq!(notices.len(), 1, "{notices:?}");
    let expected =
        format!("back end {down} fails and is left out for 3600s: cannot connect to {down}");
    assert!(notices[0].starts_with(&expected), "{notices:?}");
    assert!(
        notices[0].ends_with("; 1 of 2 in pool default can be used"),
        "{notices:?}"
    );
}

fn clients_are_refused_where_no_back_end_answers(way: Way) {
    let (proxy, notices) = proxy(settings(&[nowhere(), nowhere()]));
    let mut texts = Vec::new();
    for _ in 0..5 {
        let (mut client, serving) = serve_one(way, &proxy);
        let error = client.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let error = serving.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HostUnreachable);
        texts.push(error.to_string());
    }
    assert!(
        texts[0].starts_with("no back end of pool default answers: cannot connect to"),
        "{texts:?}"
    );
    // After three failures of each, nobody is asked.
    assert_eq!(texts[4], "every back end of pool default is down");
    assert!(notices.take().last().unwrap().contains("0 of 2"));
}
