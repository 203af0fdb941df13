//! Listeners and connections, beyond plain reads and writes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::net::SendFlags;
use socket2::{Domain, Socket, Type};
use switchboard_net::{Listener, Stream, connect_any};
use switchboard_runtime::{self as runtime, Driver};

use crate::Way;

crate::stamp!(
    a_dropped_accept_loses_no_connection
    an_urgent_byte_overtakes_other_bytes
    waiting_for_an_urgent_byte_ends_with_the_connection
    a_reset_ends_the_wait_for_an_urgent_byte
    a_reset_is_an_error_and_then_the_end_of_input
    a_write_to_a_closed_peer_fails
    a_stream_migrates_from_thread_to_thread
    a_stream_dropped_on_another_thread_closes
    the_next_address_is_tried_when_one_fails
    an_address_that_never_answers_is_overtaken
);

fn tcp_pair() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0.into(), there)
}

fn a_dropped_accept_loses_no_connection(way: Way) {
    const CONNECTIONS: usize = 100;
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().as_tcp().unwrap();
    let clients = std::thread::spawn(move || {
        for n in 0..CONNECTIONS {
            let mut client = TcpStream::connect(addr).unwrap();
            client.write_all(&[n as u8]).unwrap();
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
    });
    way.run(async {
        let mut given_up = 0;
        for n in 0..CONNECTIONS {
            let stream = loop {
                let accept = async { Some(listener.accept().await.unwrap().0) };
                let enough = async {
                    runtime::yield_now().await;
                    None
                };
                match runtime::race(enough, accept).await {
                    Some(stream) => break stream,
                    None => given_up += 1,
                }
            };
            assert_eq!(*stream.recv().await.unwrap(), [n as u8]);
        }
        println!("{given_up} given up");
    });
    clients.join().unwrap();
}

fn an_urgent_byte_overtakes_other_bytes(way: Way) {
    let (stream, peer) = tcp_pair();
    way.run(async {
        let late = runtime::timeout(Duration::from_millis(1), stream.recv_urgent()).await;
        assert!(late.is_err(), "none was sent yet");
        (&peer).write_all(b"plain").unwrap();
        rustix::net::send(&peer, b"!", SendFlags::OOB).unwrap();
        assert_eq!(stream.recv_urgent().await.unwrap(), b'!');
        assert_eq!(&*stream.recv().await.unwrap(), b"plain");
    });
}

fn waiting_for_an_urgent_byte_ends_with_the_connection(way: Way) {
    let (stream, peer) = tcp_pair();
    Stream::from(peer).reset_on_close().unwrap();
    way.run(async {
        assert!(stream.recv_urgent().await.is_err());
    });
}

fn a_reset_ends_the_wait_for_an_urgent_byte(way: Way) {
    for unread in [&b""[..], b"unread"] {
        let (stream, mut peer) = tcp_pair();
        peer.write_all(unread).unwrap();
        way.run(async {
            let reset = async {
                // The other flow has polled before, and waits.
                runtime::yield_now().await;
                Stream::from(peer).reset_on_close().unwrap();
            };
            let wait = runtime::timeout(Duration::from_secs(600), stream.recv_urgent());
            let (waited, ()) = runtime::join(wait, reset).await;
            let error = waited.expect("the wait ends").unwrap_err();
            use std::io::ErrorKind::{ConnectionAborted, ConnectionReset};
            let kind = error.kind();
            assert!(
                matches!(kind, ConnectionAborted | ConnectionReset),
                "{error}"
            );
        });
    }
}

fn a_reset_is_an_error_and_then_the_end_of_input(way: Way) {
    let (stream, peer) = tcp_pair();
    Stream::from(peer).reset_on_close().unwrap();
    way.run(async {
        let error = stream.recv().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(stream.recv().await.unwrap().is_empty());
    });
}

fn a_write_to_a_closed_peer_fails(way: Way) {
    let (stream, peer) = tcp_pair();
    drop(peer);
    way.run(async {
        assert!(stream.recv().await.unwrap().is_empty());
        // The first write may succeed, before the peer's reset arrives.
        let error = loop {
            if let Err(error) = stream.write_all(&[0; 1 << 16]).await {
                break error;
            }
        };
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
        assert!(
            matches!(error.kind(), BrokenPipe | ConnectionReset),
            "{error}"
        );
    });
}

fn a_stream_migrates_from_thread_to_thread(way: Way) {
    let (mut stream, mut peer) = tcp_pair();
    for n in 0..10_u8 {
        let thread = std::thread::spawn(move || {
            way.run(async {
                let nothing = runtime::timeout(Duration::from_millis(1), stream.recv()).await;
                assert!(nothing.is_err(), "none was sent yet");
                stream.write_all(&[n]).await.unwrap();
                assert_eq!(*stream.recv().await.unwrap(), [n]);
            });
            stream
        });
        let mut byte = [0];
        peer.read_exact(&mut byte).unwrap();
        peer.write_all(&byte).unwrap();
        stream = thread.join().unwrap();
    }
}

fn a_stream_dropped_on_another_thread_closes(way: Way) {
    let (stream, mut peer) = tcp_pair();
    way.run(async {
        let nothing = runtime::timeout(Duration::from_millis(1), stream.recv()).await;
        assert!(nothing.is_err());
        let (said, heard) = runtime::channel(1);
        let far = std::thread::spawn(move || {
            drop(stream);
            // The owner closes it, so that the descriptor's number is not used again too early.
            assert_eq!(peer.read(&mut [0]).unwrap(), 0);
            said.send_blocking(()).unwrap();
        });
        heard.recv().await.unwrap();
        far.join().unwrap();
    });
}

/// Returns an address that no socket listens on, and the socket that keeps it from the tests beside this one.
fn silent() -> (SocketAddr, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    (addr, socket)
}

fn the_next_address_is_tried_when_one_fails(way: Way) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let ((first, _first), (last, _last)) = (silent(), silent());
    way.run(async {
        let stream = connect_any(&[first, last, addr]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().as_tcp(), Some(addr));
        let error = connect_any(&[first, last]).await.unwrap_err();
        assert!(error.to_string().contains(&last.to_string()), "{error}");
        assert!(connect_any(&[]).await.is_err());
    });
}

fn an_address_that_never_answers_is_overtaken(way: Way) {
    if way.1 == Driver::Sim {
        println!("skip: overtake an address under sim: never: its time leaps over the answer");
        return;
    }
    // A listener whose queue is full keeps further clients waiting.
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    full.bind(&any.into()).unwrap();
    full.listen(0).unwrap();
    let silent = full.local_addr().unwrap().as_socket().unwrap();
    let _queued = TcpStream::connect(silent).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let stream = way.run(connect_any(&[silent, addr])).unwrap();
    assert_eq!(stream.peer_addr().unwrap().as_tcp(), Some(addr));
}
