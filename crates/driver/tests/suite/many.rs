//! Many descriptors, and descriptors with high numbers.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use switchboard_driver::{Driver, Interest, Mode, Ready, Token};

use crate::support::{A, Fixture, send, unix};

pub(crate) fn six_hundred_descriptors_are_all_reported(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let pairs: Vec<_> = (0..300).map(|_| unix()).collect();
    let mut waiting = HashSet::new();
    for (nth, (left, right)) in pairs.iter().enumerate() {
        fixture.register(left, Token(2 * nth), Interest::WRITE);
        fixture.register(right, Token(2 * nth + 1), Interest::WRITE);
        waiting.extend([2 * nth, 2 * nth + 1]);
    }
    for _ in 0..20 {
        for event in fixture.wait(Duration::from_secs(1)) {
            waiting.remove(&event.token.0);
        }
    }
    assert!(waiting.is_empty(), "never reported: {waiting:?}");

    for (left, right) in &pairs {
        fixture.deregister(left);
        fixture.modify(right, Token(7), Interest::READ, Mode::Level);
    }
    fixture.assert_quiet();
}

pub(crate) fn only_select_rejects_descriptors_past_fd_setsize(driver: Driver) {
    let limit = getrlimit(Resource::Nofile);
    let enough = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, enough).expect("raising the soft limit succeeds");

    let mut fixture = Fixture::new(driver);
    let (here, there) = unix();
    let high = rustix::io::fcntl_dupfd_cloexec(&here, 1500)
        .expect("this test needs a hard limit of more than 1500 open files");
    send(&there);
    if driver != Driver::Select {
        fixture.register(&high, A, Interest::READ);
        fixture.wait_for(A, Ready::is_readable);
        fixture.deregister(&high);
        fixture.assert_quiet();
        return;
    }
    let error = fixture
        .poller
        .register(high.as_fd(), A, Interest::READ, Mode::Level)
        .expect_err("select rejects descriptors from 1024 on");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        format!(
            "select cannot watch descriptor 1500: its limit is FD_SETSIZE = 1024 descriptors; \
             use the `{}` driver",
            Driver::best()
        )
    );
    let error = fixture
        .poller
        .modify(high.as_fd(), A, Interest::READ, Mode::Level)
        .expect_err("not registered");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    fixture.assert_quiet();
}
