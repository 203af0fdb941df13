//! The cost of a loop's own moves, beside tokio's: nanoseconds each, by turns, as JSON. `bench` runs it.
//!
//! spawn+join: a task that does nothing is started and waited for. timer: one is armed and cancelled
//! while 100,000 others are pending. wake: another thread wakes a task, which answers; there and back.
//! short run: the loop is run for a future that is ready, while 1,000 tasks of it wait for sockets.

use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use switchboard::Stream;
use switchboard_runtime::{self as runtime, Driver, Loop, Model};

const SPAWNS: u32 = 200_000;
const PENDING: usize = 100_000;
const TIMERS: u32 = 200_000;
const WAKES: u64 = 20_000;
const IDLE: usize = 1_000;
const RUNS: u32 = 20_000;
const HOUR: Duration = Duration::from_secs(3600);

type Sleep = Pin<Box<dyn Future<Output = ()>>>;

/// The operations asked of both.
trait Runtime {
    fn run<T>(&self, future: impl Future<Output = T>) -> T;
    /// Starts a task and waits for it.
    fn spawn(&self) -> impl Future<Output = ()>;
    fn sleep(&self) -> impl Future<Output = ()> + 'static;
    /// Starts tasks that wait to receive from `sockets`, and returns what a short run takes.
    fn short_run(&self, sockets: Vec<UnixStream>) -> io::Result<f64>;
}

struct Switchboard(Driver);

impl Runtime for Switchboard {
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        match Model::Tasks.run_with(self.0, future) {
            Ok(output) => output,
            Err(error) => panic!("{error}"),
        }
    }

    async fn spawn(&self) {
        let _ = runtime::spawn(async {}).await;
    }

    fn sleep(&self) -> impl Future<Output = ()> + 'static {
        runtime::sleep(HOUR)
    }

    fn short_run(&self, sockets: Vec<UnixStream>) -> io::Result<f64> {
        let lp = Loop::new(self.0)?;
        for socket in sockets {
            let receive = async move { Stream::from(socket).recv().await };
            lp.spawn(receive).detach();
        }
        // The tasks have waited across the end of a run.
        for _ in 0..3 {
            lp.block_on(runtime::sleep(Duration::from_millis(1)))?;
        }
        let start = Instant::now();
        for _ in 0..RUNS {
            lp.block_on(async {})?;
        }
        Ok(each(start, RUNS))
    }
}

struct Tokio(tokio::runtime::Runtime);

impl Runtime for Tokio {
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    async fn spawn(&self) {
        let _ = tokio::spawn(async {}).await;
    }

    fn sleep(&self) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(HOUR)
    }

    fn short_run(&self, sockets: Vec<UnixStream>) -> io::Result<f64> {
        let _entered = self.0.enter();
        let tasks: io::Result<Vec<_>> = { sockets.into_iter() }
            .map(|socket| {
                socket.set_nonblocking(true)?;
                let socket = tokio::net::UnixStream::from_std(socket)?;
                Ok(tokio::spawn(async move { socket.readable().await }))
            })
            .collect();
        self.0
            .block_on(tokio::time::sleep(Duration::from_millis(1)));
        let start = Instant::now();
        for _ in 0..RUNS {
            self.0.block_on(async {});
        }
        let figure = each(start, RUNS);
        tasks?.iter().for_each(|task| task.abort());
        Ok(figure)
    }
}

fn each(start: Instant, count: u32) -> f64 {
    start.elapsed().as_nanos() as f64 / f64::from(count)
}

fn spawn(runtime: &impl Runtime) -> f64 {
    runtime.run(async {
        let start = Instant::now();
        for _ in 0..SPAWNS {
            runtime.spawn().await;
        }
        each(start, SPAWNS)
    })
}

/// Polled once, a sleep is armed.
async fn arm<F: Future<Output = ()> + ?Sized>(sleep: &mut Pin<&mut F>) {
    poll_fn(|context| {
        assert!(sleep.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
}

fn timers(runtime: &impl Runtime) -> f64 {
    runtime.run(async {
        let mut pending: Vec<Sleep> = Vec::new();
        for _ in 0..PENDING {
            let mut sleep: Sleep = Box::pin(runtime.sleep());
            arm(&mut sleep.as_mut()).await;
            pending.push(sleep);
        }
        let start = Instant::now();
        for _ in 0..TIMERS {
            let mut sleep = pin!(runtime.sleep());
            arm(&mut sleep).await;
        }
        each(start, TIMERS)
    })
}

/// Where a task leaves its waker for another thread, and hears that it was woken.
#[derive(Default)]
struct Post {
    waker: Mutex<Option<Waker>>,
    rung: AtomicBool,
    answered: AtomicU64,
}

fn wakes(runtime: &impl Runtime) -> f64 {
    let post = Arc::new(Post::default());
    let other = post.clone();
    let bell = std::thread::spawn(move || {
        for round in 0..WAKES {
            let waker = loop {
                match other.waker.lock().ok().and_then(|mut waker| waker.take()) {
                    Some(waker) => break waker,
                    None => std::hint::spin_loop(),
                }
            };
            // Not before the loop waits, or nothing is woken.
            let settled = Instant::now() + Duration::from_micros(20);
            while Instant::now() < settled {
                std::hint::spin_loop();
            }
            let start = Instant::now();
            other.rung.store(true, Ordering::Release);
            waker.wake();
            while other.answered.load(Ordering::Acquire) <= round {
                std::hint::spin_loop();
            }
            SPENT.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
    });
    SPENT.store(0, Ordering::Relaxed);
    runtime.run(async {
        for _ in 0..WAKES {
            poll_fn(|context| {
                if post.rung.swap(false, Ordering::Acquire) {
                    return Poll::Ready(());
                }
                if let Ok(mut waker) = post.waker.lock() {
                    *waker = Some(context.waker().clone());
                }
                Poll::Pending
            })
            .await;
            post.answered.fetch_add(1, Ordering::Release);
        }
    });
    let _ = bell.join();
    SPENT.load(Ordering::Relaxed) as f64 / WAKES as f64
}

static SPENT: AtomicU64 = AtomicU64::new(0);

fn short_runs(runtime: &impl Runtime) -> io::Result<f64> {
    let pairs: io::Result<Vec<_>> = (0..IDLE).map(|_| UnixStream::pair()).collect();
    // The peers stay open, and silent.
    let (sockets, _peers): (Vec<_>, Vec<_>) = pairs?.into_iter().unzip();
    runtime.short_run(sockets)
}

fn all(runtime: &impl Runtime) -> io::Result<[f64; 4]> {
    let short = short_runs(runtime)?;
    Ok([spawn(runtime), timers(runtime), wakes(runtime), short])
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // For two times as many sockets as a shell allows.
    let _ = switchboard::raise_descriptor_limit();
    let rounds = std::env::args().nth(1).map_or(Ok(9), |word| word.parse())?;
    let tokio = tokio::runtime::Builder::new_current_thread();
    let tokio = Tokio({ tokio }.enable_all().build()?);
    let mut runs: [Vec<[f64; 4]>; 3] = Default::default();
    for _ in 0..rounds {
        runs[0].push(all(&Switchboard(Driver::Epoll))?);
        runs[1].push(all(&Switchboard(Driver::Uring))?);
        runs[2].push(all(&tokio)?);
    }
    let names = ["tasks/epoll", "tasks/uring", "tokio"];
    let runs: Vec<_> = names.into_iter().zip(runs).collect();
    println!("{}", serde_json::to_string(&runs)?);
    Ok(())
}
