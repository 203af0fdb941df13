//! What the cases share.
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

/// One case at a time: a descriptor's number is the whole process's, and some cases close one and
/// count on its staying closed.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this platform has no such driver, and says so as it should.
pub(crate) fn is_refused_here(driver: Driver) -> bool {
    if !matches!(driver, Driver::Epoll | Driver::Uring)
        || cfg!(any(target_os = "linux", target_os = "android"))
    {
        return false;
    }
    let error = driver.open().err().expect("there is no epoll here");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains(Driver::best().name()));
    true
}

/// A poller under test, with a note of what is registered.
pub(crate) struct Bench {
    pub(crate) poller: Box<dyn Poller>,
    watched: HashMap<Token, (RawFd, Interest)>,
}

impl Bench {
    pub(crate) fn new(driver: Driver) -> Bench {
        Bench {
            poller: driver.open().expect("the driver opens"),
            watched: HashMap::new(),
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
            .expect("it registers");
        self.note(fd, token, interest);
    }

    pub(crate) fn modify(&mut self, fd: &impl AsFd, token: Token, interest: Interest, mode: Mode) {
        self.poller
            .modify(fd.as_fd(), token, interest, mode)
            .expect("it modifies");
        self.note(fd, token, interest);
    }

    pub(crate) fn deregister(&mut self, fd: &impl AsFd) {
        let fd = fd.as_fd().as_raw_fd();
        self.poller.deregister(fd).expect("it deregisters");
        self.watched.retain(|_, (known, _)| *known != fd);
    }

    fn note(&mut self, fd: &impl AsFd, token: Token, interest: Interest) {
        let fd = fd.as_fd().as_raw_fd();
        self.watched.retain(|_, (known, _)| *known != fd);
        self.watched.insert(token, (fd, interest));
    }

    /// One wait. Of the simulated kernel's events, those that poll(2) bears out.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        self.poller
            .wait(&mut events, Some(timeout))
            .expect("the wait is well");
        if self.driver() == Driver::Sim {
            events.retain(|event| {
                let (fd, interest) = self.watched[&event.token];
                truth(fd, interest).intersects(event.ready)
            });
        }
        events
    }

    /// Waits until `token` is reported with what `wanted` looks for; others may come before it.
    pub(crate) fn find(&mut self, token: Token, wanted: impl Fn(Ready) -> bool) -> Ready {
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            for event in self.wait(Duration::from_secs(1)) {
                if event.token == token && wanted(event.ready) {
                    return event.ready;
                }
            }
            // The simulated kernel doesn't wait for the real one's network.
            std::thread::yield_now();
        }
        panic!(
            "{}: {token:?} is not reported as it should be",
            self.driver()
        );
    }

    /// Checks that nothing is reported.
    pub(crate) fn quiet(&mut self) {
        for _ in 0..4 {
            assert_eq!(self.wait(Duration::ZERO), [], "{}", self.driver());
        }
    }

    /// Checks that a wait lasts `time`, and says nothing.
    pub(crate) fn lasts(&mut self, time: Duration) {
        let start = self.poller.now();
        // The simulated kernel may end a wait with an event for nothing; then it goes on.
        loop {
            let left = time.saturating_sub(self.poller.now() - start);
            let mut events = Vec::new();
            self.poller
                .wait(&mut events, Some(left))
                .expect("the wait is well");
            if self.driver() == Driver::Sim && !events.is_empty() {
                continue;
            }
            assert_eq!(events, [], "{}", self.driver());
            break;
        }
        let lasted = self.poller.now() - start;
        assert!(lasted >= time, "{}: {lasted:?} < {time:?}", self.driver());
    }
}

/// What poll(2) says of `fd` at this moment.
pub(crate) fn truth(fd: RawFd, interest: Interest) -> Ready {
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
    // SAFETY: one pollfd, which lives on this stack throughout.
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

/// Returns when poll(2) says `ready` of a socket whose peer has just done something.
pub(crate) fn settle(fd: &impl AsFd, ready: Ready) {
    let end = Instant::now() + Duration::from_secs(10);
    while !truth(fd.as_fd().as_raw_fd(), Interest::READ).contains(ready) {
        assert!(Instant::now() < end, "it never becomes {ready:?}");
        std::thread::yield_now();
    }
}

/// Closes a number that an owner elsewhere no longer answers for.
pub(crate) fn close(fd: RawFd) {
    // SAFETY: the caller made the number itself and owns it.
    assert_eq!(unsafe { libc::close(fd) }, 0);
}

/// Makes `number` another name of `fd`'s file. The caller closes it.
pub(crate) fn dup_to(fd: &impl AsFd, number: RawFd) {
    // SAFETY: the caller owns `number`, or it is not open.
    let made = unsafe { libc::dup2(fd.as_fd().as_raw_fd(), number) };
    assert_eq!(made, number);
}

/// Sends SIGUSR1 to a thread.
pub(crate) fn signal(thread: libc::pthread_t) {
    // SAFETY: the caller keeps the thread alive, and the signal has a handler.
    assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGUSR1) }, 0);
}

pub(crate) fn this_thread() -> libc::pthread_t {
    // SAFETY: it has no conditions.
    unsafe { libc::pthread_self() }
}

/// Two ends of a Unix socket, which don't block.
pub(crate) fn unix() -> (UnixStream, UnixStream) {
    let (left, right) = UnixStream::pair().expect("a pair");
    left.set_nonblocking(true).expect("non-blocking");
    right.set_nonblocking(true).expect("non-blocking");
    (left, right)
}

/// Two ends of a TCP connection, which don't block.
pub(crate) fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let client = TcpStream::connect(address).expect("a connection");
    let (server, _) = listener.accept().expect("its other end");
    client.set_nonblocking(true).expect("non-blocking");
    server.set_nonblocking(true).expect("non-blocking");
    (client, server)
}

pub(crate) fn send(mut to: impl Write) {
    to.write_all(b"ring").expect("room for four bytes");
}

/// Reads all there is: how many bytes that was.
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

/// Writes until there is no room.
pub(crate) fn fill(mut to: impl Write) {
    while let Ok(count) = to.write(&[0; 4096]) {
        assert!(count > 0);
    }
}
