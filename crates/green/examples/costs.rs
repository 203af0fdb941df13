//! What green threads cost here: `cargo run --release -p switchboard-green --example costs`.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use switchboard_green::{self as green, Green};
use switchboard_reactor::{Driver, Loop};

const SPAWNS: u32 = 1_000_000;
const SWITCHES: u32 = 10_000_000;
const PARKED: usize = 200_000;

fn each(start: Instant, count: u32) -> f64 {
    start.elapsed().as_nanos() as f64 / f64::from(count)
}

fn main() -> std::io::Result<()> {
    let lp = Loop::new(Driver::best())?;
    let local = lp.clone();
    let spawn = lp.block_on(async move {
        let start = Instant::now();
        for _ in 0..SPAWNS {
            local.spawn(Green::new(|| ())?).await;
        }
        std::io::Result::Ok(each(start, SPAWNS))
    })??;
    println!("spawn and finish, on a loop  {spawn:8.1} ns");

    let mut context = Context::from_waker(Waker::noop());
    let mut poll = |green: &mut Green<'_, ()>| Pin::new(green).poll(&mut context);
    let mut bare = 0.0;
    let start = Instant::now();
    for _ in 0..SPAWNS {
        bare += f64::from(u8::from(poll(&mut Green::new(|| ())?).is_ready()));
    }
    println!(
        "spawn and finish, bare       {:8.1} ns",
        each(start, SPAWNS)
    );
    assert_eq!(bare, f64::from(SPAWNS));

    let mut switches = Green::new(|| {
        for _ in 0..SWITCHES / 2 {
            let mut first = true;
            let once = poll_fn(|_| match std::mem::take(&mut first) {
                true => Poll::Pending,
                false => Poll::Ready(()),
            });
            let _ = green::block_on(once);
        }
    })?;
    let start = Instant::now();
    while poll(&mut switches).is_pending() {}
    println!(
        "a switch                     {:8.1} ns",
        each(start, SWITCHES)
    );

    let (resident, mappings) = memory()?;
    let parked: Result<Vec<_>, _> = (0..PARKED)
        .map(|_| {
            let mut parked = Green::new(|| {
                let _ = green::block_on(pending::<()>());
            })?;
            let _ = poll(&mut parked);
            std::io::Result::Ok(parked)
        })
        .collect();
    let parked = parked?;
    let (then, mappings_then) = memory()?;
    println!(
        "parked: {} at once           {:8.1} bytes each, {} mappings more",
        parked.len(),
        (then - resident) as f64 / PARKED as f64,
        mappings_then - mappings
    );
    let start = Instant::now();
    drop(parked);
    println!(
        "given up and unwound         {:8.1} ns",
        each(start, PARKED as u32)
    );
    println!(
        "resident after               {:8.1} MiB more",
        (memory()?.0 - resident) as f64 / 1048576.0
    );
    Ok(())
}

/// Resident bytes, and how many mappings there are.
fn memory() -> std::io::Result<(u64, usize)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    Ok((kib.unwrap_or(0) * 1024, maps.lines().count()))
}
