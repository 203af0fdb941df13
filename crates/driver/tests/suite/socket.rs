//! What the states of a socket look like.

use std::io::{ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use switchboard_driver::{Driver, Interest, Mode, Ready};

use crate::kit::{A, B, Bench, drain, send, settle, tcp};

fn both() -> Interest {
    Interest::READ | Interest::WRITE
}

/// Whether the driver can tell a hang-up, or the end of input, from other readiness.
fn tells_hang_up(driver: Driver) -> bool {
    driver != Driver::Select
}

fn tells_half_close(driver: Driver) -> bool {
    cfg!(target_os = "linux") && matches!(driver, Driver::Poll | Driver::Epoll | Driver::Sim)
}

/// A socket on its way to `address`, or refused at once.
fn connecting(address: SocketAddr) -> Result<Socket, ErrorKind> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_nonblocking(true).expect("non-blocking");
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error.kind()),
        _ => Ok(socket),
    }
}

pub(crate) fn connect_succeeds(driver: Driver) {
    let mut bench = Bench::new(driver);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let socket = connecting(listener.local_addr().expect("an address")).expect("on its way");
    bench.register(&socket, A, Interest::WRITE);
    bench.find(A, Ready::is_writable);
    assert!(socket.take_error().expect("SO_ERROR").is_none());
    assert!(socket.peer_addr().is_ok());
}

pub(crate) fn connect_is_refused(driver: Driver) {
    let mut bench = Bench::new(driver);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let socket = match connecting(address) {
        Ok(socket) => socket,
        Err(kind) => return assert_eq!(kind, ErrorKind::ConnectionRefused),
    };
    bench.register(&socket, A, Interest::WRITE);
    bench.find(A, Ready::is_writable);
    let error = socket.take_error().expect("SO_ERROR").expect("an error");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

pub(crate) fn a_listener_is_readable(driver: Driver) {
    let mut bench = Bench::new(driver);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    listener.set_nonblocking(true).expect("non-blocking");
    bench.register(&listener, A, Interest::READ);
    bench.quiet();
    let address = listener.local_addr().expect("an address");
    let clients = [(); 2].map(|()| connecting(address).expect("on its way"));
    for _ in &clients {
        bench.find(A, Ready::is_readable);
        listener.accept().expect("a connection");
    }
    bench.quiet();
}

pub(crate) fn peer_resets(driver: Driver) {
    for interest in [both(), Interest::READ, Interest::WRITE] {
        let mut bench = Bench::new(driver);
        let (mut here, there) = tcp();
        bench.register(&here, A, interest);
        SockRef::from(&there)
            .set_linger(Some(Duration::ZERO))
            .expect("SO_LINGER");
        drop(there);
        settle(&here, Ready::ERROR);

        // Whatever was asked for, both directions are ready; select tells of the one asked for.
        let told = |direction| tells_hang_up(driver) || interest.contains(direction);
        bench.find(A, |ready| {
            ready.is_readable() == told(Interest::READ)
                && ready.is_writable() == told(Interest::WRITE)
        });
        let error = here.read(&mut [0; 8]).expect_err("a reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

pub(crate) fn peer_shuts_its_half(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (mut here, there) = tcp();
    bench.register(&here, A, Interest::READ);
    there.shutdown(Shutdown::Write).expect("half-closed");
    settle(&here, Ready::READ);

    let ready = bench.find(A, Ready::is_readable);
    assert!(!ready.intersects(Ready::HANG_UP | Ready::ERROR));
    if tells_half_close(driver) {
        bench.find(A, |ready| ready.contains(Ready::READ_CLOSED));
    }
    assert_eq!(here.read(&mut [0; 8]).expect("the end"), 0);

    // The other direction lives.
    bench.modify(&here, A, Interest::WRITE, Mode::Level);
    bench.find(A, Ready::is_writable);
    send(&here);
    bench.register(&there, B, Interest::READ);
    bench.find(B, Ready::is_readable);
    assert_eq!(drain(&there), 4);
}

pub(crate) fn both_halves_are_shut(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (mut here, there) = tcp();
    bench.register(&here, A, both());
    here.shutdown(Shutdown::Write).expect("half-closed");
    there.shutdown(Shutdown::Write).expect("half-closed");
    let ready = bench.find(A, |ready| {
        ready.is_readable()
            && ready.is_writable()
            && (!tells_hang_up(driver) || ready.contains(Ready::HANG_UP))
    });
    assert!(!ready.contains(Ready::ERROR));
    assert_eq!(here.read(&mut [0; 8]).expect("the end"), 0);
}

pub(crate) fn hang_up_with_no_interest(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, there) = tcp();
    bench.register(&here, A, Interest::NONE);
    send(&there);
    bench.quiet();
    here.shutdown(Shutdown::Write).expect("half-closed");
    drop(there);
    if tells_hang_up(driver) {
        bench.find(A, |ready| ready.contains(Ready::HANG_UP));
    } else {
        bench.lasts(Duration::from_millis(20));
        bench.modify(&here, A, Interest::READ, Mode::Level);
        bench.find(A, Ready::is_readable);
    }
}

pub(crate) fn out_of_band(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, there) = tcp();
    bench.register(&here, A, Interest::PRIORITY);
    send(&there);
    bench.quiet();

    let urgent = |ready: Ready| ready.contains(Ready::PRIORITY);
    SockRef::from(&there)
        .send_out_of_band(b"!")
        .expect("an urgent byte");
    for _ in 0..2 {
        assert!(!bench.find(A, urgent).contains(Ready::READ));
    }
    bench.modify(&here, A, Interest::READ, Mode::Level);
    assert!(!urgent(bench.find(A, Ready::is_readable)));
    bench.modify(&here, A, Interest::READ | Interest::PRIORITY, Mode::Level);
    bench.find(A, |ready| urgent(ready) && ready.contains(Ready::READ));

    let mut byte = [std::mem::MaybeUninit::uninit(); 1];
    let count = SockRef::from(&here).recv_out_of_band(&mut byte);
    assert_eq!(count.expect("the urgent byte"), 1);
    assert!(!urgent(bench.find(A, Ready::is_readable)));
    assert_eq!(drain(&here), 4);
    bench.quiet();
}
