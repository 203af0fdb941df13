//! Many descriptors, and high numbers.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use switchboard_driver::{Driver, Interest, Mode, Ready, Token};

use crate::kit::{A, Bench, send, unix};

pub(crate) fn six_hundred_at_once(driver: Driver) {
    let mut bench = Bench::new(driver);
    let pairs: Vec<_> = (0..300).map(|_| unix()).collect();
    let mut waiting = HashSet::new();
    for (nth, (left, right)) in pairs.iter().enumerate() {
        bench.register(left, Token(2 * nth), Interest::WRITE);
        bench.register(right, Token(2 * nth + 1), Interest::WRITE);
        waiting.extend([2 * nth, 2 * nth + 1]);
    }
    for _ in 0..20 {
        for event in bench.wait(Duration::from_secs(1)) {
            waiting.remove(&event.token.0);
        }
    }
    assert!(waiting.is_empty(), "never reported: {waiting:?}");

    for (left, right) in &pairs {
        bench.deregister(left);
        bench.modify(right, Token(7), Interest::READ, Mode::Level);
    }
    bench.quiet();
}

pub(crate) fn past_fd_setsize(driver: Driver) {
    let limit = getrlimit(Resource::Nofile);
    let enough = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, enough).expect("the soft limit may be raised to the hard one");

    let mut bench = Bench::new(driver);
    let (here, there) = unix();
    let high = rustix::io::fcntl_dupfd_cloexec(&here, 1500)
        .expect("this case needs a hard limit of more than 1500 open files");
    send(&there);
    if driver != Driver::Select {
        bench.register(&high, A, Interest::READ);
        bench.find(A, Ready::is_readable);
        bench.deregister(&high);
        bench.quiet();
        return;
    }
    let error = bench
        .poller
        .register(high.as_fd(), A, Interest::READ, Mode::Level)
        .expect_err("an fd_set ends at 1024");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        format!(
            "select cannot watch descriptor 1500: its limit is FD_SETSIZE = 1024 descriptors; \
             use the `{}` driver",
            Driver::best()
        )
    );
    let error = bench
        .poller
        .modify(high.as_fd(), A, Interest::READ, Mode::Level)
        .expect_err("not registered");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    bench.quiet();
}
