//! Lists, in each of the three ways in which they fire.

use switchboard_callbacks::{DeferredList, Resolver};

use crate::cancel::work;
use crate::{Log, Text, end, unhandled};

type Resolvers = [Option<Resolver<u32, String>>; 3];

/// Returns a list of three parts, and their resolvers.
fn three(consume: bool) -> (DeferredList<u32, String>, Resolvers) {
    let (parts, resolvers): (Vec<_>, Vec<_>) = (0..3).map(|_| Text::new()).unzip();
    let resolvers: [_; 3] = resolvers.try_into().unwrap();
    let list = DeferredList::new(parts).consume_errors(consume);
    (list, resolvers.map(Some))
}

/// Fires the resolvers in this order. Even numbers are values, odd ones failures.
fn fire(resolvers: &mut Resolvers, events: [(usize, u32); 3]) {
    for (index, number) in events {
        let resolver = resolvers[index].take().unwrap();
        if number % 2 == 0 {
            resolver.callback(number);
        } else {
            resolver.errback(number.to_string());
        }
    }
}

#[test]
fn lists_fire_in_three_ways() {
    for consume in [false, true] {
        let (log, reports) = (Log::default(), unhandled());
        let reported = |expected: &[&str]| reports.is(if consume { &[] } else { expected });

        let (list, mut resolvers) = three(consume);
        end(list.all(), &log);
        fire(&mut resolvers, [(2, 4), (0, 1), (1, 2)]);
        log.is(&["Ok([Err(\"1\"), Ok(2), Ok(4)])"]);
        reported(&[]);

        let log = Log::default();
        let (list, mut resolvers) = three(consume);
        end(list.first(), &log);
        fire(&mut resolvers, [(2, 1), (1, 2), (0, 3)]);
        log.is(&["Ok((1, 2))"]);
        reported(&["\"1\"", "\"3\""]);

        let log = Log::default();
        let (list, mut resolvers) = three(consume);
        end(list.first(), &log);
        fire(&mut resolvers, [(2, 5), (1, 9), (0, 7)]);
        log.is(&["Err(\"7\")"]);
        reported(&["\"1\"", "\"3\"", "\"5\"", "\"9\""]);

        let log = Log::default();
        let (list, mut resolvers) = three(consume);
        end(list.gather(), &log);
        fire(&mut resolvers, [(2, 2), (1, 4), (0, 6)]);
        log.is(&["Ok([6, 4, 2])"]);

        let log = Log::default();
        let (list, mut resolvers) = three(consume);
        end(list.gather(), &log);
        fire(&mut resolvers, [(2, 2), (1, 11), (0, 13)]);
        log.is(&["Err(\"11\")"]);
        reported(&["\"1\"", "\"3\"", "\"5\"", "\"9\"", "\"13\""]);
    }
}

#[test]
fn a_list_of_fired_parts_and_an_empty_list_fire_at_once() {
    let log = Log::default();
    let fired = || DeferredList::new([Text::succeed(1), Text::succeed(2)]);
    end(fired().all(), &log);
    end(fired().gather(), &log);
    end(fired().first(), &log);
    log.is(&["Ok([Ok(1), Ok(2)])", "Ok([1, 2])", "Ok((0, 1))"]);

    let log = Log::default();
    let empty = || DeferredList::new(Vec::<Text>::new());
    end(empty().all(), &log);
    end(empty().gather(), &log);
    end(empty().first(), &log);
    log.is(&[
        "Ok([])",
        "Ok([])",
        "Err(\"cancelled: the resolver was dropped\")",
    ]);
}

#[test]
fn cancelling_a_list_cancels_the_parts_that_have_not_fired() {
    let (log, reports) = (Log::default(), unhandled());
    let parts = |log: &Log| {
        let [(a, fire), (b, b_held), (c, c_held)] = ["a", "b", "c"].map(|name| work(name, log));
        fire.callback(1);
        (DeferredList::new([a, b, c]), [b_held, c_held])
    };
    let (list, _held) = parts(&log);
    let all = list.all();
    all.cancel();
    end(all, &log);
    let stopped = ["stop b", "stop c"];
    log.is(&[
        &stopped[..],
        &["Ok([Ok(1), Err(\"cancelled\"), Err(\"cancelled\")])"],
    ]
    .concat());

    let log = Log::default();
    let (list, _held) = parts(&log);
    let gathered = list.gather();
    gathered.cancel();
    drop(gathered);
    log.is(&stopped);

    let log = Log::default();
    let [(a, _a), (b, _b)] = ["a", "b"].map(|name| work(name, &log));
    let first = DeferredList::new([a, b]).first();
    first.cancel();
    end(first, &log);
    log.is(&["stop a", "stop b", "Err(\"cancelled\")"]);
    reports.is(&[]);
}
