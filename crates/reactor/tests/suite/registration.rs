//! What sockets wait with: the states of a registration.

use std::net::Shutdown;
use std::os::fd::AsFd;

use rustix::net::SendFlags;
use switchboard_reactor::plumbing::Sockets;
use switchboard_reactor::{Direction, Driver};

use crate::kit::{Bench, Flag, drain, fill, send, take, tcp, unix};
use Direction::{Priority, Read, Write};

pub(crate) fn starts_ready(bench: &Bench) {
    let (here, _there) = unix();
    let registration = bench.register(here.as_fd());
    let ready = |direction| bench.is_ready(registration, direction);
    assert_eq!([Read, Write, Priority].map(ready), [true, true, false]);
    bench.drained(registration, Read, true);
    assert_eq!([Read, Write, Priority].map(ready), [false, true, false]);
    bench.deregister(registration);
    assert!(!ready(Write));
    // A registration keeps no run going.
    bench.run_out();
}

pub(crate) fn wakes_once(bench: &Bench) {
    let (here, there) = unix();
    let registration = bench.register(here.as_fd());
    for _ in 0..3 {
        let (flag, waker) = Flag::new();
        bench.drained(registration, Read, true);
        bench
            .wait_for(registration, here.as_fd(), Read, &waker)
            .expect("a wait");
        bench.few_turns();
        if bench.is_exact() {
            assert_eq!(flag.count(), 0);
            assert!(!bench.is_ready(registration, Read));
        }
        send(&there);
        bench.until(|| flag.count() > 0);
        bench.few_turns();
        assert_eq!(flag.count(), 1);
        assert!(bench.is_ready(registration, Read));
        drain(&here);
    }
    bench.deregister(registration);
}

pub(crate) fn several_wakers(bench: &Bench) {
    let (here, there) = unix();
    let registration = bench.register(here.as_fd());
    bench.drained(registration, Read, true);
    let flags: Vec<_> = (0..4).map(|_| Flag::new()).collect();
    for _ in 0..2 {
        for (_, waker) in &flags {
            bench
                .wait_for(registration, here.as_fd(), Read, waker)
                .expect("a wait");
        }
    }
    send(&there);
    bench.until(|| flags[0].0.count() > 0);
    bench.few_turns();
    assert!(flags.iter().all(|(flag, _)| flag.count() == 1));
    bench.deregister(registration);
    assert!(flags.iter().all(|(flag, _)| flag.count() == 1));
}

pub(crate) fn both_directions(bench: &Bench) {
    let (here, there) = unix();
    let registration = bench.register(here.as_fd());
    fill(&here);
    for direction in [Read, Write, Read] {
        let (flag, waker) = Flag::new();
        let (_, other) = Flag::new();
        let arm = || {
            for (side, waker) in [(direction, &waker), (opposite(direction), &other)] {
                bench.drained(registration, side, true);
                bench
                    .wait_for(registration, here.as_fd(), side, waker)
                    .expect("a wait");
            }
        };
        arm();
        if bench.is_exact() {
            bench.few_turns();
            assert_eq!(flag.count(), 0);
        }
        if direction == Read {
            send(&there);
        } else {
            drain(&there);
        }
        bench.until(|| flag.count() > 0);
        assert!(bench.is_ready(registration, direction));
        drain(&here);
        fill(&here);
    }
    bench.deregister(registration);
}

fn opposite(direction: Direction) -> Direction {
    if direction == Read { Write } else { Read }
}

/// Whether a short read leaves nothing, the end of input included, that no event would tell.
fn short_is_all(driver: Driver) -> bool {
    let poller = driver.open().expect("it opens");
    !poller.has_edge() || poller.has_read_closed()
}

pub(crate) fn a_short_read(bench: &Bench) {
    let (here, _there) = unix();
    let registration = bench.register(here.as_fd());
    bench.drained(registration, Read, false);
    assert_eq!(
        bench.is_ready(registration, Read),
        !short_is_all(bench.driver())
    );
    bench.drained(registration, Read, true);
    assert!(!bench.is_ready(registration, Read));
    bench.drained(registration, Write, false);
    assert!(!bench.is_ready(registration, Write));
    bench.deregister(registration);
}

/// A reader that believes the registration finds the end behind the last bytes, however they came.
pub(crate) fn the_end_is_always_found(bench: &Bench) {
    for bytes_first in [false, true] {
        let (here, there) = unix();
        let registration = bench.register(here.as_fd());
        let mut there = Some(there);
        let mut sum = 0;
        loop {
            if bench.is_ready(registration, Read) {
                match take(&here, 64) {
                    Some(0) => break,
                    Some(count) => {
                        sum += count;
                        bench.drained(registration, Read, false);
                        there = None;
                    }
                    None => bench.drained(registration, Read, true),
                }
                continue;
            }
            let (flag, waker) = Flag::new();
            bench
                .wait_for(registration, here.as_fd(), Read, &waker)
                .expect("a wait");
            if let Some(there) = there.take() {
                send(&there);
                // Open until the bytes are read, or gone with them.
                if bytes_first {
                    bench.until(|| flag.count() > 0);
                }
            }
            bench.until(|| flag.count() > 0);
        }
        assert_eq!(sum, 4);
        bench.deregister(registration);
    }
}

