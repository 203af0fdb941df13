//! Edge mode: a descriptor is reported once each time it becomes ready, or the mode is rejected.

use std::io::ErrorKind;
use std::os::fd::AsFd;

use switchboard_driver::{Driver, Interest, Mode, Ready};

use crate::support::{A, B, Fixture, drain, send, unix};

/// Returns a fixture if the driver has edge mode; else checks that the driver rejects it.
pub(crate) fn edge_fixture(driver: Driver) -> Option<Fixture> {
    let mut fixture = Fixture::new(driver);
    if fixture.poller.has_edge() {
        return Some(fixture);
    }
    let (here, _there) = unix();
    let fd = here.as_fd();
    let error = fixture
        .poller
        .register(fd, A, Interest::READ, Mode::Edge)
        .expect_err("edge mode is rejected");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let text = error.to_string();
    assert!(text.contains(driver.name()) && text.contains(Driver::best().name()));

    fixture.register(&here, A, Interest::READ);
    let error = fixture
        .poller
        .modify(fd, A, Interest::READ, Mode::Edge)
        .expect_err("edge mode is rejected");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    None
}

/// Checks that an edge is not reported again. The simulated kernel may add a spurious one.
fn assert_reported_once(fixture: &mut Fixture) {
    if fixture.driver() != Driver::Sim {
        fixture.assert_quiet();
    }
}

pub(crate) fn each_arrival_is_reported_once(driver: Driver) {
    let Some(mut fixture) = edge_fixture(driver) else {
        return;
    };
    let (here, there) = unix();
    fixture.register_as(&here, A, Interest::READ, Mode::Edge);
    fixture.assert_quiet();

    // A new arrival is an edge, whether earlier bytes have been read or not.
    for sum in [4, 8] {
        send(&there);
        fixture.wait_for(A, Ready::is_readable);
        assert_reported_once(&mut fixture);
        if sum == 8 {
            assert_eq!(drain(&here), sum);
        }
    }
    send(&there);
    fixture.wait_for(A, Ready::is_readable);
    assert_eq!(drain(&here), 4);
    fixture.assert_quiet();
}

pub(crate) fn a_ready_descriptor_is_reported_when_registered(driver: Driver) {
    let Some(mut fixture) = edge_fixture(driver) else {
        return;
    };
    let (here, there) = unix();
    send(&there);
    for _ in 0..2 {
        fixture.register_as(&here, A, Interest::READ | Interest::WRITE, Mode::Edge);
        let mut seen = Ready::NONE;
        while !(seen.is_readable() && seen.is_writable()) {
            seen |= fixture.wait_for(A, |_| true);
        }
        assert_reported_once(&mut fixture);
        fixture.deregister(&here);
    }
}

pub(crate) fn a_ready_descriptor_is_reported_when_modified(driver: Driver) {
    let Some(mut fixture) = edge_fixture(driver) else {
        return;
    };
    let (here, there) = unix();
    send(&there);
    fixture.register_as(&here, A, Interest::READ, Mode::Edge);
    fixture.wait_for(A, Ready::is_readable);
    assert_reported_once(&mut fixture);
    fixture.modify(&here, B, Interest::READ, Mode::Edge);
    fixture.wait_for(B, Ready::is_readable);
    assert_reported_once(&mut fixture);
    fixture.modify(&here, B, Interest::NONE, Mode::Edge);
    fixture.assert_quiet();
    fixture.modify(&here, A, Interest::WRITE, Mode::Edge);
    assert!(
        !fixture
            .wait_for(A, Ready::is_writable)
            .contains(Ready::READ)
    );
}

pub(crate) fn level_and_edge_mode_can_be_mixed(driver: Driver) {
    let Some(mut fixture) = edge_fixture(driver) else {
        return;
    };
    let (level, to_level) = unix();
    let (edge, to_edge) = unix();
    fixture.register(&level, A, Interest::READ);
    fixture.register_as(&edge, B, Interest::READ, Mode::Edge);
    send(&to_level);
    send(&to_edge);
    fixture.wait_for(B, Ready::is_readable);
    for _ in 0..3 {
        fixture.wait_for(A, Ready::is_readable);
    }
    // A registration can change from edge to level mode.
    fixture.modify(&edge, B, Interest::READ, Mode::Level);
    for _ in 0..3 {
        fixture.wait_for(B, Ready::is_readable);
    }
}
