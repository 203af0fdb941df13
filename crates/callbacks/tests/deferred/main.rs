//! Deferreds: order, the two tracks, cancelling, reports, lists and futures.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use switchboard_callbacks::{Deferred, Failure, set_unhandled};

mod cancel;
mod futures;
mod lists;
mod long;
mod random;

type Text = Deferred<u32, String>;

/// A log of events, in order.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn add(&self, text: impl ToString) {
        self.0.borrow_mut().push(text.to_string());
    }

    #[track_caller]
    fn is(&self, expected: &[&str]) {
        assert_eq!(*self.0.borrow(), expected);
    }
}

/// Returns a log of this thread's unhandled failures from now on.
fn unhandled() -> Log {
    let log = Log::default();
    let reports = log.clone();
    set_unhandled(move |error, _| reports.add(format!("{error:?}")));
    log
}

/// Logs the result of `deferred`.
fn end<T: std::fmt::Debug, E: Failure>(deferred: Deferred<T, E>, log: &Log) {
    let log = log.clone();
    deferred.add_both(move |result| {
        log.add(format!("{result:?}"));
        Ok::<_, String>(())
    });
}

#[test]
fn callbacks_run_in_order_when_the_deferred_fires() {
    let log = Log::default();
    let (deferred, resolver) = Text::new();
    let [a, b] = [log.clone(), log.clone()];
    let deferred = deferred
        .add_callback(move |value| {
            a.add(format!("a{value}"));
            Ok(value + 1)
        })
        .add_callback(move |value| {
            b.add(format!("b{value}"));
            Ok(f64::from(value))
        });
    end(deferred, &log);
    log.is(&[]);
    resolver.callback(1);
    log.is(&["a1", "b2", "Ok(2.0)"]);
}

#[test]
fn a_callback_added_to_a_fired_deferred_runs_at_once() {
    let log = Log::default();
    end(Text::succeed(1), &log);
    log.is(&["Ok(1)"]);
    end(Text::fail("no".into()), &log);
    log.is(&["Ok(1)", "Err(\"no\")"]);

    // The same holds within another Deferred's callback, and for a resolver that is fired there.
    let inner = log.clone();
    let (other, fire) = Text::new();
    end(other, &log);
    let deferred = Text::succeed(2).add_callback(move |value| {
        fire.callback(3);
        inner.add("after");
        Ok(value)
    });
    end(deferred, &log);
    log.is(&["Ok(1)", "Err(\"no\")", "Ok(3)", "after", "Ok(2)"]);
}

#[test]
fn a_failure_goes_to_the_next_errback_and_on_from_there() {
    let log = Log::default();
    let (deferred, resolver) = Text::new();
    let deferred = deferred
        .add_errback(|_| -> Result<u32, String> { unreachable!("nothing has failed yet") })
        .add_callback(|value| Err::<u32, _>(format!("{value} is no good")))
        .add_callback(|_| -> Result<u32, String> { unreachable!("a failure passes by") })
        .add_errback(|error| Ok::<_, io::Error>(error.len() as u32))
        .add_callback(|value| Ok(value * 2));
    end(deferred, &log);
    resolver.callback(7);
    log.is(&["Ok(24)"]);
}

#[test]
fn add_both_and_add_callbacks_run_one_function_for_each_result() {
    let log = Log::default();
    for result in [Ok(1), Err("one".to_owned())] {
        let (deferred, resolver) = Text::new();
        let deferred = deferred
            .add_both(|result| match result {
                Ok(value) => Err(value.to_string()),
                Err(error) => Ok(error.len()),
            })
            // The errback of a pair does not get the failure of the callback.
            .add_callbacks(
                |length| Err::<String, _>(format!("length {length}")),
                |error| Ok(format!("was {error}")),
            );
        end(deferred, &log);
        match result {
            Ok(value) => resolver.callback(value),
            Err(error) => resolver.errback(error),
        }
    }
    log.is(&["Ok(\"was 1\")", "Err(\"length 3\")"]);
}

