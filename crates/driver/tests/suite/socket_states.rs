//! Events for the states of a socket.

use std::io::{ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use switchboard_driver::{Driver, Interest, Mode, Ready};

use crate::support::{A, B, Fixture, drain, send, tcp, wait_until_ready};

fn both() -> Interest {
    Interest::READ | Interest::WRITE
}

/// Returns whether the driver reports hang-ups apart from other readiness.
fn reports_hang_up(driver: Driver) -> bool {
    driver != Driver::Select
}

/// Returns whether the driver reports the end of input apart from other readiness.
fn reports_half_close(driver: Driver) -> bool {
    cfg!(target_os = "linux") && matches!(driver, Driver::Poll | Driver::Epoll | Driver::Sim)
}

/// Starts to connect to `address`; returns the error if it is refused at once.
fn connecting(address: SocketAddr) -> Result<Socket, ErrorKind> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("the socket opens");
    socket
        .set_nonblocking(true)
        .expect("non-blocking mode is set");
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error.kind()),
        _ => Ok(socket),
    }
}

pub(crate) fn a_finished_connect_is_writable(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let listener = TcpListener::bind("127.0.0.1:0").expect("the listener opens");
    let socket = connecting(listener.local_addr().expect("the listener has an address"))
        .expect("connecting has started");
    fixture.register(&socket, A, Interest::WRITE);
    fixture.wait_for(A, Ready::is_writable);
    assert!(socket.take_error().expect("SO_ERROR can be read").is_none());
    assert!(socket.peer_addr().is_ok());
}

