//! Chains with more callbacks than a stack has room for frames.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use switchboard_callbacks::Resolver;

use crate::{Log, Text, end, unhandled};

/// Runs `f` on a stack that has room for some frames, and not for one in each round.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(128 * 1024);
    thread.spawn(f).unwrap().join().unwrap();
}

#[test]
fn long_chains_run_in_constant_stack() {
    const STEPS: u32 = 100_000;
    let add = |value: u32| Ok(value + 1);
    on_a_small_stack(move || {
        let log = Log::default();
        let (mut deferred, resolver) = Text::new();
        for _ in 0..STEPS {
            deferred = deferred.add_callback(add);
        }
        end(deferred, &log);
        resolver.callback(0);

        let (mut deferred, resolver) = Text::new();
        for _ in 0..STEPS {
            deferred = deferred.add_callback(|value| Text::succeed(value + 1));
        }
        end(deferred, &log);
        resolver.callback(0);

        let mut deferred = Text::succeed(0);
        for _ in 0..STEPS {
            deferred = deferred.add_callback(|value| Text::succeed(value + 1));
        }
        end(deferred, &log);

        // Each callback returns the previous Deferred, and all wait for the first.
        let (mut deferred, resolver) = Text::new();
        for _ in 0..STEPS {
            let inner = deferred;
            deferred = Text::succeed(0).add_callback(|_| inner).add_callback(add);
        }
        end(deferred, &log);
        resolver.callback(0);
        log.is(&["Ok(100000)"; 4]);
    });
}

#[test]
fn long_chains_are_cancelled_and_dropped_in_constant_stack() {
    on_a_small_stack(|| {
        let reports = unhandled();
        for cancel in [true, false] {
            let (mut deferred, resolver) = Text::new();
            for _ in 0..100_000 {
                let inner = deferred;
                deferred = Text::succeed(0)
                    .add_callback(|_| inner)
                    .add_callback(|value| Ok(value + 1));
            }
            if cancel {
                deferred.cancel();
            }
            drop(deferred);
            drop(resolver);
        }
        reports.is(&["\"cancelled: the resolver was dropped\""]);
    });
}

/// Each callback holds what fires, or awaits, the next Deferred, so that the drop of one follows from that of
/// another.
#[test]
fn long_chains_of_unfired_deferreds_are_dropped_in_constant_stack() {
    const LINKS: u32 = 1_000_000;
    on_a_small_stack(|| {
        let seen = Rc::new(Cell::new(0));
        let count = |deferred: Text| {
            let seen = seen.clone();
            deferred.add_both(move |result| {
                assert!(result.is_err());
                seen.set(seen.get() + 1);
                Ok::<_, String>(0)
            })
        };
        // One chain.
        let (deferred, resolver) = Text::new();
        let mut last = count(deferred);
        for _ in 1..LINKS {
            last = last.add_callback(|value| Ok(value + 1));
        }
        drop(last);
        drop(resolver);
        assert_eq!(seen.take(), 1);
        // Each callback holds the resolver of the next chain.
        let mut first = None;
        for _ in 0..LINKS {
            let (deferred, resolver) = Text::new();
            let next = first.replace(resolver);
            count(deferred).add_callback(move |value| {
                drop(next);
                Ok::<_, String>(value)
            });
        }
        drop(first);
        assert_eq!(seen.take(), LINKS);
        // Each canceller holds the resolver of the next chain.
        let mut first = None;
        for _ in 0..LINKS {
            let next = first.take();
            let (deferred, resolver) = Text::with_canceller(move || drop(next));
            count(deferred);
            first = Some(resolver);
        }
        drop(first);
        assert_eq!(seen.take(), LINKS);
        // Each callback holds the future of the next chain.
        let mut first = None;
        let mut resolvers = Vec::new();
        for _ in 0..LINKS {
            let (deferred, resolver) = Text::new();
            resolvers.push(resolver);
            let next = first.take();
            let deferred = count(deferred).add_callback(move |value| {
                drop(next);
                Ok::<_, String>(value)
            });
            first = Some(deferred.into_future());
        }
        drop(first);
        assert_eq!(seen.take(), LINKS);
    });
}

/// Each canceller cancels the next Deferred.
#[test]
fn cancellers_that_cancel_run_in_constant_stack() {
    const DEPTH: u32 = 100_000;
    on_a_small_stack(|| {
        let failed = Rc::new(Cell::new(0));
        let mut resolvers = Vec::new();
        let mut last: Option<Text> = None;
        for depth in 0..DEPTH {
            let next = last.take();
            let (deferred, resolver) = Text::with_canceller(move || {
                if let Some(next) = next {
                    next.cancel();
                }
            });
            resolvers.push(resolver);
            let failed = failed.clone();
            last = Some(deferred.add_errback(move |error| {
                assert_eq!(error, "cancelled");
                // The innermost fails first.
                assert_eq!(failed.replace(depth + 1), depth);
                Ok(0)
            }));
        }
        last.unwrap().cancel();
        assert_eq!(failed.get(), DEPTH);
    });
}

#[test]
fn a_canceller_that_panics_asks_for_nothing_later() {
    let log = Log::default();
    let (inner, _inner) = Text::with_canceller({
        let log = log.clone();
        move || log.add("inner")
    });
    let handle = inner.canceller();
    let (outer, _outer) = Text::with_canceller(move || {
        handle.cancel();
        panic!("in the canceller");
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| outer.cancel()));
    assert!(panicked.is_err());
    log.is(&[]);
    let (other, _other) = Text::with_canceller({
        let log = log.clone();
        move || log.add("other")
    });
    other.cancel();
    log.is(&["other"]);
}

/// A loop of callbacks, in which each round waits for the next.
struct Rounds {
    left: Cell<u32>,
    next: Cell<Option<Resolver<u32, String>>>,
}

fn round(rounds: Rc<Rounds>) -> Text {
    let (deferred, resolver) = Text::new();
    rounds.next.set(Some(resolver));
    deferred.add_callback(move |value| {
        rounds.left.set(rounds.left.get() - 1);
        match rounds.left.get() {
            0 => Text::succeed(value),
            _ => round(rounds),
        }
    })
}

#[test]
fn a_long_loop_of_callbacks_is_cancelled_from_its_first_round() {
    on_a_small_stack(|| {
        let log = Log::default();
        let rounds = Rc::new(Rounds {
            left: Cell::new(100_000),
            next: Cell::default(),
        });
        // The canceller of the first round cancels the last.
        let first = round(rounds.clone());
        let canceller = first.canceller();
        end(Text::succeed(0).add_callback(|_| first), &log);
        while rounds.left.get() > 1 {
            rounds.next.take().unwrap().callback(5);
        }
        log.is(&[]);
        canceller.cancel();
        log.is(&["Err(\"cancelled\")"]);
    });
}
