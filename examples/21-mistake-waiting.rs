//! A callback that waits: no other callback runs meanwhile. The loop reports what held it, and for how long.
//!
//!     cargo run --example 21-mistake-waiting

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard::reactor::{Hooks, Loop, Stall};
use switchboard::{Driver, Model, PlainStream, Stream};

const WAIT: Duration = Duration::from_millis(300);
const TICK: Duration = Duration::from_millis(50);

struct PrintStalls;

impl Hooks for PrintStalls {
    fn stall(&self, stall: &Stall) {
        println!("  stall: {stall}");
    }
}

/// Prints how late each of four ticks is.
fn tick(lp: &Loop, number: u32) {
    let due = Instant::now() + TICK;
    let own = lp.clone();
    lp.call_later(TICK, move || {
        println!("  tick {number}: {} ms late", due.elapsed().as_millis());
        if number < 4 {
            tick(&own, number + 1);
        }
    });
}

fn ticking() -> io::Result<Loop> {
    let lp = Loop::new(Driver::best())?;
    lp.set_hooks(Arc::new(PrintStalls));
    tick(&lp, 1);
    Ok(lp)
}

fn main() -> io::Result<()> {
    println!("a callback that waits");
    let lp = ticking()?;
    lp.call_soon(|| std::thread::sleep(WAIT));
    lp.run_until_empty()?;

    println!("a callback for when the wait is over");
    let lp = ticking()?;
    lp.call_later(WAIT, || println!("  waited"));
    lp.run_until_empty()?;

    println!("a read that would hold the loop");
    let (stream, _peer) = Stream::pair()?;
    let read = async { PlainStream::from(stream).read(&mut [0; 1]) };
    if let Err(refused) = Model::Tasks.run(read)? {
        println!("  {refused}");
    }
    Ok(())
}