pub(crate) fn a_refused_connect_is_writable(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let listener = TcpListener::bind("127.0.0.1:0").expect("the listener opens");
    let address = listener.local_addr().expect("the listener has an address");
    drop(listener);
    let socket = match connecting(address) {
        Ok(socket) => socket,
        Err(kind) => return assert_eq!(kind, ErrorKind::ConnectionRefused),
    };
    fixture.register(&socket, A, Interest::WRITE);
    fixture.wait_for(A, Ready::is_writable);
    let error = socket
        .take_error()
        .expect("SO_ERROR can be read")
        .expect("the connect has failed");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

pub(crate) fn a_pending_connection_makes_a_listener_readable(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let listener = TcpListener::bind("127.0.0.1:0").expect("the listener opens");
    listener
        .set_nonblocking(true)
        .expect("non-blocking mode is set");
    fixture.register(&listener, A, Interest::READ);
    fixture.assert_quiet();
    let address = listener.local_addr().expect("the listener has an address");
    let clients = [(); 2].map(|()| connecting(address).expect("connecting has started"));
    for _ in &clients {
        fixture.wait_for(A, Ready::is_readable);
        listener.accept().expect("the connection succeeds");
    }
    fixture.assert_quiet();
}

pub(crate) fn a_reset_makes_both_directions_ready(driver: Driver) {
    for interest in [both(), Interest::READ, Interest::WRITE] {
        let mut fixture = Fixture::new(driver);
        let (mut here, there) = tcp();
        fixture.register(&here, A, interest);
        SockRef::from(&there)
            .set_linger(Some(Duration::ZERO))
            .expect("SO_LINGER is set");
        drop(there);
        wait_until_ready(&here, Ready::ERROR);

        // Both directions are ready whatever the interest is; select reports only those in it.
        let expected = |direction| reports_hang_up(driver) || interest.contains(direction);
        fixture.wait_for(A, |ready| {
            ready.is_readable() == expected(Interest::READ)
                && ready.is_writable() == expected(Interest::WRITE)
        });
        let error = here
            .read(&mut [0; 8])
            .expect_err("the read reports the reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

pub(crate) fn a_half_close_is_readable(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (mut here, there) = tcp();
    fixture.register(&here, A, Interest::READ);
    there
        .shutdown(Shutdown::Write)
        .expect("the shutdown succeeds");
    wait_until_ready(&here, Ready::READ);

    let ready = fixture.wait_for(A, Ready::is_readable);
    assert!(!ready.intersects(Ready::HANG_UP | Ready::ERROR));
    if reports_half_close(driver) {
        fixture.wait_for(A, |ready| ready.contains(Ready::READ_CLOSED));
    }
    assert_eq!(here.read(&mut [0; 8]).expect("the read succeeds"), 0);

    // The other direction still works.
    fixture.modify(&here, A, Interest::WRITE, Mode::Level);
    fixture.wait_for(A, Ready::is_writable);
    send(&here);
    fixture.register(&there, B, Interest::READ);
    fixture.wait_for(B, Ready::is_readable);
    assert_eq!(drain(&there), 4);
}

pub(crate) fn two_half_closes_are_a_hang_up(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (mut here, there) = tcp();
    fixture.register(&here, A, both());
    here.shutdown(Shutdown::Write)
        .expect("the shutdown succeeds");
    there
        .shutdown(Shutdown::Write)
        .expect("the shutdown succeeds");
    let ready = fixture.wait_for(A, |ready| {
        ready.is_readable()
            && ready.is_writable()
            && (!reports_hang_up(driver) || ready.contains(Ready::HANG_UP))
    });
    assert!(!ready.contains(Ready::ERROR));
    assert_eq!(here.read(&mut [0; 8]).expect("the read succeeds"), 0);
}

pub(crate) fn a_hang_up_is_reported_without_interest(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, there) = tcp();
    fixture.register(&here, A, Interest::NONE);
    send(&there);
    fixture.assert_quiet();
    here.shutdown(Shutdown::Write)
        .expect("the shutdown succeeds");
    drop(there);
    if reports_hang_up(driver) {
        fixture.wait_for(A, |ready| ready.contains(Ready::HANG_UP));
    } else {
        fixture.assert_lasts(Duration::from_millis(20));
        fixture.modify(&here, A, Interest::READ, Mode::Level);
        fixture.wait_for(A, Ready::is_readable);
    }
}

pub(crate) fn out_of_band_data_is_reported_as_priority(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, there) = tcp();
    fixture.register(&here, A, Interest::PRIORITY);
    send(&there);
    fixture.assert_quiet();

    let urgent = |ready: Ready| ready.contains(Ready::PRIORITY);
    SockRef::from(&there)
        .send_out_of_band(b"!")
        .expect("the byte is sent");
    for _ in 0..2 {
        assert!(!fixture.wait_for(A, urgent).contains(Ready::READ));
    }
    fixture.modify(&here, A, Interest::READ, Mode::Level);
    assert!(!urgent(fixture.wait_for(A, Ready::is_readable)));
    fixture.modify(&here, A, Interest::READ | Interest::PRIORITY, Mode::Level);
    fixture.wait_for(A, |ready| urgent(ready) && ready.contains(Ready::READ));

    let mut byte = [std::mem::MaybeUninit::uninit(); 1];
    let count = SockRef::from(&here).recv_out_of_band(&mut byte);
    assert_eq!(count.expect("the byte is received"), 1);
    assert!(!urgent(fixture.wait_for(A, Ready::is_readable)));
    assert_eq!(drain(&here), 4);
    fixture.assert_quiet();
}

pub(crate) fn a_reset_is_reported_to_interest_in_out_of_band_data(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, mut there) = tcp();
    fixture.register(&here, A, Interest::PRIORITY);
    // Ordinary data is not reported, and the wait is not shorter for it.
    send(&mut there);
    wait_until_ready(&here, Ready::READ);
    if driver != Driver::Sim {
        let start = Instant::now();
        assert!(fixture.wait(Duration::from_millis(50)).is_empty());
        assert!(start.elapsed() >= Duration::from_millis(50));
    }
    SockRef::from(&there)
        .set_linger(Some(Duration::ZERO))
        .expect("lingering is set");
    drop(there);
    fixture.wait_for(A, |ready| ready.intersects(Ready::ERROR | Ready::HANG_UP));
}
