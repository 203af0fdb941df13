//! Registering, modifying and deregistering descriptors.

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use switchboard_driver::{Driver, Interest, Mode, Ready, Token};

use crate::support::{A, B, Fixture, send, unix};

pub(crate) fn modify_changes_what_is_reported(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, there) = unix();
    fixture.register(&here, A, Interest::READ);
    send(&there);
    assert!(!fixture.wait_for(A, Ready::is_readable).is_writable());

    fixture.modify(&here, A, Interest::WRITE, Mode::Level);
    assert!(!fixture.wait_for(A, Ready::is_writable).is_readable());
    fixture.modify(&here, A, Interest::NONE, Mode::Level);
    fixture.assert_quiet();
    fixture.modify(&here, A, Interest::READ, Mode::Level);
    assert!(!fixture.wait_for(A, Ready::is_readable).is_writable());
    fixture.modify(&here, A, Interest::READ | Interest::WRITE, Mode::Level);
    fixture.wait_for(A, |ready| ready.is_readable() && ready.is_writable());
}

pub(crate) fn modify_replaces_the_token(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, there) = unix();
    send(&there);
    fixture.register(&here, A, Interest::READ);
    fixture.wait_for(A, Ready::is_readable);
    fixture.modify(&here, B, Interest::READ, Mode::Level);
    for _ in 0..3 {
        let events = fixture.wait(Duration::from_secs(1));
        assert!(events.iter().all(|event| event.token == B));
    }
    fixture.wait_for(B, Ready::is_readable);
}

pub(crate) fn a_second_registration_replaces_the_first(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, there) = unix();
    send(&there);
    fixture.register(&here, A, Interest::READ);
    fixture.register(&here, B, Interest::WRITE);
    for _ in 0..3 {
        for event in fixture.wait(Duration::from_secs(1)) {
            assert_eq!((event.token, event.ready), (B, Ready::WRITE));
        }
    }
    // There is one registration: ending it ends all events.
    fixture.deregister(&here);
    fixture.assert_quiet();
}

pub(crate) fn a_deregistered_descriptor_is_not_reported(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (left, right) = unix();
    let (other, _peer) = unix();
    fixture.register(&left, A, Interest::READ | Interest::WRITE);
    fixture.register(&other, B, Interest::WRITE);
    send(&right);
    fixture.wait_for(A, Ready::is_readable);
    fixture.deregister(&left);
    for _ in 0..3 {
        let events = fixture.wait(Duration::from_secs(1));
        assert!(events.iter().all(|event| event.token == B));
    }
    fixture.wait_for(B, Ready::is_writable);
}

pub(crate) fn unknown_descriptors_are_not_found(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, there) = unix();
    fixture.register(&here, A, Interest::READ);
    fixture.deregister(&here);
    for fd in [here.as_raw_fd(), there.as_raw_fd(), -1, i32::MAX] {
        let error = fixture.poller.deregister(fd).expect_err("not registered");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    for fd in [here.as_fd(), there.as_fd()] {
        let error = fixture
            .poller
            .modify(fd, A, Interest::READ, Mode::Level)
            .expect_err("not registered");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    fixture.assert_quiet();
}

pub(crate) fn the_reserved_token_is_rejected(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, _there) = unix();
    let (fd, own) = (here.as_fd(), Token(usize::MAX));
    let error = fixture
        .poller
        .register(fd, own, Interest::READ, Mode::Level)
        .expect_err("the token is reserved");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    fixture.register(&here, A, Interest::READ);
    let error = fixture
        .poller
        .modify(fd, own, Interest::READ, Mode::Level)
        .expect_err("the token is reserved");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

pub(crate) fn a_poller_reports_its_driver(driver: Driver) {
    assert_eq!(Fixture::new(driver).driver(), driver);
}
