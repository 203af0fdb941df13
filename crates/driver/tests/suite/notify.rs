//! Notifications from other threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use switchboard_driver::{Driver, Interest, Ready};

use crate::support::{A, Fixture, send, unix};

const PAUSE: Duration = Duration::from_millis(20);

/// Waits without a timeout, so that only a notification can end the wait, and expects no event.
fn assert_notified(fixture: &mut Fixture) {
    let mut events = Vec::new();
    fixture
        .poller
        .wait(&mut events, None)
        .expect("the wait succeeds");
    assert_eq!(events, []);
}

pub(crate) fn a_notification_before_a_wait_ends_it(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let notifier = fixture.poller.notifier();
    for _ in 0..3 {
        notifier.clone().notify();
        assert_notified(&mut fixture);
        fixture.assert_lasts(PAUSE);
    }
}

pub(crate) fn a_notification_during_a_wait_ends_it(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let notifier = fixture.poller.notifier();
    for _ in 0..20 {
        thread::scope(|scope| {
            scope.spawn(|| notifier.notify());
            assert_notified(&mut fixture);
        });
    }
    fixture.assert_lasts(PAUSE);
}

pub(crate) fn a_thousand_notifications_end_one_wait(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let notifier = fixture.poller.notifier();
    for _ in 0..1000 {
        notifier.notify();
    }
    assert_notified(&mut fixture);
    fixture.assert_lasts(PAUSE);
}

pub(crate) fn a_notification_does_not_hide_an_event(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, there) = unix();
    fixture.register(&here, A, Interest::READ);
    send(&there);
    for _ in 0..3 {
        fixture.poller.notifier().notify();
        assert!(
            fixture
                .wait_for(A, Ready::is_readable)
                .contains(Ready::READ)
        );
    }
}

/// Four threads count and notify; after its last wait, the waiting thread sees the full count.
pub(crate) fn no_notification_is_lost(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let notifier = fixture.poller.notifier();
    let count = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    count.fetch_add(1, Ordering::Release);
                    notifier.notify();
                }
            });
        }
        while count.load(Ordering::Acquire) < 4000 {
            assert_notified(&mut fixture);
        }
    });
}

pub(crate) fn a_notifier_outlives_its_poller(driver: Driver) {
    let fixture = Fixture::new(driver);
    let notifier = fixture.poller.notifier();
    notifier.notify();
    drop(fixture);
    notifier.notify();
    thread::spawn(move || notifier.clone().notify())
        .join()
        .expect("notifying has no effect");
}