#[test]
fn a_chain_waits_for_the_deferred_that_a_callback_returned() {
    let log = Log::default();
    let (outer, resolver) = Text::new();
    let (inner, fire) = Text::new();
    end(outer.add_callback(|_| inner), &log);
    resolver.callback(1);
    log.is(&[]);
    fire.callback(2);
    log.is(&["Ok(2)"]);

    // An errback returns a Deferred that fails, and a callback one that has fired already.
    let (inner, fire) = Text::new();
    end(Text::fail("a".into()).add_errback(|_| inner), &log);
    fire.errback("b".into());
    end(Text::succeed(1).add_callback(|_| Text::succeed(3)), &log);
    log.is(&["Ok(2)", "Err(\"b\")", "Ok(3)"]);
}

#[test]
fn a_deferred_that_would_wait_for_itself_fails() {
    let log = Log::default();
    let (deferred, resolver) = Text::new();
    let tail = Rc::new(Cell::new(None));
    let own = tail.clone();
    let seen = log.clone();
    let deferred = deferred
        .add_callback(move |_| own.take().unwrap())
        .add_errback(move |error| {
            seen.add(error);
            Ok::<_, String>(1)
        });
    let canceller = deferred.canceller();
    tail.set(Some(deferred));
    resolver.callback(1);
    canceller.cancel();
    log.is(&["cancelled: a callback returned a Deferred that waits for this one"]);
}

#[test]
fn cancelling_deferreds_that_wait_for_each_other_returns() {
    let [(a, fire_a), (b, fire_b)] = [Text::new(), Text::new()];
    let tail = Rc::new(Cell::new(None));
    let late: Rc<Cell<Option<Text>>> = tail.clone();
    let a = a.add_callback(move |_| late.take().unwrap());
    let canceller = a.canceller();
    tail.set(Some(b.add_callback(|_| a)));
    fire_a.callback(1);
    fire_b.callback(1);
    canceller.cancel();
}

#[test]
fn an_unhandled_failure_is_reported_once() {
    let reports = unhandled();
    drop(Text::fail("a".into()));
    reports.is(&["\"a\""]);
    // The end of a chain is dropped before its origin fails.
    let (deferred, resolver) = Text::new();
    drop(deferred.add_callback(|value| Ok(value + 1)));
    resolver.errback("b".into());
    // A Deferred that a callback returned fails.
    let (inner, fire) = Text::new();
    drop(Text::succeed(1).add_callback(|_| inner));
    fire.errback("c".into());
    // A resolver is dropped without a cancel.
    drop(Text::new());
    let all = [
        "\"a\"",
        "\"b\"",
        "\"c\"",
        "\"cancelled: the resolver was dropped\"",
    ];
    reports.is(&all);

    // A failure that was handled or follows from a cancel is not reported. A failure after a handled cancel is.
    Text::fail("d".into()).add_errback(|_| Ok::<_, String>(1));
    let (deferred, _resolver) = Text::new();
    deferred.cancel();
    drop(deferred.add_callback(|value| Ok(value + 1)));
    reports.is(&all);
    let (deferred, _resolver) = Text::new();
    deferred.cancel();
    let deferred = deferred.add_errback(|_| Ok::<_, String>(1));
    drop(deferred.add_callback(|_| Err::<u32, _>("e".to_owned())));
    assert_eq!(reports.0.borrow().last().unwrap(), "\"e\"");
}

#[test]
fn a_report_names_where_the_deferred_was_created() {
    let places = Rc::new(RefCell::new(Vec::new()));
    let reports = places.clone();
    let old =
        set_unhandled(move |_, place| reports.borrow_mut().push((place.file(), place.line())));
    let line = line!() + 1;
    let (deferred, resolver) = Text::new();
    drop(deferred.add_callback(|value| Ok(value + 1)));
    resolver.errback("a".into());
    assert_eq!(*places.borrow(), [(file!(), line)]);
    set_unhandled(move |error, place| old(error, place));
    Text::fail("this line belongs in the output of this test".into());
    assert_eq!(places.borrow().len(), 1);
}
