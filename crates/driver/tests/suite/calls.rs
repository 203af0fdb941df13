//! Registering, modifying, deregistering.

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use switchboard_driver::{Driver, Interest, Mode, Ready, Token};

use crate::kit::{A, B, Bench, send, unix};

pub(crate) fn modify_while_ready(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, there) = unix();
    bench.register(&here, A, Interest::READ);
    send(&there);
    assert!(!bench.find(A, Ready::is_readable).is_writable());

    bench.modify(&here, A, Interest::WRITE, Mode::Level);
    assert!(!bench.find(A, Ready::is_writable).is_readable());
    bench.modify(&here, A, Interest::NONE, Mode::Level);
    bench.quiet();
    bench.modify(&here, A, Interest::READ, Mode::Level);
    assert!(!bench.find(A, Ready::is_readable).is_writable());
    bench.modify(&here, A, Interest::READ | Interest::WRITE, Mode::Level);
    bench.find(A, |ready| ready.is_readable() && ready.is_writable());
}

pub(crate) fn modify_replaces_the_token(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, there) = unix();
    send(&there);
    bench.register(&here, A, Interest::READ);
    bench.find(A, Ready::is_readable);
    bench.modify(&here, B, Interest::READ, Mode::Level);
    for _ in 0..3 {
        let events = bench.wait(Duration::from_secs(1));
        assert!(events.iter().all(|event| event.token == B));
    }
    bench.find(B, Ready::is_readable);
}

pub(crate) fn register_replaces(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, there) = unix();
    send(&there);
    bench.register(&here, A, Interest::READ);
    bench.register(&here, B, Interest::WRITE);
    for _ in 0..3 {
        for event in bench.wait(Duration::from_secs(1)) {
            assert_eq!((event.token, event.ready), (B, Ready::WRITE));
        }
    }
    // It is there once: once gone, it is gone.
    bench.deregister(&here);
    bench.quiet();
}

pub(crate) fn deregister_ends_it(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (left, right) = unix();
    let (other, _peer) = unix();
    bench.register(&left, A, Interest::READ | Interest::WRITE);
    bench.register(&other, B, Interest::WRITE);
    send(&right);
    bench.find(A, Ready::is_readable);
    bench.deregister(&left);
    for _ in 0..3 {
        let events = bench.wait(Duration::from_secs(1));
        assert!(events.iter().all(|event| event.token == B));
    }
    bench.find(B, Ready::is_writable);
}

pub(crate) fn unknown_descriptors_are_not_found(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, there) = unix();
    bench.register(&here, A, Interest::READ);
    bench.deregister(&here);
    for fd in [here.as_raw_fd(), there.as_raw_fd(), -1, i32::MAX] {
        let error = bench.poller.deregister(fd).expect_err("not registered");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    for fd in [here.as_fd(), there.as_fd()] {
        let error = bench
            .poller
            .modify(fd, A, Interest::READ, Mode::Level)
            .expect_err("not registered");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    bench.quiet();
}

pub(crate) fn the_drivers_own_token_is_refused(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, _there) = unix();
    let (fd, own) = (here.as_fd(), Token(usize::MAX));
    let error = bench
        .poller
        .register(fd, own, Interest::READ, Mode::Level)
        .expect_err("it is the driver's own");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    bench.register(&here, A, Interest::READ);
    let error = bench
        .poller
        .modify(fd, own, Interest::READ, Mode::Level)
        .expect_err("it is the driver's own");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

pub(crate) fn it_says_which_driver_it_is(driver: Driver) {
    assert_eq!(Bench::new(driver).driver(), driver);
}
