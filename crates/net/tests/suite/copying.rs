//! Copies between connections, and closes that linger.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use switchboard_net::{Copier, Listener, Stream, copy, copy_bidirectional};
use switchboard_runtime::{self as runtime, Driver};

use crate::{Way, pair};

crate::stamp!(
    a_copy_moves_all_bytes_in_order
    a_copy_in_both_directions_passes_half_closes_on
    a_copy_waits_for_a_slow_writer
    an_interrupted_copy_goes_on_where_it_stopped
    a_copy_takes_what_a_read_on_another_loop_has_left
    a_copy_to_a_closed_peer_fails
    an_answer_before_the_end_of_input_is_not_lost_by_a_reset
    a_close_gives_up_after_its_limit
);

const LENGTH: usize = 3_000_000;

fn pattern() -> Vec<u8> {
    (0..LENGTH).map(|at| (at * 31 / 7) as u8).collect()
}

fn tcp_pair() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0.into(), there)
}

fn a_copy_moves_all_bytes_in_order(way: Way) {
    for unix in [false, true] {
        let ((from, mut source), (to, mut sink)) = (tcp_pair(), tcp_pair());
        let (unix_to, mut unix_sink) = pair();
        let writer = std::thread::spawn(move || {
            for part in pattern().chunks(70_001) {
                source.write_all(part).unwrap();
            }
        });
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            match unix {
                false => sink.read_to_end(&mut all).unwrap(),
                true => unix_sink.read_to_end(&mut all).unwrap(),
            };
            all
        });
        let to = if unix { unix_to } else { to };
        let copied = way.run(copy(&from, &to)).unwrap();
        assert_eq!(copied, LENGTH as u64);
        drop(to);
        writer.join().unwrap();
        assert!(reader.join().unwrap() == pattern());
    }
}

fn a_copy_in_both_directions_passes_half_closes_on(way: Way) {
    let ((a, mut client), (b, mut server)) = (tcp_pair(), pair());
    let client = std::thread::spawn(move || {
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        answer
    });
    let server = std::thread::spawn(move || {
        let mut question = String::new();
        server.read_to_string(&mut question).unwrap();
        assert_eq!(question, "question");
        server.write_all(&pattern()).unwrap();
    });
    let counts = way.run(copy_bidirectional(&a, &b)).unwrap();
    assert_eq!(counts, (8, LENGTH as u64));
    drop((a, b));
    server.join().unwrap();
    assert!(client.join().unwrap() == pattern());
}

fn a_copy_waits_for_a_slow_writer(way: Way) {
    let ((from, mut source), (to, sink)) = (tcp_pair(), pair());
    let writer = std::thread::spawn(move || {
        source
            .set_write_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let bytes = vec![0; 1 << 20];
        // Blocks once both sockets and the copy are full.
        (0..64).try_for_each(|_| source.write_all(&bytes)).is_err()
    });
    way.run(async {
        let mut copier = Copier::new(&from, &to);
        let writer = async {
            while !writer.is_finished() {
                runtime::sleep(Duration::from_millis(10)).await;
            }
            Ok(0)
        };
        runtime::race(writer, copier.run()).await.unwrap();
    });
    assert!(writer.join().unwrap(), "the source is slowed down");
    drop(sink);
}

fn an_interrupted_copy_goes_on_where_it_stopped(way: Way) {
    let ((from, mut source), (to, mut sink)) = (tcp_pair(), pair());
    let writer = std::thread::spawn(move || {
        for part in pattern().chunks(20_011) {
            source.write_all(part).unwrap();
        }
    });
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        sink.read_to_end(&mut all).unwrap();
        all
    });
    way.run(async {
        let mut copier = Copier::new(&from, &to);
        let mut interrupted = 0;
        let copied = loop {
            let enough = async {
                for _ in 0..interrupted % 3 {
                    runtime::yield_now().await;
                }
                None
            };
            let run = async { Some(copier.run().await.unwrap()) };
            match runtime::race(run, enough).await {
                Some(copied) => break copied,
                None => interrupted += 1,
            }
        };
        assert_eq!((copied, copier.copied()), (LENGTH as u64, LENGTH as u64));
        assert_eq!(copier.run().await.unwrap(), LENGTH as u64);
        println!("{interrupted} times interrupted");
    });
    drop(to);
    writer.join().unwrap();
    assert!(reader.join().unwrap() == pattern());
}

/// Bytes that a completion driver has received are written before those that are in the socket.
fn a_copy_takes_what_a_read_on_another_loop_has_left(way: Way) {
    let ((from, mut source), (to, mut sink)) = (tcp_pair(), pair());
    Way(runtime::Model::Tasks, Driver::Uring).run(async {
        let late = runtime::timeout(Duration::from_millis(1), from.recv()).await;
        assert!(late.is_err(), "none was sent yet");
        source.write_all(b"first ").unwrap();
        runtime::sleep(Duration::from_millis(10)).await;
    });
    source.write_all(b"second").unwrap();
    drop(source);
    assert_eq!(way.run(copy(&from, &to)).unwrap(), 12);
    drop(to);
    let mut all = String::new();
    sink.read_to_string(&mut all).unwrap();
    assert_eq!(all, "first second");
}

fn a_copy_to_a_closed_peer_fails(way: Way) {
    let ((from, mut source), (to, sink)) = (tcp_pair(), pair());
    drop(sink);
    source.write_all(b"hello").unwrap();
    let error = way.run(copy(&from, &to)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    let (there, mut back) = UnixStream::pair().unwrap();
    let there = Stream::from(there);
    back.write_all(b"hello").unwrap();
    let error = way.run(copy_bidirectional(&there, &to)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

fn an_answer_before_the_end_of_input_is_not_lost_by_a_reset(way: Way) {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().as_tcp().unwrap();
    let client = std::thread::spawn(move || {
        let mut client = TcpStream::connect(addr).unwrap();
        client.write_all(&vec![0; 1 << 18]).unwrap();
        // The server has closed its direction, but not reset the connection.
        std::thread::sleep(Duration::from_millis(20));
        client.write_all(&vec![0; 1 << 18]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    });
    way.run(async {
        let (stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 10]).await.unwrap();
        stream.write_all(b"no").await.unwrap();
        // Under `sim` time leaps, and the limit would run out.
        match way.1 {
            Driver::Sim => while !stream.recv().await.unwrap().is_empty() {},
            _ => stream.linger_close(Duration::from_secs(600)).await.unwrap(),
        }
    });
    assert_eq!(client.join().unwrap(), "no");
}

fn a_close_gives_up_after_its_limit(way: Way) {
    let (stream, mut peer) = pair();
    let limit = Duration::from_millis(5);
    let waited = way.run(async {
        let began = runtime::now();
        stream.write_all(b"bye").await.unwrap();
        stream.linger_close(limit).await.unwrap();
        runtime::now() - began
    });
    assert!(waited >= limit, "it waited for the peer: {waited:?}");
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "bye");
    assert!(peer.write_all(b"hello").is_err(), "it is closed");
    let (stream, peer) = pair();
    drop(peer);
    way.run(stream.close()).unwrap();
}
