//! Cancelling Deferreds, and dropping their resolvers.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use switchboard_callbacks::{Cancelled, Deferred, Resolver};

use crate::{Log, Text, end, unhandled};

/// Returns a Deferred whose canceller logs its name.
pub(crate) fn work(name: &'static str, log: &Log) -> (Text, Resolver<u32, String>) {
    let log = log.clone();
    Deferred::with_canceller(move || log.add(format!("stop {name}")))
}

#[test]
fn cancel_cancels_what_the_chain_waits_for() {
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
    // A second cancel does nothing, and neither does the resolver after it.
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
fn cancel_does_nothing_to_a_fired_deferred() {
    let log = Log::default();
    let (deferred, resolver) = work("work", &log);
    resolver.callback(1);
    deferred.cancel();
    end(deferred, &log);
    log.is(&["Ok(1)"]);

    // A Deferred that a callback returned, and that has fired, is not cancelled either.
    let (inner, resolver) = work("inner", &log);
    let canceller = inner.canceller();
    end(Text::succeed(0).add_callback(|_| inner), &log);
    resolver.callback(2);
    canceller.cancel();
    log.is(&["Ok(1)", "Ok(2)"]);
}

#[test]
fn a_canceller_may_fire_its_deferred() {
    let (log, reports) = (Log::default(), unhandled());
    let fire: Rc<Cell<Option<Resolver<u32, String>>>> = Rc::default();
    let hold = fire.clone();
    let (deferred, resolver) = Text::with_canceller(move || hold.take().unwrap().callback(9));
    fire.set(Some(resolver));
    let canceller = deferred.canceller();
    end(deferred, &log);
    canceller.cancel();
    log.is(&["Ok(9)"]);

    // A failure that the canceller causes follows from the cancel, and is not reported.
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
fn dropping_the_resolver_fails_the_deferred() {
    let log = Log::default();
    let (deferred, resolver) = Text::new();
    end(deferred.add_callback(|value| Ok(value + 1)), &log);
    drop(resolver);
    log.is(&["Err(\"cancelled: the resolver was dropped\")"]);
}

#[test]
fn cancelled_converts_to_other_error_types() {
    let (deferred, resolver) = Deferred::<(), io::Error>::new();
    drop(resolver);
    let seen = Rc::new(Cell::new(false));
    let set_seen = seen.clone();
    deferred.add_errback(move |error| {
        assert_eq!(error.kind(), io::ErrorKind::Other);
        set_seen.set(error.get_ref().unwrap().is::<Cancelled>());
        Err::<(), Box<dyn std::error::Error>>(error.into())
    });
    assert!(seen.get());
}

#[test]
fn a_panic_unwinds_to_the_caller_and_cancels_the_rest_of_the_chain() {
    let log = Log::default();
    let (deferred, resolver) = Text::new();
    let deferred = deferred.add_callback(|_| -> Result<u32, String> { panic!("oh") });
    end(deferred, &log);
    let fired = std::panic::AssertUnwindSafe(|| resolver.callback(1));
    assert!(std::panic::catch_unwind(fired).is_err());
    log.is(&["Err(\"cancelled: the resolver was dropped\")"]);
}
