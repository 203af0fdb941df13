//! A handler that computes on the loop: no other task runs meanwhile. Threads and other processes can compute
//! while the loop runs.
//!
//!     cargo run --example 22-mistake-computing

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard::process_pool::{Jobs, ProcessPool};
use switchboard::reactor::{Hooks, Loop, Stall};
use switchboard::{Driver, Model, now, run_blocking, sleep, spawn};

const TICK: Duration = Duration::from_millis(50);

struct PrintStalls;

impl Hooks for PrintStalls {
    fn stall(&self, stall: &Stall) {
        println!("  stall: {stall}");
    }
}

fn compute() -> u64 {
    let start = Instant::now();
    let numbers = (0..).take_while(|_| start.elapsed() < Duration::from_millis(300));
    numbers.fold(0, |hash: u64, number| hash.rotate_left(5) ^ number)
}

async fn ticks() {
    for number in 1..=4 {
        let due = now() + TICK;
        sleep(TICK).await;
        println!(
            "  tick {number}: {} ms late",
            now().duration_since(due).as_millis()
        );
    }
}

fn main() -> io::Result<()> {
    // The pool starts before all threads, because it forks.
    let jobs = Jobs::new().add("compute", |(): ()| Ok::<_, String>(compute()));
    let pool = ProcessPool::start(1, jobs)?;
    for place in ["on the loop", "in a thread", "in a process"] {
        println!("computing {place}");
        let lp = Loop::new(Driver::best())?;
        lp.set_hooks(Arc::new(PrintStalls));
        Model::Tasks.run_on(&lp, async {
            let ticking = spawn(ticks());
            match place {
                "on the loop" => spawn(async { compute() }).await?,
                "in a thread" => run_blocking(compute).await?,
                _ => pool.run("compute", &()).await?,
            };
            io::Result::Ok(ticking.await?)
        })??;
    }
    Ok(())
}
