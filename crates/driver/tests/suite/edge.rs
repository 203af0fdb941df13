//! Edge mode: reported once each time it becomes ready, or refused.

use std::io::ErrorKind;
use std::os::fd::AsFd;

use switchboard_driver::{Driver, Interest, Mode, Ready};

use crate::kit::{A, B, Bench, drain, send, unix};

/// A bench of a driver with edge mode. Of one without, none, once it was seen to refuse it.
pub(crate) fn bench(driver: Driver) -> Option<Bench> {
    let mut bench = Bench::new(driver);
    if bench.poller.has_edge() {
        return Some(bench);
    }
    let (here, _there) = unix();
    let fd = here.as_fd();
    let error = bench
        .poller
        .register(fd, A, Interest::READ, Mode::Edge)
        .expect_err("there is no edge mode");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let text = error.to_string();
    assert!(text.contains(driver.name()) && text.contains(Driver::best().name()));

    bench.register(&here, A, Interest::READ);
    let error = bench
        .poller
        .modify(fd, A, Interest::READ, Mode::Edge)
        .expect_err("there is no edge mode");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    None
}

/// Checks that an edge is not reported again. The simulated kernel may invent one.
fn spent(bench: &mut Bench) {
    if bench.driver() != Driver::Sim {
        bench.quiet();
    }
}

pub(crate) fn once_for_each_arrival(driver: Driver) {
    let Some(mut bench) = bench(driver) else {
        return;
    };
    let (here, there) = unix();
    bench.register_as(&here, A, Interest::READ, Mode::Edge);
    bench.quiet();

    // A new arrival is an edge, whether what came before was taken or not.
    for sum in [4, 8] {
        send(&there);
        bench.find(A, Ready::is_readable);
        spent(&mut bench);
        if sum == 8 {
            assert_eq!(drain(&here), sum);
        }
    }
    send(&there);
    bench.find(A, Ready::is_readable);
    assert_eq!(drain(&here), 4);
    bench.quiet();
}

pub(crate) fn at_registration_if_ready(driver: Driver) {
    let Some(mut bench) = bench(driver) else {
        return;
    };
    let (here, there) = unix();
    send(&there);
    for _ in 0..2 {
        bench.register_as(&here, A, Interest::READ | Interest::WRITE, Mode::Edge);
        let mut seen = Ready::NONE;
        while !(seen.is_readable() && seen.is_writable()) {
            seen |= bench.find(A, |_| true);
        }
        spent(&mut bench);
        bench.deregister(&here);
    }
}

pub(crate) fn at_modification_if_ready(driver: Driver) {
    let Some(mut bench) = bench(driver) else {
        return;
    };
    let (here, there) = unix();
    send(&there);
    bench.register_as(&here, A, Interest::READ, Mode::Edge);
    bench.find(A, Ready::is_readable);
    spent(&mut bench);
    bench.modify(&here, B, Interest::READ, Mode::Edge);
    bench.find(B, Ready::is_readable);
    spent(&mut bench);
    bench.modify(&here, B, Interest::NONE, Mode::Edge);
    bench.quiet();
    bench.modify(&here, A, Interest::WRITE, Mode::Edge);
    assert!(!bench.find(A, Ready::is_writable).contains(Ready::READ));
}

pub(crate) fn modes_side_by_side(driver: Driver) {
    let Some(mut bench) = bench(driver) else {
        return;
    };
    let (level, to_level) = unix();
    let (edge, to_edge) = unix();
    bench.register(&level, A, Interest::READ);
    bench.register_as(&edge, B, Interest::READ, Mode::Edge);
    send(&to_level);
    send(&to_edge);
    bench.find(B, Ready::is_readable);
    for _ in 0..3 {
        bench.find(A, Ready::is_readable);
    }
    // And from one to the other.
    bench.modify(&edge, B, Interest::READ, Mode::Level);
    for _ in 0..3 {
        bench.find(B, Ready::is_readable);
    }
}
