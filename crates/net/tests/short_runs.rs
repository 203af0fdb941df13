//! The cost of short runs of a loop on which many connections wait. CPU time is measured, so this process has no
//! other tests.

use std::cell::Cell;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use switchboard_net::Stream;
use switchboard_reactor::Loop;
use switchboard_runtime::{self as runtime, Driver};

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
        let sleep = runtime::sleep(Duration::from_micros(1));
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
