//! The outcomes of `Incoming`: connections, a listener that is shut down, one that fails. The fourth one,
//! a back-off, is in `exhaustion.rs`, because it takes the whole process's descriptors.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use futures_lite::future::poll_once;
use switchboard_net::{Accepted, Addr, Incoming, Listener, Stream};
use switchboard_runtime::{self as runtime, Driver};

use crate::Way;

crate::stamp!(
    a_connection_comes_with_its_peer
    a_unix_connection_comes
    a_dropped_step_loses_no_connection
    connections_can_be_polled_for
    a_dropped_step_leaves_each_connection_to_the_last_or_to_the_queue
    a_listener_that_is_shut_down_is_closed
    a_shutdown_ends_a_waiting_step
    a_descriptor_that_cannot_listen_fails
);

fn incoming() -> (Incoming, std::net::SocketAddr) {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().as_tcp().unwrap();
    (Incoming::new(listener), addr)
}

fn connection(accepted: Accepted) -> (Stream, Option<Addr>) {
    match accepted {
        Accepted::Connection(stream, peer) => (stream, peer),
        other => panic!("no connection: {other:?}"),
    }
}

fn a_connection_comes_with_its_peer(way: Way) {
    let (mut incoming, addr) = incoming();
    way.run(async {
        for _ in 0..3 {
            let client = TcpStream::connect(addr).unwrap();
            let (stream, peer) = connection(incoming.next().await);
            let expected = Addr::Tcp(client.local_addr().unwrap());
            assert_eq!(peer.unwrap_or(expected.clone()), expected);
            assert_eq!(stream.peer_addr().unwrap(), expected);
        }
    });
}

/// As where another process goes on with the socket of a listener that is closed here.
fn a_dropped_step_leaves_each_connection_to_the_last_or_to_the_queue(way: Way) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut taken = 0;
    for turns in 0..40 {
        let here = Listener::from_fd(listener.try_clone().unwrap().into()).unwrap();
        let mut incoming = Incoming::new(here);
        let mut client = way.run(async {
            let mut step = Box::pin(incoming.next());
            assert!(poll_once(&mut step).await.is_none());
            for _ in 0..turns % 4 {
                runtime::yield_now().await;
            }
            let client = TcpStream::connect(addr).unwrap();
            drop(step);
            let mut last = Vec::new();
            while let Some(stream) = incoming.last().await {
                stream.write_all(b"x").await.unwrap();
                last.push(stream);
            }
            taken += last.len();
            drop(incoming);
            client
        });
        // It is non-blocking since it was used here.
        if let Ok((mut stream, _)) = listener.accept() {
            stream.write_all(b"x").unwrap();
        }
        client.read_exact(&mut [0]).unwrap();
    }
    assert!(taken > 0 || way.1 != Driver::Uring || !way.0.has_loop());
}

fn a_unix_connection_comes(way: Way) {
    let name = format!("switchboard-incoming-{}-{way:?}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    let mut incoming = Incoming::new(Listener::bind_unix(&path).unwrap());
    let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    way.run(async {
        let (stream, _) = connection(incoming.next().await);
        assert_eq!(stream.peer_addr().unwrap(), Addr::Unix(None));
        client.write_all(b"x").unwrap();
        assert_eq!(&*stream.recv().await.unwrap(), b"x");
    });
}

fn a_dropped_step_loses_no_connection(way: Way) {
    const CONNECTIONS: usize = 50;
    let (mut incoming, addr) = incoming();
    let clients = std::thread::spawn(move || {
        for n in 0..CONNECTIONS {
            let mut client = TcpStream::connect(addr).unwrap();
            client.write_all(&[n as u8]).unwrap();
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
    });
    way.run(async {
        for n in 0..CONNECTIONS {
            let accepted = loop {
                let enough = async {
                    runtime::yield_now().await;
                    None
                };
                let next = async { Some(incoming.next().await) };
                if let Some(accepted) = runtime::race(enough, next).await {
                    break accepted;
                }
            };
            let (stream, _) = connection(accepted);
            assert_eq!(*stream.recv().await.unwrap(), [n as u8]);
        }
    });
    clients.join().unwrap();
}

fn connections_can_be_polled_for(way: Way) {
    let (mut incoming, addr) = incoming();
    let clients: Vec<_> = (0..5).map(|_| TcpStream::connect(addr).unwrap()).collect();
    way.run(async {
        for _ in &clients {
            connection(poll_fn(|context| incoming.poll_next(context)).await);
        }
    });
}

fn a_listener_that_is_shut_down_is_closed(way: Way) {
    let (mut incoming, _) = incoming();
    incoming.listener().shutdown().unwrap();
    way.run(async {
        for _ in 0..2 {
            let accepted = incoming.next().await;
            assert!(matches!(accepted, Accepted::Closed), "{accepted:?}");
        }
    });
}

fn a_shutdown_ends_a_waiting_step(way: Way) {
    let (mut incoming, _) = incoming();
    let listener = incoming.listener().clone();
    let other = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(2));
        listener.shutdown().unwrap();
    });
    way.run(async {
        let accepted = incoming.next().await;
        assert!(matches!(accepted, Accepted::Closed), "{accepted:?}");
    });
    other.join().unwrap();
}

fn a_descriptor_that_cannot_listen_fails(way: Way) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut incoming = Incoming::new(Listener::from_fd(socket.into()).unwrap());
    way.run(async {
        let accepted = incoming.next().await;
        assert!(matches!(accepted, Accepted::Failed(_)), "{accepted:?}");
    });
}
