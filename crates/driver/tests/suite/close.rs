//! Descriptors closed before their time.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use switchboard_driver::{Driver, Interest, Ready, Token};

use crate::kit::{A, B, Bench, close, drain, dup_to, send, unix};

/// Waits until the driver has noticed: how often it reported `A` before it forgot it.
fn reports(bench: &mut Bench) -> usize {
    let mut count = 0;
    for _ in 0..10 {
        let mut events = Vec::new();
        bench
            .poller
            .wait(&mut events, Some(Duration::ZERO))
            .expect("others don't notice");
        for event in events.iter().filter(|event| event.token == A) {
            assert_eq!(event.ready, Ready::ERROR);
            count += 1;
        }
    }
    count
}

pub(crate) fn closed_while_registered(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (closed, _peer) = unix();
    let (here, there) = unix();
    bench.register(&closed, A, Interest::READ);
    bench.register(&here, B, Interest::READ);
    bench.quiet();
    drop(closed);

    assert!(reports(&mut bench) <= 1);
    bench.lasts(Duration::from_millis(20));
    send(&there);
    bench.find(B, Ready::is_readable);
    assert_eq!(drain(&here), 4);
    bench.lasts(Duration::from_millis(20));
}

/// Several, among others that are ready, and were reported as ready themselves.
pub(crate) fn closed_while_ready(driver: Driver) {
    let mut bench = Bench::new(driver);
    let pairs: Vec<_> = (0..10).map(|_| unix()).collect();
    for (nth, (here, _)) in pairs.iter().enumerate() {
        bench.register(here, Token(100 + nth), Interest::READ | Interest::WRITE);
    }
    bench.find(Token(100), Ready::is_writable);
    let mut open = Vec::new();
    for (nth, pair) in pairs.into_iter().enumerate() {
        if nth % 3 == 1 {
            open.push((Token(100 + nth), pair));
        }
    }
    let mut errors = 0;
    for _ in 0..20 {
        let mut events = Vec::new();
        bench
            .poller
            .wait(&mut events, Some(Duration::from_secs(1)))
            .expect("others don't notice");
        for event in events {
            if !open.iter().any(|(token, _)| *token == event.token) {
                assert_eq!(event.ready, Ready::ERROR);
                errors += 1;
            }
        }
    }
    assert!(errors <= 7, "each at most once");
    for (token, _) in &open {
        bench.find(*token, Ready::is_writable);
    }
}

pub(crate) fn a_number_used_again(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (first, first_peer) = unix();
    let (second, second_peer) = unix();
    // A number of our own, so that its owner is never in doubt.
    let number: RawFd = 700;
    dup_to(&first, number);
    drop(first);
    register(&mut bench, number, A);
    close(number);
    dup_to(&second, number);
    drop(second);
    register(&mut bench, number, B);

    drop(first_peer);
    send(&second_peer);
    bench.find(B, Ready::is_readable);
    for _ in 0..10 {
        let events = bench.wait(Duration::ZERO);
        assert!(events.iter().all(|event| event.token == B), "{events:?}");
    }
    bench.poller.deregister(number).expect("it is registered");
    close(number);
    bench.lasts(Duration::from_millis(20));
}

fn register(bench: &mut Bench, number: RawFd, token: Token) {
    bench.register(&borrow(number), token, Interest::READ);
}

#[allow(unsafe_code)]
fn borrow(number: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the case owns the number and closes it by hand.
    unsafe { BorrowedFd::borrow_raw(number) }
}

pub(crate) fn deregister_after_close(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, _there) = unix();
    let number = here.as_raw_fd();
    bench.register(&here, A, Interest::READ | Interest::WRITE);
    drop(here);
    if let Err(error) = bench.poller.deregister(number) {
        // It has forgotten it already.
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let error = bench.poller.deregister(number).expect_err("not registered");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    bench.lasts(Duration::from_millis(20));
}
