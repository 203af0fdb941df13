//! Chains that are longer than a stack is deep.

use std::cell::Cell;
use std::rc::Rc;

use switchboard_callbacks::Resolver;

use crate::{Log, Text, end, unhandled};

/// What a small stack has room for: enough for a frame or two, not for one each round.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(128 * 1024);
    thread.spawn(f).unwrap().join().unwrap();
}

#[test]
fn long_chains_need_no_stack() {
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

        // Each returns the one before it, and all wait for the first.
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
fn long_chains_are_cancelled_and_dropped_without_stack() {
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
        reports.is(&["\"cancelled: nobody is left to fire it\""]);
    });
}

/// A loop in the style of callbacks: each round waits for the next.
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
fn a_loop_of_callbacks_ends_however_long() {
    on_a_small_stack(|| {
        let log = Log::default();
        let rounds = Rc::new(Rounds {
            left: Cell::new(100_000),
            next: Cell::default(),
        });
        // Held from the first round, it cancels the last.
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
