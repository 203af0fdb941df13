//! Datagrams, UDP and Unix.

use std::net::Ipv4Addr;
use std::time::Duration;

use switchboard_net::{Addr, BindOptions, UdpSocket, UnixDatagram};
use switchboard_runtime::{self as runtime, Driver};

use crate::Way;

crate::stamp!(
    datagrams_keep_their_borders
    many_short_datagrams_that_came_before_are_all_received
    a_peek_leaves_the_datagram
    a_dropped_receive_loses_no_datagram
    a_full_queue_of_a_unix_receiver_is_waited_for
    a_group_receives_a_multicast_datagram
    a_datagram_to_nobody_is_refused_later
);

fn datagrams_keep_their_borders(way: Way) {
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let there = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (unix, other) = UnixDatagram::pair().unwrap();
    way.run(async {
        let mut buffer = [0; 4];
        let addr = here.local_addr().unwrap();
        assert_eq!(there.send_to(b"one", addr).await.unwrap(), 3);
        there.connect(("127.0.0.1", addr.port())).await.unwrap();
        assert_eq!(there.peer_addr().unwrap(), addr);
        there.send(b"").await.unwrap();
        there.send(b"too long").await.unwrap();
        let from = there.local_addr().unwrap();
        assert_eq!(here.recv_from(&mut buffer).await.unwrap(), (3, from));
        assert_eq!(&buffer[..3], b"one");
        assert_eq!(here.recv(&mut buffer).await.unwrap(), 0);
        assert_eq!(here.recv(&mut buffer).await.unwrap(), 4);
        assert_eq!(&buffer, b"too ");
        other.send(b"").await.unwrap();
        other.send(b"two").await.unwrap();
        assert_eq!(unix.recv(&mut buffer).await.unwrap(), 0);
        let (length, sender) = unix.recv_from(&mut buffer).await.unwrap();
        assert_eq!((length, sender), (3, Addr::Unix(None)));
    });
}

/// On an edge no further event comes for these, so a short receive must not count as "all".
fn many_short_datagrams_that_came_before_are_all_received(way: Way) {
    let (here, there) = UnixDatagram::pair().unwrap();
    let ready = UdpSocket::bind("127.0.0.1:0").unwrap();
    way.run(async {
        let mut buffer = [0; 64];
        // Registers the sockets.
        for wait in [
            runtime::timeout(Duration::from_millis(1), here.recv(&mut [0])).await,
            runtime::timeout(Duration::from_millis(1), ready.recv(&mut [0])).await,
        ] {
            assert!(wait.is_err(), "none was sent yet");
        }
        let addr = ready.local_addr().unwrap();
        for n in 0..8_u8 {
            there.send(&[n]).await.unwrap();
            ready.send_to(&[n], addr).await.unwrap();
        }
        for n in 0..8_u8 {
            assert_eq!(here.recv(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], n);
            assert_eq!(ready.recv_from(&mut buffer).await.unwrap(), (1, addr));
            assert_eq!(buffer[0], n);
        }
    });
}

fn a_peek_leaves_the_datagram(way: Way) {
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = here.local_addr().unwrap();
    way.run(async {
        let mut buffer = [0; 16];
        here.send_to(b"hello", addr).await.unwrap();
        for _ in 0..3 {
            assert_eq!(here.peek_from(&mut buffer).await.unwrap(), (5, addr));
            assert_eq!(here.peek(&mut buffer[..2]).await.unwrap(), 2);
        }
        assert_eq!(here.recv_from(&mut buffer).await.unwrap(), (5, addr));
        let none = runtime::timeout(Duration::from_millis(1), here.peek(&mut buffer)).await;
        assert!(none.is_err());
    });
}

