//! Cancelling, and resolvers that are dropped.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use switchboard_callbacks::{Cancelled, Deferred, Resolver};

use crate::{Log, Text, end, unhandled};

/// A Deferred whose canceller logs its name.
pub(crate) fn work(name: &'static str, log: &Log) -> (Text, Resolver<u32, String>) {
    let log = log.clone();
    Deferred::with_canceller(move || log.add(format!("stop {name}")))
}

#[test]
fn cancel_reaches_what_the_chain_waits_for() {
    let (log, reports) = (Log::default(), unhandled());
    let (origin, resolver) = work("origin", &log);
    let seen = log.clone();
    let tail = origin
        .add_callback(|value| Ok(value + 1))
        .add_errback(move |error| {
            seen.add(&error);
            Err::<u32, _>(error)
        });
    tail.cancel();
    log.is(&["stop origin", "cancelled"]);
    // Twice is once, and whoever fires it later comes too late.
    tail.cancel();
    resolver.errback("late".into());
    log.is(&["stop origin", "cancelled"]);
    drop(tail);

    let log = Log::default();
    let (origin, resolver) = work("origin", &log);
    let (inner, _fire) = work("inner", &log);
    let (innermost, _fire) = work("innermost", &log);
    let early = origin.canceller();
    let inner = inner.add_callback(|_| Ok(2));
    let chained = Text::succeed(1).add_callback(|_| innermost);
    let tail = origin.add_callback(|_| inner).add_errback(|_| chained);
    resolver.callback(1);
    early.cancel();
    log.is(&["stop inner"]);
    tail.cancel();
    log.is(&["stop inner", "stop innermost"]);
    end(tail, &log);
    log.is(&["stop inner", "stop innermost", "Err(\"cancelled\")"]);
    reports.is(&[]);
}

#[test]
fn cancel_leaves_alone_what_has_fired() {
    let log = Log::default();
    let (deferred, resolver) = work("work", &log);
    resolver.callback(1);
    deferred.cancel();
    end(deferred, &log);
    log.is(&["Ok(1)"]);

    // Nor one that a callback returned.
    let (inner, resolver) = work("inner", &log);
    let canceller = inner.canceller();
    end(Text::succeed(0).add_callback(|_| inner), &log);
    resolver.callback(2);
    canceller.cancel();
    log.is(&["Ok(1)", "Ok(2)"]);
}

#[test]
fn a_canceller_may_fire_it_itself() {
    let (log, reports) = (Log::default(), unhandled());
    let fire: Rc<Cell<Option<Resolver<u32, String>>>> = Rc::default();
    let hold = fire.clone();
    let (deferred, resolver) = Text::with_canceller(move || hold.take().unwrap().callback(9));
    fire.set(Some(resolver));
    let canceller = deferred.canceller();
    end(deferred, &log);
    canceller.cancel();
    log.is(&["Ok(9)"]);

    // What it fails with, or lets go of, follows from the cancel, and is no news.
    let hold = fire.clone();
    let (deferred, resolver) =
        Text::with_canceller(move || hold.take().unwrap().errback("no".into()));
    fire.set(Some(resolver));
    deferred.cancel();
    drop(deferred);
    let hold = fire.clone();
    let (deferred, resolver) = Text::with_canceller(move || drop(hold.take()));
    fire.set(Some(resolver));
    deferred.cancel();
    drop(deferred);
    reports.is(&[]);
}

#[test]
fn a_resolver_that_is_dropped_fails_it() {
    let log = Log::default();
    let (deferred, resolver) = Text::new();
    end(deferred.add_callback(|value| Ok(value + 1)), &log);
    drop(resolver);
    log.is(&["Err(\"cancelled: nobody is left to fire it\")"]);
}

#[test]
fn cancelled_is_an_error_of_many_kinds() {
    let (deferred, resolver) = Deferred::<(), io::Error>::new();
    drop(resolver);
    let seen = Rc::new(Cell::new(false));
    let told = seen.clone();
    deferred.add_errback(move |error| {
        assert_eq!(error.kind(), io::ErrorKind::Other);
        told.set(error.get_ref().unwrap().is::<Cancelled>());
        Err::<(), Box<dyn std::error::Error>>(error.into())
    });
    assert!(seen.get());
}

#[test]
fn a_panic_goes_to_whoever_fired_and_the_rest_is_cancelled() {
    let log = Log::default();
    let (deferred, resolver) = Text::new();
    let deferred = deferred.add_callback(|_| -> Result<u32, String> { panic!("oh") });
    end(deferred, &log);
    let fired = std::panic::AssertUnwindSafe(|| resolver.callback(1));
    assert!(std::panic::catch_unwind(fired).is_err());
    log.is(&["Err(\"cancelled: nobody is left to fire it\")"]);
}
