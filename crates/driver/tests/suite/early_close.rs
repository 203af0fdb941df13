//! Descriptors that are closed while they are registered.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use switchboard_driver::{Driver, Interest, Ready, Token};

use crate::support::{A, B, Fixture, close, drain, dup_to, send, unix};

/// Returns how often `A`, which is closed, is reported as an error.
fn error_reports(fixture: &mut Fixture) -> usize {
    let mut count = 0;
    for _ in 0..10 {
        let mut events = Vec::new();
        fixture
            .poller
            .wait(&mut events, Some(Duration::ZERO))
            .expect("other descriptors are not affected");
        for event in events.iter().filter(|event| event.token == A) {
            assert_eq!(event.ready, Ready::ERROR);
            count += 1;
        }
    }
    count
}

pub(crate) fn an_idle_descriptor_may_be_closed_while_registered(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (closed, _peer) = unix();
    let (here, there) = unix();
    fixture.register(&closed, A, Interest::READ);
    fixture.register(&here, B, Interest::READ);
    fixture.assert_quiet();
    drop(closed);

    assert!(error_reports(&mut fixture) <= 1);
    fixture.assert_lasts(Duration::from_millis(20));
    send(&there);
    fixture.wait_for(B, Ready::is_readable);
    assert_eq!(drain(&here), 4);
    fixture.assert_lasts(Duration::from_millis(20));
}

/// Closes several descriptors that were reported as ready, among others that stay open.
pub(crate) fn ready_descriptors_may_be_closed_while_registered(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let pairs: Vec<_> = (0..10).map(|_| unix()).collect();
    for (nth, (here, _)) in pairs.iter().enumerate() {
        fixture.register(here, Token(100 + nth), Interest::READ | Interest::WRITE);
    }
    fixture.wait_for(Token(100), Ready::is_writable);
    let mut open = Vec::new();
    for (nth, pair) in pairs.into_iter().enumerate() {
        if nth % 3 == 1 {
            open.push((Token(100 + nth), pair));
        }
    }
    let mut errors = 0;
    for _ in 0..20 {
        let mut events = Vec::new();
        fixture
            .poller
            .wait(&mut events, Some(Duration::from_secs(1)))
            .expect("other descriptors are not affected");
        for event in events {
            if !open.iter().any(|(token, _)| *token == event.token) {
                assert_eq!(event.ready, Ready::ERROR);
                errors += 1;
            }
        }
    }
    assert!(errors <= 7, "each descriptor is reported at most once");
    for (token, _) in &open {
        fixture.wait_for(*token, Ready::is_writable);
    }
}

pub(crate) fn a_reused_number_reports_only_its_new_file(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (first, first_peer) = unix();
    let (second, second_peer) = unix();
    // A number that no other part of the process uses.
    let number: RawFd = 700;
    dup_to(&first, number);
    drop(first);
    register(&mut fixture, number, A);
    close(number);
    dup_to(&second, number);
    drop(second);
    register(&mut fixture, number, B);

    drop(first_peer);
    send(&second_peer);
    fixture.wait_for(B, Ready::is_readable);
    for _ in 0..10 {
        let events = fixture.wait(Duration::ZERO);
        assert!(events.iter().all(|event| event.token == B), "{events:?}");
    }
    fixture
        .poller
        .deregister(number)
        .expect("deregistering succeeds");
    close(number);
    fixture.assert_lasts(Duration::from_millis(20));
}

fn register(fixture: &mut Fixture, number: RawFd, token: Token) {
    fixture.register(&borrow(number), token, Interest::READ);
}

#[allow(unsafe_code)]
fn borrow(number: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the test owns the number and closes it itself.
    unsafe { BorrowedFd::borrow_raw(number) }
}

pub(crate) fn a_closed_descriptor_may_be_deregistered(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, _there) = unix();
    let number = here.as_raw_fd();
    fixture.register(&here, A, Interest::READ | Interest::WRITE);
    drop(here);
    if let Err(error) = fixture.poller.deregister(number) {
        // The driver has forgotten the descriptor already.
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let error = fixture
        .poller
        .deregister(number)
        .expect_err("not registered");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    fixture.assert_lasts(Duration::from_millis(20));
}
