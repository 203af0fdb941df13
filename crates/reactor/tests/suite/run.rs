//! When a run begins and ends.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use switchboard_reactor::Loop;
use switchboard_reactor::plumbing::Sockets;

use crate::kit::{Bench, Log, lock, send, unix, yield_now};

const SOON: Duration = Duration::from_millis(2);
const FAR: Duration = Duration::from_secs(1000);

pub(crate) fn nothing_to_do(bench: &Bench) {
    bench.run_out();
    assert_eq!(bench.spy.turns(), 0);
}

pub(crate) fn until_the_last_call(bench: &Bench) {
    let log = Log::new();
    let (lp, seen) = (bench.lp.clone(), log.clone());
    bench.call_soon(move || {
        lp.call_soon(seen.adds(()));
    });
    bench.run_out();
    assert_eq!((log.len(), bench.spy.turns()), (1, 2));
    assert!(bench.call_soon(|| ()).cancel());
    bench.run_out();
}

pub(crate) fn until_the_last_timer(bench: &Bench) {
    let log = Log::new();
    bench.call_later(SOON, log.adds(()));
    let far = bench.call_later(FAR, log.adds(()));
    bench.call_later(SOON, move || assert!(far.cancel()));
    bench.run_out();
    assert_eq!(log.len(), 1);
}

pub(crate) fn until_the_last_task(bench: &Bench) {
    let log = Log::new();
    let seen = log.clone();
    bench
        .spawn(async move {
            yield_now().await;
            seen.add(());
        })
        .detach();
    let idle = bench.spawn(std::future::pending::<()>());
    bench.call_later(SOON, move || drop(idle));
    bench.run_out();
    assert_eq!(log.len(), 1);
}

pub(crate) fn until_the_last_descriptor(bench: &Bench) {
    let pairs = [unix(), unix()];
    let log = Log::new();
    let mut silent = None;
    for (nth, (here, _)) in pairs.iter().enumerate() {
        let own = Rc::new(Cell::new(None));
        let (lp, registration, seen) = (bench.lp.clone(), own.clone(), log.clone());
        let added = bench.add_reader(here, move |_| {
            if nth == 0 {
                registration
                    .take()
                    .into_iter()
                    .for_each(|registration| lp.remove(registration));
                seen.add(());
            }
        });
        let added = added.expect("a reader");
        own.set(Some(added));
        silent = Some(added);
    }
    send(&pairs[0].1);
    let (lp, silent) = (bench.lp.clone(), silent.expect("the second"));
    bench.call_later(SOON, move || lp.remove(silent));
    bench.run_out();
    assert_eq!(log.len(), 1);
}

pub(crate) fn until_the_last_remote_call(bench: &Bench) {
    let ran = Arc::new(AtomicBool::new(false));
    let (remote, flag) = (bench.remote(), ran.clone());
    bench.call_soon(move || {
        thread::spawn(move || remote.call_soon(move || flag.store(true, Ordering::Release)))
            .join()
            .expect("it sends");
    });
    bench.run_out();
    assert!(ran.load(Ordering::Acquire));
}

pub(crate) fn stop_ends_a_run(bench: &Bench) {
    let log = Log::new();
    for round in 0..3 {
        let (lp, seen) = (bench.lp.clone(), log.clone());
        bench.call_soon(move || {
            lp.stop();
            lp.call_soon(seen.adds("next turn"));
        });
        bench.call_soon(log.adds("this turn"));
        bench.call_later(FAR, || ());
        if round % 2 == 0 {
            bench.run_forever().expect("a run");
        } else {
            bench.run_out();
        }
        assert_eq!(log.all().last(), Some(&"this turn"));
    }
    assert_eq!(log.len(), 5);
}

/// A stop is for the run under way: the next one waits as if it had never been.
pub(crate) fn stop_is_forgotten(bench: &Bench) {
    bench.stop();
    assert!(bench.turns_of_an_idle_run() <= 3);
    let before = bench.spy.turns();
    let due = bench.now() + 10 * SOON;
    bench.call_soon({
        let lp = bench.lp.clone();
        move || lp.stop()
    });
    bench
        .block_on(async {
            poll_fn(|context| {
                if bench.now() >= due {
                    return Poll::Ready(());
                }
                bench.wake_at(due, context.waker().clone());
                Poll::Pending
            })
            .await;
        })
        .expect("a run");
    // A turn that was stopped, and one that waits.
    assert!(bench.spy.turns() - before <= 4);
}

pub(crate) fn a_run_within_a_run_panics(bench: &Bench) {
    let log = Log::new();
    let other = Rc::new(bench.another());
    for foreign in [false, true] {
        let lp = if foreign { &other.lp } else { &bench.lp };
        let (lp, seen) = (lp.clone(), log.clone());
        bench.call_soon(move || {
            let runs = [
                catch_unwind(AssertUnwindSafe(|| lp.run_until_empty())).is_err(),
                catch_unwind(AssertUnwindSafe(|| lp.run_forever())).is_err(),
                catch_unwind(AssertUnwindSafe(|| lp.block_on(async {}))).is_err(),
            ];
            seen.add(runs);
            // And once more, uncaught.
            let _ = lp.run_until_empty();
        });
    }
    // The run under way goes on as it was: it waits, and doesn't take itself for another kind.
    assert!(bench.turns_of_an_idle_run() <= 4);
    assert_eq!(log.all(), [[true; 3]; 2]);
    assert_eq!(lock(&bench.spy.panics).len(), 2);
    other.run_out();
}

pub(crate) fn block_on_is_woken(bench: &Bench) {
    for _ in 0..20 {
        let flag = Arc::new(AtomicBool::new(false));
        let mut thread = None;
        let answer = poll_fn(|context| {
            if flag.load(Ordering::Acquire) {
                return Poll::Ready(42);
            }
            if thread.is_none() {
                let (flag, waker) = (flag.clone(), context.waker().clone());
                thread = Some(thread::spawn(move || {
                    flag.store(true, Ordering::Release);
                    Waker::wake(waker);
                }));
            }
            Poll::Pending
        });
        assert_eq!(bench.block_on(answer).expect("a run"), 42);
        thread.expect("a thread").join().expect("it ends");
    }
    // And by itself.
    bench
        .block_on(async {
            yield_now().await;
            yield_now().await;
        })
        .expect("a run");
}

pub(crate) fn a_turn_has_a_limit(bench: &Bench) {
    let start = bench.now();
    bench.call_later(FAR, || panic!("not now"));
    bench.turn(Some(SOON)).expect("a turn");
    let lasted = bench.now() - start;
    assert!(lasted >= SOON && lasted < FAR);
}

pub(crate) fn the_current_loop(bench: &Bench) {
    let log = Log::new();
    assert!(Loop::current().is_none());
    let seen = log.clone();
    bench.call_soon(move || seen.add(Loop::current().map(|lp| lp.id())));
    bench.run_out();
    let seen = bench.block_on(async { Loop::with_current(|lp| lp.map(Loop::id)) });
    log.add(seen.expect("a run"));
    assert_eq!(log.all(), [Some(bench.id()); 2]);
    assert!(Loop::current().is_none());
}
