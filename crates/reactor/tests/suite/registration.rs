//! Registrations of sockets: readiness, waiting and waking.

use std::net::Shutdown;
use std::os::fd::AsFd;

use rustix::net::SendFlags;
use switchboard_reactor::plumbing::Sockets;
use switchboard_reactor::{Direction, Driver};

use crate::support::{Fixture, WakeCounter, drain, fill, send, take, tcp_pair, unix_pair};
use Direction::{Priority, Read, Write};

pub(crate) fn a_registration_is_ready_at_first(fixture: &Fixture) {
    let (here, _there) = unix_pair();
    let registration = fixture.register(here.as_fd());
    let ready = |direction| fixture.is_ready(registration, direction);
    assert_eq!([Read, Write, Priority].map(ready), [true, true, false]);
    fixture.drained(registration, Read, true);
    assert_eq!([Read, Write, Priority].map(ready), [false, true, false]);
    fixture.deregister(registration);
    assert!(!ready(Write));
    // A run does not wait for a registration without a callback.
    fixture.run_to_the_end();
}

pub(crate) fn an_event_wakes_a_waker_once(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let registration = fixture.register(here.as_fd());
    for _ in 0..3 {
        let (flag, waker) = WakeCounter::new();
        fixture.drained(registration, Read, true);
        fixture
            .wait_for(registration, here.as_fd(), Read, &waker)
            .expect("waiting succeeds");
        fixture.run_some_turns();
        if fixture.is_exact() {
            assert_eq!(flag.count(), 0);
            assert!(!fixture.is_ready(registration, Read));
        }
        send(&there);
        fixture.run_turns_until(|| flag.count() > 0);
        fixture.run_some_turns();
        assert_eq!(flag.count(), 1);
        assert!(fixture.is_ready(registration, Read));
        drain(&here);
    }
    fixture.deregister(registration);
}

pub(crate) fn an_event_wakes_every_waker(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let registration = fixture.register(here.as_fd());
    fixture.drained(registration, Read, true);
    let flags: Vec<_> = (0..4).map(|_| WakeCounter::new()).collect();
    for _ in 0..2 {
        for (_, waker) in &flags {
            fixture
                .wait_for(registration, here.as_fd(), Read, waker)
                .expect("waiting succeeds");
        }
    }
    send(&there);
    fixture.run_turns_until(|| flags[0].0.count() > 0);
    fixture.run_some_turns();
    assert!(flags.iter().all(|(flag, _)| flag.count() == 1));
    fixture.deregister(registration);
    assert!(flags.iter().all(|(flag, _)| flag.count() == 1));
}

pub(crate) fn the_directions_wait_independently(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let registration = fixture.register(here.as_fd());
    fill(&here);
    for direction in [Read, Write, Read] {
        let (flag, waker) = WakeCounter::new();
        let (_, other) = WakeCounter::new();
        let arm = || {
            for (side, waker) in [(direction, &waker), (opposite(direction), &other)] {
                fixture.drained(registration, side, true);
                fixture
                    .wait_for(registration, here.as_fd(), side, waker)
                    .expect("waiting succeeds");
            }
        };
        arm();
        if fixture.is_exact() {
            fixture.run_some_turns();
            assert_eq!(flag.count(), 0);
        }
        if direction == Read {
            send(&there);
        } else {
            drain(&there);
        }
        fixture.run_turns_until(|| flag.count() > 0);
        assert!(fixture.is_ready(registration, direction));
        drain(&here);
        fill(&here);
    }
    fixture.deregister(registration);
}

fn opposite(direction: Direction) -> Direction {
    if direction == Read { Write } else { Read }
}

/// Returns whether a short read ends readiness: true if an event would report everything that follows, the
/// end of input included.
fn short_is_all(driver: Driver) -> bool {
    let poller = driver.open().expect("the driver opens");
    !poller.has_edge() || poller.has_read_closed()
}

pub(crate) fn a_short_read_may_end_readiness(fixture: &Fixture) {
    let (here, _there) = unix_pair();
    let registration = fixture.register(here.as_fd());
    fixture.drained(registration, Read, false);
    assert_eq!(
        fixture.is_ready(registration, Read),
        !short_is_all(fixture.driver())
    );
    fixture.drained(registration, Read, true);
    assert!(!fixture.is_ready(registration, Read));
    fixture.drained(registration, Write, false);
    assert!(!fixture.is_ready(registration, Write));
    fixture.deregister(registration);
}

/// A reader that trusts the readiness of the registration finds the end of input, whether the end arrives
/// with the last bytes or after them.
pub(crate) fn the_end_of_input_is_always_found(fixture: &Fixture) {
    for bytes_first in [false, true] {
        let (here, there) = unix_pair();
        let registration = fixture.register(here.as_fd());
        let mut there = Some(there);
        let mut sum = 0;
        loop {
            if fixture.is_ready(registration, Read) {
                match take(&here, 64) {
                    Some(0) => break,
                    Some(count) => {
                        sum += count;
                        fixture.drained(registration, Read, false);
                        there = None;
                    }
                    None => fixture.drained(registration, Read, true),
                }
                continue;
            }
            let (flag, waker) = WakeCounter::new();
            fixture
                .wait_for(registration, here.as_fd(), Read, &waker)
                .expect("waiting succeeds");
            if let Some(there) = there.take() {
                send(&there);
                // In the second round the peer closes after the bytes were reported.
                if bytes_first {
                    fixture.run_turns_until(|| flag.count() > 0);
                }
            }
            fixture.run_turns_until(|| flag.count() > 0);
        }
        assert_eq!(sum, 4);
        fixture.deregister(registration);
    }
}

