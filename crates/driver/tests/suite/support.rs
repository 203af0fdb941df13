//! Helpers that the cases share.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use switchboard_driver::{Driver, Event, Interest, Mode, Poller, Ready, Token};

pub(crate) const A: Token = Token(1);
pub(crate) const B: Token = Token(2);

/// Serializes the tests: descriptors belong to the whole process, and some cases close one and rely
/// on it staying closed.
pub(crate) fn exclusive() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether this platform lacks the driver; then checks the error.
pub(crate) fn is_unsupported(driver: Driver) -> bool {
    if !matches!(driver, Driver::Epoll | Driver::Uring)
        || cfg!(any(target_os = "linux", target_os = "android"))
    {
        return false;
    }
    let error = driver.open().err().expect("this platform lacks the driver");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains(Driver::best().name()));
    true
}

/// A poller under test, with a record of its registrations.
pub(crate) struct Fixture {
    pub(crate) poller: Box<dyn Poller>,
    registered: HashMap<Token, (RawFd, Interest)>,
}

impl Fixture {
    pub(crate) fn new(driver: Driver) -> Fixture {
        Fixture {
            poller: driver.open().expect("the driver opens"),
            registered: HashMap::new(),
        }
    }

    pub(crate) fn driver(&self) -> Driver {
        self.poller.driver()
    }

    pub(crate) fn register(&mut self, fd: &impl AsFd, token: Token, interest: Interest) {
        self.register_as(fd, token, interest, Mode::Level);
    }

    pub(crate) fn register_as(
        &mut self,
        fd: &impl AsFd,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) {
        self.poller
            .register(fd.as_fd(), token, interest, mode)
            .expect("registering succeeds");
        self.record(fd, token, interest);
    }

    pub(crate) fn modify(&mut self, fd: &impl AsFd, token: Token, interest: Interest, mode: Mode) {
        self.poller
            .modify(fd.as_fd(), token, interest, mode)
            .expect("modifying succeeds");
        self.record(fd, token, interest);
    }

    pub(crate) fn deregister(&mut self, fd: &impl AsFd) {
        let fd = fd.as_fd().as_raw_fd();
        self.poller.deregister(fd).expect("deregistering succeeds");
        self.registered.retain(|_, (known, _)| *known != fd);
    }

    fn record(&mut self, fd: &impl AsFd, token: Token, interest: Interest) {
        let fd = fd.as_fd().as_raw_fd();
        self.registered.retain(|_, (known, _)| *known != fd);
        self.registered.insert(token, (fd, interest));
    }

    /// Waits once. Spurious events of the simulated kernel, which poll(2) does not confirm, are left out.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        self.poller
            .wait(&mut events, Some(timeout))
            .expect("the wait succeeds");
        if self.driver() == Driver::Sim {
            events.retain(|event| {
                let (fd, interest) = self.registered[&event.token];
                poll_now(fd, interest).intersects(event.ready)
            });
        }
        events
    }

    /// Waits until `token` is reported with readiness that `wanted` accepts; ignores other events.
    pub(crate) fn wait_for(&mut self, token: Token, wanted: impl Fn(Ready) -> bool) -> Ready {
        let end = Instant::now() + Duration::from_secs(600);
        loop {
            for event in self.wait(Duration::from_secs(1)) {
                if event.token == token && wanted(event.ready) {
                    return event.ready;
                }
            }
            assert!(
                Instant::now() < end,
                "{}: {token:?} is not reported as expected",
                self.driver()
            );
            // The simulated kernel does not wait for the real one's network.
            std::thread::yield_now();
        }
    }

    /// Checks that nothing is reported.
    pub(crate) fn assert_quiet(&mut self) {
        for _ in 0..4 {
            assert_eq!(self.wait(Duration::ZERO), [], "{}", self.driver());
        }
    }

    /// Checks that a wait lasts for `time` and reports nothing.
    pub(crate) fn assert_lasts(&mut self, time: Duration) {
        let start = self.poller.now();
        // The simulated kernel may end a wait with a spurious event; then the test waits again.
        loop {
            let left = time.saturating_sub(self.poller.now() - start);
            let mut events = Vec::new();
            self.poller
                .wait(&mut events, Some(left))
                .expect("the wait succeeds");
            if self.driver() == Driver::Sim && !events.is_empty() {
                continue;
            }
            assert_eq!(events, [], "{}", self.driver());
            break;
        }
        let elapsed = self.poller.now() - start;
        assert!(elapsed >= time, "{}: {elapsed:?} < {time:?}", self.driver());
    }
}

