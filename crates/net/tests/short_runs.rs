//! What short runs of a loop on which many connections wait ask of its driver, and what other threads may
//! take between them.

use std::cell::Cell;
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use switchboard_driver::{Event, Interest, Mode, Notifier, Poller, Token, Uring};
use switchboard_net::{Listener, Stream};
use switchboard_reactor::Loop;
use switchboard_runtime::{self as runtime, Driver, Model};

const RUNS: usize = 20;

/// Held by each test, since the requests of all rings of the process are counted together.
static ALONE: Mutex<()> = Mutex::new(());

/// Counts what a loop asks of its driver.
struct Counting {
    poller: Box<dyn Poller>,
    asked: Arc<AtomicUsize>,
}

impl Counting {
    fn count(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }
}

impl Poller for Counting {
    fn driver(&self) -> Driver {
        self.poller.driver()
    }

    fn has_edge(&self) -> bool {
        self.poller.has_edge()
    }

    fn has_read_closed(&self) -> bool {
        self.poller.has_read_closed()
    }

    fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        self.count();
        self.poller.register(fd, token, interest, mode)
    }

    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        self.count();
        self.poller.modify(fd, token, interest, mode)
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        self.count();
        self.poller.deregister(fd)
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.count();
        self.poller.wait(events, timeout)
    }

    fn notifier(&self) -> Notifier {
        self.poller.notifier()
    }

    fn completion_driver(&mut self) -> Option<&mut Uring> {
        self.poller.completion_driver()
    }

    fn now(&self) -> Instant {
        self.poller.now()
    }
}

/// Returns how many requests this process has made of its rings, which the kernel counts.
fn requests() -> usize {
    let Ok(open) = std::fs::read_dir("/proc/self/fdinfo") else {
        return 0;
    };
    let of_ring = |info: String| {
        let count = info.lines().find_map(|line| line.strip_prefix("SqTail:"))?;
        count.trim().parse::<usize>().ok()
    };
    open.filter_map(|fd| std::fs::read_to_string(fd.ok()?.path()).ok())
        .filter_map(of_ring)
        .sum()
}

/// A loop on which flows wait to read from connections.
struct Idle {
    lp: Loop,
    peers: Vec<UnixStream>,
    received: Rc<Cell<usize>>,
    asked: Arc<AtomicUsize>,
}

impl Idle {
    fn new(driver: Driver, connections: usize) -> Idle {
        let asked = Arc::new(AtomicUsize::new(0));
        let poller = Counting {
            poller: driver.open().unwrap(),
            asked: asked.clone(),
        };
        let mut idle = Idle {
            lp: Loop::with_poller(Box::new(poller)),
            peers: Vec::new(),
            received: Rc::default(),
            asked,
        };
        for _ in 0..connections {
            let (here, there) = UnixStream::pair().unwrap();
            let (stream, received) = (Stream::from(here), idle.received.clone());
            let flow = async move {
                while stream.recv().await.is_ok_and(|chunk| !chunk.is_empty()) {
                    received.set(received.get() + 1);
                }
            };
            idle.lp.spawn(flow).detach();
            idle.peers.push(there);
        }
        // The flows wait when this run ends, and have waited across the end of a run after the next.
        for _ in 0..3 {
            idle.wait();
        }
        idle
    }

    /// Runs the loop without waiting for the kernel.
    fn run(&self) {
        self.lp.block_on(async {}).unwrap();
    }

    /// Runs the loop until it has waited for the kernel.
    fn wait(&self) {
        // Long enough that the timer has never expired before the wait, which would then ask nothing.
        let sleep = runtime::sleep(Duration::from_micros(100));
        self.lp.block_on(sleep).unwrap();
    }

    /// Returns how much some runs by `run` ask of the driver and of the kernel's ring.
    fn asked(&self, run: impl Fn(&Idle)) -> usize {
        let all = || self.asked.load(Ordering::Relaxed) + requests();
        let before = all();
        (0..RUNS).for_each(|_| run(self));
        all() - before
    }
}

#[test]
fn a_short_run_asks_the_same_with_few_and_many_idle_connections() {
    let _alone = ALONE.lock();
    for driver in Driver::ALL {
        if driver.open().is_err() {
            println!("skip: {driver}");
            continue;
        }
        // `select` takes no descriptor from 1,024 on.
        let most = if driver == Driver::Select { 400 } else { 1000 };
        let before = requests();
        let [few, many] = [10, most].map(|connections| Idle::new(driver, connections));
        if driver == Driver::Uring {
            // Each flow requested a receive. A kernel that tells no counts would let every run pass.
            assert!(requests() >= before + most, "the kernel counts no requests");
        }
        for (kind, run) in [("empty", Idle::run as fn(&Idle)), ("waiting", Idle::wait)] {
            let (few, many) = (few.asked(run), many.asked(run));
            println!(
                "{driver}, {kind}: {RUNS} runs ask {few} with 10 connections, {many} with {most}"
            );
            // A wait that the system ends early is repeated, so the counts are not equal.
            assert!(many < few + most / 2, "{driver}, {kind}: {few}, {many}");
        }
        // The flows still get what comes between runs, and within one.
        for round in 1..=3 {
            for peer in &many.peers {
                (&*peer).write_all(&[1]).unwrap();
            }
            let all = async {
                while many.received.get() < round * many.peers.len() {
                    runtime::yield_now().await;
                }
            };
            let all = runtime::timeout(Duration::from_secs(600), all);
            many.lp
                .block_on(all)
                .unwrap()
                .expect("all bytes are received");
        }
    }
}

/// A flow of a loop that does not run waits for the stream, or for connections, and another thread takes them.
#[test]
fn what_a_stopped_loop_waits_for_can_be_taken_elsewhere() {
    let _alone = ALONE.lock();
    for driver in Driver::ALL {
        if driver.open().is_err() {
            println!("skip: {driver}");
            continue;
        }
        let (here, mut there) = UnixStream::pair().unwrap();
        let stream = Stream::from(here);
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().as_tcp().unwrap();
        let lp = Loop::new(driver).unwrap();
        let received = {
            let stream = stream.clone();
            lp.spawn(async move { stream.recv().await.unwrap().to_vec() })
        };
        let accepted = {
            let listener = listener.clone();
            lp.spawn(async move { listener.accept().await.unwrap() })
        };
        let wait = || {
            lp.block_on(runtime::sleep(Duration::from_micros(1)))
                .unwrap()
        };
        (0..3).for_each(|_| wait());

        there.write_all(b"elsewhere").unwrap();
        let _first = TcpStream::connect(address).unwrap();
        let elsewhere = async {
            assert_eq!(&*stream.recv().await.unwrap(), b"elsewhere");
            listener.accept().await.unwrap();
        };
        let elsewhere = runtime::timeout(Duration::from_secs(600), elsewhere);
        Model::Blocking.run(elsewhere).unwrap().expect("both come");

        // The flows of the loop go on waiting, and get the next ones.
        (0..3).for_each(|_| wait());
        there.write_all(b"here").unwrap();
        let _second = TcpStream::connect(address).unwrap();
        let here = async { (received.await, accepted.await) };
        let here = runtime::timeout(Duration::from_secs(600), here);
        let (bytes, _) = lp.block_on(here).unwrap().expect("both come");
        assert_eq!(bytes, b"here");
    }
}