pub(crate) fn a_hang_up_keeps_both_directions_ready(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let registration = fixture.register(here.as_fd());
    send(&there);
    drop(there);
    for direction in [Read, Write] {
        fixture.drained(registration, direction, true);
    }
    let (flag, waker) = WakeCounter::new();
    fixture
        .wait_for(registration, here.as_fd(), Read, &waker)
        .expect("waiting succeeds");
    fixture.run_turns_until(|| flag.count() > 0);
    assert_eq!(take(&here, 64), Some(4));
    fixture.drained(registration, Read, false);
    if matches!(fixture.driver(), Driver::Poll | Driver::Epoll | Driver::Sim) {
        assert!(fixture.is_ready(registration, Read));
        assert!(fixture.is_ready(registration, Write));
        fixture.drained(registration, Write, false);
        assert!(fixture.is_ready(registration, Write));
    }
    fixture.deregister(registration);
}

pub(crate) fn a_half_close_keeps_reading_ready(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let registration = fixture.register(here.as_fd());
    send(&there);
    there
        .shutdown(Shutdown::Write)
        .expect("shutting down succeeds");
    fixture.drained(registration, Read, true);
    let (flag, waker) = WakeCounter::new();
    fixture
        .wait_for(registration, here.as_fd(), Read, &waker)
        .expect("waiting succeeds");
    fixture.run_turns_until(|| flag.count() > 0);
    assert_eq!(take(&here, 64), Some(4));
    fixture.drained(registration, Read, false);
    if matches!(fixture.driver(), Driver::Poll | Driver::Epoll | Driver::Sim) {
        assert!(fixture.is_ready(registration, Read));
    }
    // The half close does not affect writing.
    fixture.drained(registration, Write, false);
    assert!(!fixture.is_ready(registration, Write));
    fixture.deregister(registration);
}

/// A read ends before an urgent byte and is therefore short, although more bytes follow.
pub(crate) fn bytes_after_an_urgent_byte_are_read(fixture: &Fixture) {
    let (here, there) = tcp_pair();
    let registration = fixture.register(here.as_fd());
    fixture.drained(registration, Read, true);
    send(&there);
    assert_eq!(rustix::net::send(&there, b"!", SendFlags::OOB), Ok(1));
    send(&there);
    let mut sum = 0;
    while sum < 8 {
        if fixture.is_ready(registration, Read) {
            let count = take(&here, 64);
            sum += count.unwrap_or(0);
            fixture.drained(registration, Read, count.is_none());
            continue;
        }
        let (flag, waker) = WakeCounter::new();
        fixture
            .wait_for(registration, here.as_fd(), Read, &waker)
            .expect("waiting succeeds");
        fixture.run_turns_until(|| flag.count() > 0);
    }
    fixture.deregister(registration);
}

pub(crate) fn a_call_that_would_block_ends_readiness(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let registration = fixture.register(here.as_fd());
    drop(there);
    let (flag, waker) = WakeCounter::new();
    fixture
        .wait_for(registration, here.as_fd(), Read, &waker)
        .expect("waiting succeeds");
    fixture.run_turns_until(|| flag.count() > 0);
    assert!(fixture.is_ready(registration, Read));
    fixture.drained(registration, Read, true);
    assert!(!fixture.is_ready(registration, Read));
    fixture.deregister(registration);
}

/// A descriptor that is ready or has hung up causes no turns while no flow waits for it.
pub(crate) fn a_ready_descriptor_without_a_waiter_causes_no_turns(fixture: &Fixture) {
    let (here, there) = unix_pair();
    let registration = fixture.register(here.as_fd());
    let (flag, waker) = WakeCounter::new();
    fixture
        .wait_for(registration, here.as_fd(), Read, &waker)
        .expect("waiting succeeds");
    send(&there);
    fixture.run_turns_until(|| flag.count() > 0);
    // One turn is for the timer; the simulated kernel's spurious events cause more.
    let few = if fixture.is_exact() { 3 } else { 30 };
    assert!(fixture.turns_of_an_idle_run() <= few);
    drop(there);
    assert!(fixture.turns_of_an_idle_run() <= few);

    // The same after a flow has waited and was told about the hang-up.
    let (flag, waker) = WakeCounter::new();
    fixture.drained(registration, Read, true);
    fixture
        .wait_for(registration, here.as_fd(), Read, &waker)
        .expect("waiting succeeds");
    if !fixture
        .driver()
        .open()
        .expect("the driver opens")
        .has_edge()
    {
        fixture.run_turns_until(|| flag.count() > 0);
    }
    assert!(fixture.turns_of_an_idle_run() <= few);
    fixture.deregister(registration);
}

pub(crate) fn deregistering_wakes_the_waiters(fixture: &Fixture) {
    let (here, _there) = unix_pair();
    fill(&here);
    let registration = fixture.register(here.as_fd());
    let flags = [Read, Read, Write, Priority].map(|direction| {
        let (flag, waker) = WakeCounter::new();
        fixture.drained(registration, direction, true);
        fixture
            .wait_for(registration, here.as_fd(), direction, &waker)
            .expect("waiting succeeds");
        flag
    });
    fixture.deregister(registration);
    assert!(flags.iter().all(|flag| flag.count() == 1));
    // These do nothing, because the registration has ended.
    fixture.deregister(registration);
    fixture.drained(registration, Read, true);
}
