//! Connections through the proxy, with real peers on threads of their own.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use fastrand::Rng;

use crate::bytes::{bytes, check_reset, exchange, receive, send_and_receive};
use crate::{Way, ejecting, listen, nowhere, proxy, serve_one, settings};

crate::stamp!(
    bytes_and_half_closes_pass_both_ways
    a_reset_of_either_side_reaches_the_other
    another_back_end_is_tried_where_connecting_fails
    a_back_end_that_fails_is_left_out
    clients_are_refused_where_no_back_end_answers
);

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
                send_and_receive(server, &answer, &mut others)
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
        let (resets, other) = match by_client {
            true => (client, server),
            false => (server, client),
        };
        check_reset(resets, other, serving, addr);
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
    let (proxy, notices) = proxy(ejecting(settings(&[down, addr])));
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
    let (proxy, notices) = proxy(ejecting(settings(&[nowhere(), nowhere()])));
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
