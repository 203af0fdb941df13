//! How long a wait lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use switchboard_driver::{Driver, Interest, Ready};

use crate::kit::{A, Bench, send, signal, this_thread, unix};

pub(crate) fn zero_does_not_wait(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, there) = unix();
    bench.register(&here, A, Interest::READ);
    let start = (Instant::now(), bench.poller.now());
    for _ in 0..100 {
        assert_eq!(bench.wait(Duration::ZERO), []);
    }
    assert!(start.0.elapsed() < Duration::from_secs(5));
    if driver == Driver::Sim {
        assert_eq!(bench.poller.now(), start.1);
    }
    send(&there);
    while bench.wait(Duration::ZERO).is_empty() {}
}

pub(crate) fn never_shorter_than_asked(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, _there) = unix();
    bench.register(&here, A, Interest::READ);
    for micros in [1, 999, 1_000, 1_500, 20_000] {
        for _ in 0..5 {
            bench.lasts(Duration::from_micros(micros));
        }
    }
}

/// A timeout that no clock can hold ends like any other when something is ready.
pub(crate) fn the_longest_timeout(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, there) = unix();
    bench.register(&here, A, Interest::READ);
    send(&there);
    for timeout in [
        Duration::MAX,
        Duration::from_secs(u64::MAX / 2),
        Duration::from_secs(1 << 32),
    ] {
        while bench.wait(timeout).is_empty() {}
    }
}

pub(crate) fn signals_do_not_end_a_wait(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, there) = unix();
    bench.register(&here, A, Interest::READ);

    let caught = Arc::new(AtomicBool::new(false));
    let handler = signal_hook::flag::register(libc::SIGUSR1, caught.clone()).expect("a handler");
    let over = AtomicBool::new(false);
    // Dropped by a panic too, or the scope would wait for ever.
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
                // The pace of the signals; nothing waits for it.
                thread::sleep(Duration::from_millis(3));
            }
        });
        let _over = Over(&over);
        bench.lasts(Duration::from_millis(100));
        if driver != Driver::Sim {
            assert!(caught.load(Ordering::Acquire));
        }
        // What is ready is still reported under the same hail.
        send(&there);
        bench.find(A, Ready::is_readable);
    });
    signal_hook::low_level::unregister(handler);
}
