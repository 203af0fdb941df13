//! The options of listeners and connections. They do not depend on the way to wait.

use std::time::Duration;

use switchboard_net::{BindOptions, Stream, TcpKeepalive};
use switchboard_runtime::Model;

#[test]
fn options_of_a_listener_are_those_of_the_socket() {
    let listener = BindOptions::new()
        .reuse_port(true)
        .backlog(1)
        .nodelay(false)
        .recv_buffer_size(64 * 1024)
        .bind("127.0.0.1:0")
        .unwrap();
    let addr = listener.local_addr().unwrap().as_tcp().unwrap();
    let second = BindOptions::new().reuse_port(true).bind(addr).unwrap();
    let refused = BindOptions::new().bind(addr).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
    drop(second);
    let client = Model::Tasks.run(Stream::connect(addr)).unwrap().unwrap();
    let (server, _) = Model::Tasks.run(listener.accept()).unwrap().unwrap();
    assert!(client.nodelay().unwrap());
    assert!(!server.nodelay().unwrap());
    assert!(server.recv_buffer_size().unwrap() >= 64 * 1024);
}

#[test]
#[cfg(target_os = "linux")]
fn what_waits_unsent_in_an_accepted_socket_is_limited() {
    let unsent = |options: BindOptions| {
        let listener = options.bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().as_tcp().unwrap();
        let _client = Model::Tasks.run(Stream::connect(addr)).unwrap().unwrap();
        let (server, _) = Model::Tasks.run(listener.accept()).unwrap().unwrap();
        socket2::SockRef::from(&server).tcp_notsent_lowat().unwrap()
    };
    assert_eq!(unsent(BindOptions::new()), 128 * 1024);
    assert_eq!(unsent(BindOptions::new().unsent(4096)), 4096);
}

#[test]
fn only_v6_leaves_the_port_to_v4() {
    if BindOptions::new().only_v6(true).bind("[::]:0").is_err() {
        println!("skip: IPv6: this machine has none");
        return;
    }
    // A test beside this one may listen on a port of IPv4 that is free for IPv6.
    let is_left = (0..20).any(|_| {
        let six = BindOptions::new().only_v6(true).bind("[::]:0").unwrap();
        let port = six.local_addr().unwrap().as_tcp().unwrap().port();
        BindOptions::new().bind(("0.0.0.0", port)).is_ok()
    });
    assert!(is_left);
}

#[test]
fn options_of_a_stream_are_read_back() {
    let listener = BindOptions::new().bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let stream = Model::Tasks.run(Stream::connect(addr)).unwrap().unwrap();
    stream.set_nodelay(false).unwrap();
    assert!(!stream.nodelay().unwrap());
    stream.set_ttl(7).unwrap();
    assert_eq!(stream.ttl().unwrap(), 7);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(5))
        .with_retries(2);
    stream.set_tcp_keepalive(&keepalive).unwrap();
    assert!(stream.keepalive().unwrap());
    stream.set_keepalive(false).unwrap();
    assert!(!stream.keepalive().unwrap());
    stream.set_linger(Some(Duration::from_secs(3))).unwrap();
    assert_eq!(stream.linger().unwrap(), Some(Duration::from_secs(3)));
    stream.set_linger(None).unwrap();
    stream.set_send_buffer_size(32 * 1024).unwrap();
    assert!(stream.send_buffer_size().unwrap() >= 32 * 1024);
    assert!(stream.take_error().unwrap().is_none());
    let (unix, _peer) = Stream::pair().unwrap();
    assert!(unix.set_ttl(7).is_err());
}
