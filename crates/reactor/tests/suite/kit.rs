//! What the cases share.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Deref;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

use switchboard_driver::Sim;
use switchboard_reactor::{Driver, Hooks, Loop, Name, Stall, TurnReport};

/// One case at a time: signals are the whole process's, and so is the processor's time.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    lock(&TURN)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this platform has no such driver.
pub(crate) fn is_refused_here(driver: Driver) -> bool {
    driver == Driver::Epoll && !cfg!(any(target_os = "linux", target_os = "android"))
}

/// Takes notes.
#[derive(Default)]
pub(crate) struct Spy {
    pub(crate) turns: Mutex<Vec<TurnReport>>,
    pub(crate) stalls: Mutex<Vec<Stall>>,
    pub(crate) panics: Mutex<Vec<Name>>,
}

impl Hooks for Spy {
    fn turn(&self, turn: &TurnReport) {
        lock(&self.turns).push(*turn);
    }

    fn stall(&self, stall: &Stall) {
        lock(&self.stalls).push(*stall);
    }

    fn panic(&self, name: Name) {
        lock(&self.panics).push(name);
    }
}

impl Spy {
    pub(crate) fn turns(&self) -> usize {
        lock(&self.turns).len()
    }
}

/// A loop under test, somebody who watches it, and a seed that is printed when the case fails.
pub(crate) struct Bench {
    pub(crate) lp: Loop,
    pub(crate) spy: Arc<Spy>,
    pub(crate) seed: u64,
}

impl Bench {
    /// A seed of its own for every run, unless `SEED` gives one.
    pub(crate) fn new(driver: Driver) -> Bench {
        let seed = match std::env::var("SEED") {
            Ok(seed) => seed.parse().expect("SEED is a number"),
            Err(_) => fastrand::u64(..),
        };
        let lp = match driver {
            Driver::Sim => Loop::with_poller(Box::new(Sim::new(seed).expect("it opens"))),
            driver => Loop::new(driver).expect("it opens"),
        };
        let spy = Arc::new(Spy::default());
        lp.set_hooks(spy.clone());
        Bench { lp, spy, seed }
    }

    /// Another loop with the same driver.
    pub(crate) fn another(&self) -> Bench {
        Bench::new(self.driver())
    }

    /// Whether every event is true: the simulated kernel makes some up, as it may.
    pub(crate) fn is_exact(&self) -> bool {
        self.driver() != Driver::Sim
    }

    pub(crate) fn turn_now(&self) {
        self.turn(Some(Duration::ZERO)).expect("a turn");
    }

    /// Some turns, enough for whatever is ready to have been reported.
    pub(crate) fn few_turns(&self) {
        for _ in 0..2 * Sim::MAX_WITHHELD {
            self.turn_now();
        }
    }

    pub(crate) fn until(&self, done: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !done() {
            assert!(Instant::now() < end, "it never happens");
            self.turn_now();
            std::thread::yield_now();
        }
    }

    pub(crate) fn run_out(&self) {
        self.run_until_empty().expect("a run");
    }

    /// How many turns a run takes that has nothing to do but to wait for a timer.
    pub(crate) fn turns_of_an_idle_run(&self) -> usize {
        let before = self.spy.turns();
        let lp = self.lp.clone();
        self.call_later(Duration::from_millis(20), move || lp.stop());
        self.run_forever().expect("a run");
        self.spy.turns() - before
    }
}

impl Deref for Bench {
    type Target = Loop;

    fn deref(&self) -> &Loop {
        &self.lp
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("driver {}, seed {}", self.driver(), self.seed);
        }
    }
}

/// A list that callbacks write and the case reads.
pub(crate) struct Log<T>(Rc<RefCell<Vec<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Log(self.0.clone())
    }
}

impl<T: Clone + 'static> Log<T> {
    pub(crate) fn new() -> Log<T> {
        Log(Rc::default())
    }

    pub(crate) fn add(&self, value: T) {
        self.0.borrow_mut().push(value);
    }

    /// A callback that adds `value`.
    pub(crate) fn adds(&self, value: T) -> impl FnOnce() + use<T> {
        let this = self.clone();
        move || this.add(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.borrow().clone()
    }
}

/// Does something when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Counts its wake-ups.
#[derive(Default)]
pub(crate) struct Flag(AtomicUsize);

impl Flag {
    pub(crate) fn new() -> (Arc<Flag>, Waker) {
        let flag = Arc::new(Flag::default());
        (flag.clone(), flag.into())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Lets others go first.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Keeps the thread busy.
pub(crate) fn hold(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
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

/// Reads at most `limit` bytes: how many, 0 at the end, `None` if it would block.
pub(crate) fn take(mut from: impl Read, limit: usize) -> Option<usize> {
    match from.read(&mut vec![0; limit]) {
        Ok(count) => Some(count),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("reading: {error}"),
    }
}

/// Reads all there is: how many bytes that was.
pub(crate) fn drain(mut from: impl Read) -> usize {
    let mut sum = 0;
    while let Some(count @ 1..) = take(&mut from, 4096) {
        sum += count;
    }
    sum
}

/// Writes until there is no room.
pub(crate) fn fill(mut to: impl Write) {
    while let Ok(count) = to.write(&[0; 4096]) {
        assert!(count > 0);
    }
}
