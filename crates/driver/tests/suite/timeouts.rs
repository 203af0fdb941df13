//! The duration of a wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use switchboard_driver::{Driver, Interest, Ready};

use crate::support::{A, Fixture, send, signal, this_thread, unix};

pub(crate) fn a_zero_timeout_does_not_block(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, there) = unix();
    fixture.register(&here, A, Interest::READ);
    let start = fixture.poller.now();
    // A busy machine may be slow, but not each time.
    let is_quick = (0..10).any(|_| {
        let start = Instant::now();
        for _ in 0..100 {
            assert_eq!(fixture.wait(Duration::ZERO), []);
        }
        start.elapsed() < Duration::from_secs(5)
    });
    assert!(is_quick);
    if driver == Driver::Sim {
        assert_eq!(fixture.poller.now(), start);
    }
    send(&there);
    while fixture.wait(Duration::ZERO).is_empty() {}
}

pub(crate) fn a_wait_is_never_shorter_than_its_timeout(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, _there) = unix();
    fixture.register(&here, A, Interest::READ);
    for micros in [1, 999, 1_000, 1_500, 20_000] {
        for _ in 0..5 {
            fixture.assert_lasts(Duration::from_micros(micros));
        }
    }
}

/// A wait whose timeout no clock can represent ends when a descriptor is ready.
pub(crate) fn the_longest_timeouts_are_accepted(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, there) = unix();
    fixture.register(&here, A, Interest::READ);
    send(&there);
    for timeout in [
        Duration::MAX,
        Duration::from_secs(u64::MAX / 2),
        Duration::from_secs(1 << 32),
    ] {
        while fixture.wait(timeout).is_empty() {}
    }
}

pub(crate) fn signals_do_not_end_a_wait(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, there) = unix();
    fixture.register(&here, A, Interest::READ);

    let handled = Arc::new(AtomicBool::new(false));
    let handler = signal_hook::flag::register(libc::SIGUSR1, handled.clone())
        .expect("the handler is installed");
    let over = AtomicBool::new(false);
    // Set on a panic too, since the scope would otherwise never end.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let sleeper = this_thread();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                signal(sleeper);
                // The interval between signals; nothing depends on its length.
                thread::sleep(Duration::from_millis(3));
            }
        });
        let _over = Over(&over);
        // The thread that sends runs from here on.
        while !handled.load(Ordering::Acquire) {
            thread::yield_now();
        }
        fixture.assert_lasts(Duration::from_millis(100));
        // A ready descriptor is still reported while signals come.
        send(&there);
        fixture.wait_for(A, Ready::is_readable);
    });
    signal_hook::low_level::unregister(handler);
}
