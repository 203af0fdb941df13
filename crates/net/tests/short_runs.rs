//! The costs of short runs of a loop on which many connections wait, in CPU time of the thread, and what other threads
//! may take between them.

use std::cell::Cell;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use switchboard_net::{Listener, Stream};
use switchboard_reactor::Loop;
use switchboard_runtime::{self as runtime, Driver, Model};

const RUNS: u32 = 200;

fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// A loop on which flows wait to read from connections.
struct Idle {
    lp: Loop,
    peers: Vec<UnixStream>,
    received: Rc<Cell<usize>>,
}

impl Idle {
    fn new(driver: Driver, connections: usize) -> Idle {
        let lp = Loop::new(driver).unwrap();
        let received = Rc::default();
        let mut idle = Idle {
            lp,
            peers: Vec::new(),
            received,
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
        // Long enough that the timer has never expired before the wait, which would then cost nothing.
        let sleep = runtime::sleep(Duration::from_micros(100));
        self.lp.block_on(sleep).unwrap();
    }

    /// Returns the least CPU time of a run by `run`, in some rounds of many.
    fn cost(&self, run: impl Fn(&Idle)) -> Duration {
        let round = || {
            let before = cpu_time();
            (0..RUNS).for_each(|_| run(self));
            (cpu_time() - before) / RUNS
        };
        (0..5).map(|_| round()).min().unwrap()
    }
}

#[test]
fn a_short_run_costs_the_same_with_few_and_many_idle_connections() {
    for driver in Driver::ALL {
        if driver.open().is_err() {
            println!("skip: {driver}");
            continue;
        }
        // `select` takes no descriptor from 1,024 on.
        let most = if driver == Driver::Select { 400 } else { 1000 };
        let [few, many] = [10, most].map(|connections| Idle::new(driver, connections));
        for (kind, run) in [("empty", Idle::run as fn(&Idle)), ("waiting", Idle::wait)] {
            let (few, many) = (few.cost(run), many.cost(run));
            println!("{driver}, {kind}: {few:?} with 10 connections, {many:?} with {most}");
            // `select` and `poll` look at every descriptor in each wait; the simulated kernel does too.
            let looks = matches!(driver, Driver::Select | Driver::Poll | Driver::Sim);
            if kind == "empty" || !looks {
                assert!(
                    many < few * 3 + Duration::from_micros(2),
                    "{driver}: {kind}"
                );
            }
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
            let all = runtime::timeout(Duration::from_secs(10), all);
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
        let elsewhere = runtime::timeout(Duration::from_secs(10), elsewhere);
        Model::Blocking.run(elsewhere).unwrap().expect("both come");

        // The flows of the loop go on waiting, and get the next ones.
        (0..3).for_each(|_| wait());
        there.write_all(b"here").unwrap();
        let _second = TcpStream::connect(address).unwrap();
        let here = async { (received.await, accepted.await) };
        let here = runtime::timeout(Duration::from_secs(10), here);
        let (bytes, _) = lp.block_on(here).unwrap().expect("both come");
        assert_eq!(bytes, b"here");
    }
}
