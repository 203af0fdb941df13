//! The cost of green threads, beside those of may: `cargo run --release --bin green`. Nanoseconds are medians
//! of rounds by turns, with their spread.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use switchboard_lab::median;
use switchboard_reactor::{Driver, Loop};
use switchboard_runtime as runtime;
use switchboard_runtime::green::{self, Green};

const ROUNDS: usize = 11;
const SPAWNS: u32 = 200_000;
const SWITCHES: u32 = 2_000_000;
/// So many switch by turns.
const CROWD: u32 = 100;
const PARKED: usize = 200_000;
/// Of may, which says nothing when its mappings run out.
const PARKED_MAY: usize = 20_000;

fn each(start: Instant, count: u32) -> f64 {
    start.elapsed().as_nanos() as f64 / f64::from(count)
}

/// Runs rows by turns and prints medians.
fn race(rows: &mut [(&str, &mut dyn FnMut() -> f64)]) {
    let mut all = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        for (row, times) in rows.iter_mut().zip(&mut all) {
            times.push((row.1)());
        }
    }
    for ((name, _), mut times) in rows.iter().zip(all) {
        times.sort_by(f64::total_cmp);
        let (least, most) = (times[0], times[ROUNDS - 1]);
        println!("{name:44} {:7.1} ns ({least:.1}–{most:.1})", median(times));
    }
}

fn main() -> std::io::Result<()> {
    // One thread, as a loop is.
    may::config().set_workers(1);
    spawns()?;
    switches()?;
    parked()
}

fn spawns() -> std::io::Result<()> {
    let lp = Loop::new(Driver::best())?;
    let local = lp.clone();
    let mut on_a_loop = || {
        let local = local.clone();
        let spawn = async move {
            let start = Instant::now();
            for _ in 0..SPAWNS {
                local.spawn(Green::new(|| ())?).await;
            }
            std::io::Result::Ok(each(start, SPAWNS))
        };
        lp.block_on(spawn)
            .and_then(|spawn| spawn)
            .unwrap_or(f64::NAN)
    };
    let mut bare = || {
        let start = Instant::now();
        for _ in 0..SPAWNS {
            match Green::new(|| ()) {
                Ok(mut green) => drop(poll(&mut green)),
                Err(_) => return f64::NAN,
            }
        }
        each(start, SPAWNS)
    };
    let mut of_may = || {
        // SAFETY: nothing in it uses thread-locals or much stack.
        let spawning = unsafe {
            may::coroutine::spawn(|| {
                let start = Instant::now();
                for _ in 0..SPAWNS {
                    let _ = may::coroutine::spawn(|| ()).join();
                }
                each(start, SPAWNS)
            })
        };
        spawning.join().unwrap_or(f64::NAN)
    };
    race(&mut [
        ("spawn and finish, on a loop", &mut on_a_loop),
        ("spawn and finish, bare", &mut bare),
        ("spawn and join, may", &mut of_may),
    ]);
    Ok(())
}

fn poll(green: &mut Green<'_, ()>) -> Poll<()> {
    Pin::new(green).poll(&mut Context::from_waker(Waker::noop()))
}

fn switches() -> std::io::Result<()> {
    let mut own = || {
        // There and back are two.
        let switches = Green::new(|| {
            for _ in 0..SWITCHES / 2 {
                let mut first = true;
                let once = poll_fn(|_| match std::mem::take(&mut first) {
                    true => Poll::Pending,
                    false => Poll::Ready(()),
                });
                let _ = green::block_on(once);
            }
        });
        let Ok(mut switches) = switches else {
            return f64::NAN;
        };
        let start = Instant::now();
        while poll(&mut switches).is_pending() {}
        each(start, SWITCHES)
    };
    let lp = Loop::new(Driver::best())?;
    let mut on_a_loop = || {
        let local = lp.clone();
        let switching = lp.block_on(async move {
            let start = Instant::now();
            let crowd: Result<Vec<_>, _> = (0..CROWD)
                .map(|_| {
                    let yields = Green::new(|| {
                        for _ in 0..SWITCHES / 2 / CROWD {
                            let _ = green::block_on(runtime::yield_now());
                        }
                    });
                    yields.map(|yields| local.spawn(yields))
                })
                .collect();
            for one in crowd? {
                one.await;
            }
            std::io::Result::Ok(each(start, SWITCHES))
        });
        switching.and_then(|each| each).unwrap_or(f64::NAN)
    };
    let mut of_may = || {
        let start = Instant::now();
        let crowd: Vec<_> = (0..CROWD)
            .map(|_| {
                // SAFETY: as above.
                unsafe {
                    may::coroutine::spawn(|| {
                        for _ in 0..SWITCHES / 2 / CROWD {
                            may::coroutine::yield_now();
                        }
                    })
                }
            })
            .collect();
        crowd.into_iter().for_each(|one| drop(one.join()));
        each(start, SWITCHES)
    };
    race(&mut [
        ("a switch", &mut own),
        ("a switch, a hundred by turns on a loop", &mut on_a_loop),
        ("a switch, a hundred by turns, may", &mut of_may),
    ]);
    Ok(())
}

fn parked() -> std::io::Result<()> {
    let before = memory()?;
    let start = Instant::now();
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
    tell("", PARKED, start, before)?;
    let start = Instant::now();
    drop(parked);
    println!(
        "{:44} {:7.1} ns",
        "given up and unwound",
        each(start, PARKED as u32)
    );
    let mib = (memory()?.0 as f64 - before.0 as f64) / 1048576.0;
    println!("{:44} {mib:7.1} MiB more", "resident after");

    let before = memory()?;
    let start = Instant::now();
    // SAFETY: as above.
    let parked: Vec<_> = (0..PARKED_MAY)
        .map(|_| unsafe { may::coroutine::spawn(may::coroutine::park) })
        .collect();
    // The last of them has run, and so have the others: one worker, first in first out.
    // SAFETY: as above.
    let _ = unsafe { may::coroutine::spawn(|| ()) }.join();
    tell(", may", PARKED_MAY, start, before)?;
    for one in &parked {
        one.coroutine().unpark();
    }
    parked.into_iter().for_each(|one| drop(one.join()));
    Ok(())
}

fn tell(whose: &str, count: usize, start: Instant, before: (u64, usize)) -> std::io::Result<()> {
    let took = each(start, count as u32);
    let (resident, mappings) = memory()?;
    let bytes = (resident as f64 - before.0 as f64) / count as f64;
    let mappings = mappings as f64 - before.1 as f64;
    println!(
        "{count} parked at once{whose}: {took:.0} ns, {bytes:.0} bytes each, {mappings} mappings more"
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
