//! Random chains compared with `Result`'s own `and_then` and `or_else`. `SEED` repeats a run.

use std::cell::RefCell;
use std::rc::Rc;

use fastrand::Rng;
use switchboard_callbacks::Resolver;

use crate::{Log, Text, end, unhandled};

fn seed() -> u64 {
    let seed = std::env::var("SEED");
    seed.map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap())
}

/// Returns another number, or fails if that is a multiple of three.
fn make(number: u32, factor: u32) -> Result<u32, String> {
    let number = number.wrapping_mul(factor) % 1_000;
    if number.is_multiple_of(3) {
        Err(number.to_string())
    } else {
        Ok(number)
    }
}

fn mend(error: String, factor: u32) -> Result<u32, String> {
    make(error.parse::<u32>().unwrap() + 1, factor)
}

/// Resolvers to fire later, with their results.
type Later = Rc<RefCell<Vec<(Resolver<u32, String>, Result<u32, String>)>>>;

/// Returns `result` as a Deferred that has fired, as one with a callback, or as one that fires later.
fn give(result: Result<u32, String>, way: u8, later: &Later) -> Text {
    match (way, result) {
        (0, Ok(value)) => Text::succeed(value),
        (0, Err(error)) => Text::fail(error),
        (1, result) => {
            let inner = Text::succeed(0);
            inner.add_callback(|_| result)
        }
        (_, result) => {
            let (inner, resolver) = Text::new();
            later.borrow_mut().push((resolver, result));
            inner
        }
    }
}

fn fire((resolver, result): (Resolver<u32, String>, Result<u32, String>)) {
    match result {
        Ok(value) => resolver.callback(value),
        Err(error) => resolver.errback(error),
    }
}

/// Adds one random step to the Deferred and to the expected result.
fn step(
    rng: &mut Rng,
    deferred: Text,
    expected: Result<u32, String>,
    later: &Later,
) -> (Text, Result<u32, String>) {
    let (factor, way) = (rng.u32(1..1_000), rng.u8(..4));
    let kept = later.clone();
    match rng.u8(..6) {
        0 => (
            deferred.add_callback(move |value| make(value, factor)),
            expected.and_then(|value| make(value, factor)),
        ),
        1 => (
            deferred.add_callback(move |value| give(make(value, factor), way, &kept)),
            expected.and_then(|value| make(value, factor)),
        ),
        2 => (
            deferred.add_errback(move |error| mend(error, factor)),
            expected.or_else(|error| mend(error, factor)),
        ),
        3 => (
            deferred.add_errback(move |error| give(mend(error, factor), way, &kept)),
            expected.or_else(|error| mend(error, factor)),
        ),
        4 => (
            deferred.add_callbacks(
                move |value| make(value, factor),
                move |error| give(mend(error, factor), way, &kept),
            ),
            match expected {
                Ok(value) => make(value, factor),
                Err(error) => mend(error, factor),
            },
        ),
        _ => (
            deferred.add_both(move |result| match result {
                Ok(value) => Err(value.to_string()),
                Err(error) => mend(error, factor),
            }),
            match expected {
                Ok(value) => Err(value.to_string()),
                Err(error) => mend(error, factor),
            },
        ),
    }
}

#[test]
fn random_chains_behave_as_results_do() {
    let seed = seed();
    println!("SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let reports = unhandled();
    for _ in 0..2_000 {
        let later = Later::default();
        let (mut deferred, resolver) = Text::new();
        let mut expected = make(rng.u32(..1_000), 1);
        later.borrow_mut().push((resolver, expected.clone()));
        for _ in 0..rng.usize(..40) {
            // Some steps are added before the Deferred that they wait for has fired, some after.
            if rng.u8(..4) == 0 && !later.borrow().is_empty() {
                let index = rng.usize(..later.borrow().len());
                let next = later.borrow_mut().swap_remove(index);
                fire(next);
            }
            (deferred, expected) = step(&mut rng, deferred, expected, &later);
        }
        let log = Log::default();
        end(deferred, &log);
        loop {
            let next = later.borrow_mut().pop();
            let Some(next) = next else { break };
            log.is(&[]);
            fire(next);
        }
        log.is(&[&format!("{expected:?}")]);
    }
    reports.is(&[]);
}