/// Returns the readiness of `fd` that poll(2) reports now.
pub(crate) fn poll_now(fd: RawFd, interest: Interest) -> Ready {
    let mut entry = libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    };
    if interest.contains(Interest::READ) {
        entry.events |= libc::POLLIN;
    }
    if interest.contains(Interest::WRITE) {
        entry.events |= libc::POLLOUT;
    }
    if interest.contains(Interest::PRIORITY) {
        entry.events |= libc::POLLPRI;
    }
    // SAFETY: the pointer is to one pollfd, which outlives the call.
    assert!(unsafe { libc::poll(&mut entry, 1, 0) } >= 0);
    let mut ready = Ready::NONE;
    for (flag, meaning) in [
        (libc::POLLIN, Ready::READ),
        (libc::POLLOUT, Ready::WRITE),
        (libc::POLLPRI, Ready::PRIORITY),
        (libc::POLLHUP, Ready::HANG_UP),
        (libc::POLLERR, Ready::ERROR),
    ] {
        if entry.revents & flag != 0 {
            ready |= meaning;
        }
    }
    ready
}

/// Waits until poll(2) reports `ready`, since the effect of a peer's call may take time.
pub(crate) fn wait_until_ready(fd: &impl AsFd, ready: Ready) {
    let end = Instant::now() + Duration::from_secs(600);
    while !poll_now(fd.as_fd().as_raw_fd(), Interest::READ).contains(ready) {
        assert!(Instant::now() < end, "the socket never becomes {ready:?}");
        std::thread::yield_now();
    }
}

/// Closes a descriptor that has no other owner.
pub(crate) fn close(fd: RawFd) {
    // SAFETY: the caller opened the descriptor and owns it.
    assert_eq!(unsafe { libc::close(fd) }, 0);
}

/// Duplicates `fd` to `number`, which the caller must close.
pub(crate) fn dup_to(fd: &impl AsFd, number: RawFd) {
    // SAFETY: the caller owns `number`, unless it is not open.
    let duplicate = unsafe { libc::dup2(fd.as_fd().as_raw_fd(), number) };
    assert_eq!(duplicate, number);
}

/// Sends SIGUSR1 to a thread.
pub(crate) fn signal(thread: libc::pthread_t) {
    // SAFETY: the caller keeps the thread alive, and the signal has a handler.
    assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGUSR1) }, 0);
}

pub(crate) fn this_thread() -> libc::pthread_t {
    // SAFETY: the call has no preconditions.
    unsafe { libc::pthread_self() }
}

/// Returns the two ends of a Unix socket, in non-blocking mode.
pub(crate) fn unix() -> (UnixStream, UnixStream) {
    let (left, right) = UnixStream::pair().expect("the socket pair opens");
    left.set_nonblocking(true)
        .expect("non-blocking mode is set");
    right
        .set_nonblocking(true)
        .expect("non-blocking mode is set");
    (left, right)
}

/// Returns the two ends of a TCP connection, in non-blocking mode.
pub(crate) fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the listener opens");
    let address = listener.local_addr().expect("the listener has an address");
    let client = TcpStream::connect(address).expect("the connection succeeds");
    let (server, _) = listener.accept().expect("the connection is accepted");
    client
        .set_nonblocking(true)
        .expect("non-blocking mode is set");
    server
        .set_nonblocking(true)
        .expect("non-blocking mode is set");
    (client, server)
}

pub(crate) fn send(mut to: impl Write) {
    to.write_all(b"ring").expect("the write succeeds");
}

/// Reads until a read would block; returns the number of bytes.
pub(crate) fn drain(mut from: impl Read) -> usize {
    let mut buffer = [0; 4096];
    let mut sum = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return sum,
            Ok(count) => sum += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sum,
            Err(error) => panic!("reading: {error}"),
        }
    }
}

/// Writes until a write would block.
pub(crate) fn fill(mut to: impl Write) {
    while let Ok(count) = to.write(&[0; 4096]) {
        assert!(count > 0);
    }
}
