//! Helpers that the cases share.

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

/// Serializes the cases: signals belong to the whole process, and some cases measure time.
pub(crate) fn exclusive() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    lock(&LOCK)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether this platform lacks the driver.
pub(crate) fn is_unsupported(driver: Driver) -> bool {
    driver == Driver::Epoll && !cfg!(any(target_os = "linux", target_os = "android"))
}

/// Hooks that record what they receive.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) turns: Mutex<Vec<TurnReport>>,
    pub(crate) stalls: Mutex<Vec<Stall>>,
    pub(crate) panics: Mutex<Vec<Name>>,
}

impl Hooks for Recorder {
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

impl Recorder {
    pub(crate) fn turns(&self) -> usize {
        lock(&self.turns).len()
    }
}

/// A loop under test, the recorder that is its hooks, and a seed that is printed when the case fails.
pub(crate) struct Fixture {
    pub(crate) lp: Loop,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) seed: u64,
}

impl Fixture {
    /// Creates a fixture with a random seed, or the seed in the environment variable `SEED`.
    pub(crate) fn new(driver: Driver) -> Fixture {
        let seed = match std::env::var("SEED") {
            Ok(seed) => seed.parse().expect("SEED is a number"),
            Err(_) => fastrand::u64(..),
        };
        let lp = match driver {
            Driver::Sim => Loop::with_poller(Box::new(Sim::new(seed).expect("the driver opens"))),
            driver => Loop::new(driver).expect("the driver opens"),
        };
        let recorder = Arc::new(Recorder::default());
        lp.set_hooks(recorder.clone());
        Fixture { lp, recorder, seed }
    }

    /// Creates another loop with the same driver.
    pub(crate) fn another_loop(&self) -> Fixture {
        Fixture::new(self.driver())
    }

    /// Returns whether the driver reports no spurious events; the simulated kernel does.
    pub(crate) fn is_exact(&self) -> bool {
        self.driver() != Driver::Sim
    }

    pub(crate) fn run_turn(&self) {
        self.turn(Some(Duration::ZERO)).expect("the turn succeeds");
    }

    /// Runs enough turns for all ready descriptors to be reported.
    pub(crate) fn run_some_turns(&self) {
        for _ in 0..2 * Sim::MAX_WITHHELD {
            self.run_turn();
        }
    }

    pub(crate) fn run_turns_until(&self, done: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(600);
        while !done() {
            assert!(
                Instant::now() < end,
                "the condition is not met within 600 s"
            );
            self.run_turn();
            std::thread::yield_now();
        }
    }

    pub(crate) fn run_to_the_end(&self) {
        self.run_until_empty().expect("the run succeeds");
    }

    /// Returns the number of turns of a run that only waits for a timer.
    pub(crate) fn turns_of_an_idle_run(&self) -> usize {
        let before = self.recorder.turns();
        let lp = self.lp.clone();
        self.call_later(Duration::from_millis(20), move || lp.stop());
        self.run_forever().expect("the run succeeds");
        self.recorder.turns() - before
    }
}

impl Deref for Fixture {
    type Target = Loop;

    fn deref(&self) -> &Loop {
        &self.lp
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("driver {}, seed {}", self.driver(), self.seed);
        }
    }
}

/// A list that callbacks append to and the case reads.
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

    /// Returns a callback that adds `value`.
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

/// A guard that calls its function when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A waker that counts how often it is woken.
#[derive(Default)]
pub(crate) struct WakeCounter(AtomicUsize);

impl WakeCounter {
    pub(crate) fn new() -> (Arc<WakeCounter>, Waker) {
        let flag = Arc::new(WakeCounter::default());
        (flag.clone(), flag.into())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for WakeCounter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Yields once to the other tasks.
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

/// Keeps the thread busy for `time`.
pub(crate) fn busy_wait(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// Returns the two ends of a non-blocking Unix socket.
pub(crate) fn unix_pair() -> (UnixStream, UnixStream) {
    let (left, right) = UnixStream::pair().expect("the socket pair is created");
    left.set_nonblocking(true)
        .expect("the socket becomes non-blocking");
    right
        .set_nonblocking(true)
        .expect("the socket becomes non-blocking");
    (left, right)
}

/// Returns the two ends of a non-blocking TCP connection.
pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the listener is bound");
    let address = listener.local_addr().expect("the listener has an address");
    let client = TcpStream::connect(address).expect("the connection succeeds");
    let (server, _) = listener.accept().expect("the connection is accepted");
    client
        .set_nonblocking(true)
        .expect("the socket becomes non-blocking");
    server
        .set_nonblocking(true)
        .expect("the socket becomes non-blocking");
    (client, server)
}

/// Sends four bytes.
pub(crate) fn send(mut to: impl Write) {
    to.write_all(b"data")
        .expect("the socket has room for four bytes");
}

/// Reads at most `limit` bytes; returns their number, 0 at the end of input, `None` if the read would block.
pub(crate) fn take(mut from: impl Read, limit: usize) -> Option<usize> {
    match from.read(&mut vec![0; limit]) {
        Ok(count) => Some(count),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("reading: {error}"),
    }
}

/// Reads until the descriptor would block or its input ends; returns the number of bytes.
pub(crate) fn drain(mut from: impl Read) -> usize {
    let mut sum = 0;
    while let Some(count @ 1..) = take(&mut from, 4096) {
        sum += count;
    }
    sum
}

/// Writes until a write would block.
pub(crate) fn fill(mut to: impl Write) {
    while let Ok(count) = to.write(&[0; 4096]) {
        assert!(count > 0);
    }
}