pub(crate) fn a_hang_up_sticks(bench: &Bench) {
    let (here, there) = unix();
    let registration = bench.register(here.as_fd());
    send(&there);
    drop(there);
    for direction in [Read, Write] {
        bench.drained(registration, direction, true);
    }
    let (flag, waker) = Flag::new();
    bench
        .wait_for(registration, here.as_fd(), Read, &waker)
        .expect("a wait");
    bench.until(|| flag.count() > 0);
    assert_eq!(take(&here, 64), Some(4));
    bench.drained(registration, Read, false);
    if matches!(bench.driver(), Driver::Poll | Driver::Epoll | Driver::Sim) {
        assert!(bench.is_ready(registration, Read));
        assert!(bench.is_ready(registration, Write));
        bench.drained(registration, Write, false);
        assert!(bench.is_ready(registration, Write));
    }
    bench.deregister(registration);
}

pub(crate) fn half_a_close_sticks(bench: &Bench) {
    let (here, there) = unix();
    let registration = bench.register(here.as_fd());
    send(&there);
    there.shutdown(Shutdown::Write).expect("its half is shut");
    bench.drained(registration, Read, true);
    let (flag, waker) = Flag::new();
    bench
        .wait_for(registration, here.as_fd(), Read, &waker)
        .expect("a wait");
    bench.until(|| flag.count() > 0);
    assert_eq!(take(&here, 64), Some(4));
    bench.drained(registration, Read, false);
    if matches!(bench.driver(), Driver::Poll | Driver::Epoll | Driver::Sim) {
        assert!(bench.is_ready(registration, Read));
    }
    // The other half is as it was.
    bench.drained(registration, Write, false);
    assert!(!bench.is_ready(registration, Write));
    bench.deregister(registration);
}

/// A read that stops at the mark of an urgent byte looks short, and yet there is more.
pub(crate) fn a_read_stops_at_the_mark(bench: &Bench) {
    let (here, there) = tcp();
    let registration = bench.register(here.as_fd());
    bench.drained(registration, Read, true);
    send(&there);
    assert_eq!(rustix::net::send(&there, b"!", SendFlags::OOB), Ok(1));
    send(&there);
    let mut sum = 0;
    while sum < 8 {
        if bench.is_ready(registration, Read) {
            let count = take(&here, 64);
            sum += count.unwrap_or(0);
            bench.drained(registration, Read, count.is_none());
            continue;
        }
        let (flag, waker) = Flag::new();
        bench
            .wait_for(registration, here.as_fd(), Read, &waker)
            .expect("a wait");
        bench.until(|| flag.count() > 0);
    }
    bench.deregister(registration);
}

pub(crate) fn would_block_is_believed(bench: &Bench) {
    let (here, there) = unix();
    let registration = bench.register(here.as_fd());
    drop(there);
    let (flag, waker) = Flag::new();
    bench
        .wait_for(registration, here.as_fd(), Read, &waker)
        .expect("a wait");
    bench.until(|| flag.count() > 0);
    assert!(bench.is_ready(registration, Read));
    bench.drained(registration, Read, true);
    assert!(!bench.is_ready(registration, Read));
    bench.deregister(registration);
}

/// What is ready, or has hung up, costs no turns while nobody asks for it.
pub(crate) fn quiet_while_nobody_waits(bench: &Bench) {
    let (here, there) = unix();
    let registration = bench.register(here.as_fd());
    let (flag, waker) = Flag::new();
    bench
        .wait_for(registration, here.as_fd(), Read, &waker)
        .expect("a wait");
    send(&there);
    bench.until(|| flag.count() > 0);
    // One for the timer, and for the simulated kernel's inventions some more.
    let few = if bench.is_exact() { 3 } else { 30 };
    assert!(bench.turns_of_an_idle_run() <= few);
    drop(there);
    assert!(bench.turns_of_an_idle_run() <= few);

    // Somebody came to know of the hang-up; then again nobody waits.
    let (flag, waker) = Flag::new();
    bench.drained(registration, Read, true);
    bench
        .wait_for(registration, here.as_fd(), Read, &waker)
        .expect("a wait");
    if !bench.driver().open().expect("it opens").has_edge() {
        bench.until(|| flag.count() > 0);
    }
    assert!(bench.turns_of_an_idle_run() <= few);
    bench.deregister(registration);
}

pub(crate) fn deregistering_wakes_waiters(bench: &Bench) {
    let (here, _there) = unix();
    fill(&here);
    let registration = bench.register(here.as_fd());
    let flags = [Read, Read, Write, Priority].map(|direction| {
        let (flag, waker) = Flag::new();
        bench.drained(registration, direction, true);
        bench
            .wait_for(registration, here.as_fd(), direction, &waker)
            .expect("a wait");
        flag
    });
    bench.deregister(registration);
    assert!(flags.iter().all(|flag| flag.count() == 1));
    // Nobody is there any more.
    bench.deregister(registration);
    bench.drained(registration, Read, true);
}