fn a_dropped_receive_loses_no_datagram(way: Way) {
    let (here, there) = UnixDatagram::pair().unwrap();
    let sender = std::thread::spawn(move || {
        let plain = std::os::unix::net::UnixDatagram::from(
            std::os::fd::AsFd::as_fd(&there)
                .try_clone_to_owned()
                .unwrap(),
        );
        for n in 0..200_u8 {
            plain.send(&[n]).unwrap();
        }
    });
    way.run(async {
        for n in 0..200_u8 {
            let mut buffer = [0; 8];
            loop {
                let receive = async { Some(here.recv(&mut buffer).await.unwrap()) };
                let enough = async {
                    runtime::yield_now().await;
                    None
                };
                if let Some(length) = runtime::race(enough, receive).await {
                    assert_eq!((length, buffer[0]), (1, n));
                    break;
                }
            }
        }
    });
    sender.join().unwrap();
}

fn a_full_queue_of_a_unix_receiver_is_waited_for(way: Way) {
    if way.1 == Driver::Sim {
        println!("skip: wait for a full queue under sim: never: its time leaps");
        return;
    }
    let path = std::env::temp_dir().join(format!(
        "switchboard-datagrams-{way:?}-{}",
        std::process::id()
    ));
    let receiver = UnixDatagram::bind(&path).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    const COUNT: usize = 2000;
    let far = receiver.as_fd_owned();
    let reader = std::thread::spawn(move || {
        let mut total = 0;
        for _ in 0..2 * COUNT {
            total += far.recv(&mut [0; 16]).unwrap();
            if total % 64 == 0 {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        total
    });
    way.run(async {
        for _ in 0..COUNT {
            assert_eq!(sender.send_to(b"x", &path).await.unwrap(), 1);
        }
        sender.connect(&path).unwrap();
        for _ in 0..COUNT {
            assert_eq!(sender.send(b"x").await.unwrap(), 1);
        }
        let none = sender.send_to(b"x", "/nowhere").await.unwrap_err();
        assert_eq!(none.kind(), std::io::ErrorKind::NotFound);
    });
    assert_eq!(reader.join().unwrap(), 2 * COUNT);
    std::fs::remove_file(path).unwrap();
}

/// Duplicates the descriptor for a thread outside of any flow.
trait AsFdOwned {
    fn as_fd_owned(&self) -> std::os::unix::net::UnixDatagram;
}

impl AsFdOwned for UnixDatagram {
    fn as_fd_owned(&self) -> std::os::unix::net::UnixDatagram {
        std::os::fd::AsFd::as_fd(self)
            .try_clone_to_owned()
            .unwrap()
            .into()
    }
}

fn a_group_receives_a_multicast_datagram(way: Way) {
    let group = Ipv4Addr::new(224, 0, 0, 251);
    let member = BindOptions::new()
        .reuse_address(true)
        .bind_udp("0.0.0.0:0")
        .unwrap();
    if let Err(error) = member.join_multicast_v4(group, Ipv4Addr::LOCALHOST) {
        println!("skip: multicast: this machine refuses it: {error}");
        return;
    }
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.set_multicast_loop_v4(true).unwrap();
    sender.set_multicast_ttl_v4(1).unwrap();
    assert_eq!(sender.multicast_ttl_v4().unwrap(), 1);
    let port = member.local_addr().unwrap().port();
    way.run(async {
        let mut buffer = [0; 16];
        if let Err(error) = sender.send_to(b"all", (group, port).into()).await {
            println!("skip: multicast: this machine has no route: {error}");
            return;
        }
        let received = runtime::timeout(Duration::from_secs(60), member.recv(&mut buffer)).await;
        assert_eq!(received.unwrap().unwrap(), 3);
    });
    member
        .leave_multicast_v4(group, Ipv4Addr::LOCALHOST)
        .unwrap();
}

fn a_datagram_to_nobody_is_refused_later(way: Way) {
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    // It takes datagrams of its own only, and keeps the port from the tests beside this one.
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = other.local_addr().unwrap();
    way.run(async {
        other.connect(nobody).await.unwrap();
        here.connect(nobody).await.unwrap();
        here.send(b"anybody?").await.unwrap();
        let refused = here.recv(&mut [0]).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}
