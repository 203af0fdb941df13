//! Beginnings and ends of runs.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use switchboard_reactor::plumbing::Sockets;
use switchboard_reactor::{Hooks, Loop, TurnReport};

use crate::support::{Fixture, Log, Recorder, lock, send, unix_pair, yield_now};

const SOON: Duration = Duration::from_millis(2);
const FAR: Duration = Duration::from_secs(1000);

pub(crate) fn a_run_without_work_has_no_turns(fixture: &Fixture) {
    fixture.run_to_the_end();
    assert_eq!(fixture.recorder.turns(), 0);
}

pub(crate) fn a_run_lasts_until_the_last_call(fixture: &Fixture) {
    let log = Log::new();
    let (lp, seen) = (fixture.lp.clone(), log.clone());
    fixture.call_soon(move || {
        lp.call_soon(seen.adds(()));
    });
    fixture.run_to_the_end();
    assert_eq!((log.len(), fixture.recorder.turns()), (1, 2));
    assert!(fixture.call_soon(|| ()).cancel());
    fixture.run_to_the_end();
}

pub(crate) fn a_run_lasts_until_the_last_timer(fixture: &Fixture) {
    let log = Log::new();
    fixture.call_later(SOON, log.adds(()));
    let far = fixture.call_later(FAR, log.adds(()));
    fixture.call_later(SOON, move || assert!(far.cancel()));
    fixture.run_to_the_end();
    assert_eq!(log.len(), 1);
}

pub(crate) fn a_run_lasts_until_the_last_task(fixture: &Fixture) {
    let log = Log::new();
    let seen = log.clone();
    fixture
        .spawn(async move {
            yield_now().await;
            seen.add(());
        })
        .detach();
    let idle = fixture.spawn(std::future::pending::<()>());
    fixture.call_later(SOON, move || drop(idle));
    fixture.run_to_the_end();
    assert_eq!(log.len(), 1);
}

pub(crate) fn a_run_lasts_until_the_last_descriptor(fixture: &Fixture) {
    let pairs = [unix_pair(), unix_pair()];
    let log = Log::new();
    let mut silent = None;
    for (nth, (here, _)) in pairs.iter().enumerate() {
        let own = Rc::new(Cell::new(None));
        let (lp, registration, seen) = (fixture.lp.clone(), own.clone(), log.clone());
        let added = fixture.add_reader(here, move |_| {
            if nth == 0 {
                registration.take().into_iter().for_each(|registration| {
                    lp.remove(registration).expect("the callback is there")
                });
                seen.add(());
            }
        });
        let added = added.expect("adding a reader succeeds");
        own.set(Some(added));
        silent = Some(added);
    }
    send(&pairs[0].1);
    let (lp, silent) = (fixture.lp.clone(), silent.expect("two readers were added"));
    fixture.call_later(SOON, move || {
        lp.remove(silent).expect("the callback is there")
    });
    fixture.run_to_the_end();
    assert_eq!(log.len(), 1);
}

pub(crate) fn a_run_lasts_until_the_last_remote_call(fixture: &Fixture) {
    let ran = Arc::new(AtomicBool::new(false));
    let (remote, flag) = (fixture.remote(), ran.clone());
    fixture.call_soon(move || {
        thread::spawn(move || remote.call_soon(move || flag.store(true, Ordering::Release)))
            .join()
            .expect("the thread sends");
    });
    fixture.run_to_the_end();
    assert!(ran.load(Ordering::Acquire));
}

pub(crate) fn stop_ends_a_run(fixture: &Fixture) {
    let log = Log::new();
    for round in 0..3 {
        let (lp, seen) = (fixture.lp.clone(), log.clone());
        fixture.call_soon(move || {
            lp.stop();
            lp.call_soon(seen.adds("next turn"));
        });
        fixture.call_soon(log.adds("this turn"));
        fixture.call_later(FAR, || ());
        if round % 2 == 0 {
            fixture.run_forever().expect("the run succeeds");
        } else {
            fixture.run_to_the_end();
        }
        assert_eq!(log.all().last(), Some(&"this turn"));
    }
    assert_eq!(log.len(), 5);
}

/// `stop` ends only the run in which it is called: the next run waits as usual.
pub(crate) fn stop_does_not_affect_the_next_run(fixture: &Fixture) {
    fixture.stop();
    assert!(fixture.turns_of_an_idle_run() <= 3);
    let before = fixture.recorder.turns();
    let due = fixture.now() + 10 * SOON;
    fixture.call_soon({
        let lp = fixture.lp.clone();
        move || lp.stop()
    });
    fixture
        .block_on(async {
            poll_fn(|context| {
                if fixture.now() >= due {
                    return Poll::Ready(());
                }
                fixture.wake_at(due, context.waker().clone());
                Poll::Pending
            })
            .await;
        })
        .expect("the run succeeds");
    // One turn runs the call that stops, another waits.
    assert!(fixture.recorder.turns() - before <= 4);
}

pub(crate) fn a_run_within_a_run_panics(fixture: &Fixture) {
    let log = Log::new();
    let other = Rc::new(fixture.another_loop());
    for foreign in [false, true] {
        let lp = if foreign { &other.lp } else { &fixture.lp };
        let (lp, seen) = (lp.clone(), log.clone());
        fixture.call_soon(move || {
            let runs = [
                catch_unwind(AssertUnwindSafe(|| lp.run_until_empty())).is_err(),
                catch_unwind(AssertUnwindSafe(|| lp.run_forever())).is_err(),
                catch_unwind(AssertUnwindSafe(|| lp.block_on(async {}))).is_err(),
            ];
            seen.add(runs);
            // The last panic is caught by the loop, which reports it.
            let _ = lp.run_until_empty();
        });
    }
    // The outer run continues: it waits, and does not end when nothing is left to do.
    assert!(fixture.turns_of_an_idle_run() <= 4);
    assert_eq!(log.all(), [[true; 3]; 2]);
    assert_eq!(lock(&fixture.recorder.panics).len(), 2);
    other.run_to_the_end();
}

pub(crate) fn a_waker_of_block_on_wakes_it(fixture: &Fixture) {
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
        assert_eq!(fixture.block_on(answer).expect("the run succeeds"), 42);
        thread
            .expect("the thread was started")
            .join()
            .expect("the thread ends");
    }
    // The future can also wake itself.
    fixture
        .block_on(async {
            yield_now().await;
            yield_now().await;
        })
        .expect("the run succeeds");
}

pub(crate) fn a_turn_waits_no_longer_than_its_limit(fixture: &Fixture) {
    let start = fixture.now();
    fixture.call_later(FAR, || panic!("not now"));
    fixture.turn(Some(SOON)).expect("the turn succeeds");
    let lasted = fixture.now() - start;
    assert!(lasted >= SOON && lasted < FAR);
}

pub(crate) fn the_loop_that_runs_is_the_current_one(fixture: &Fixture) {
    let log = Log::new();
    assert!(Loop::current().is_none());
    let seen = log.clone();
    fixture.call_soon(move || seen.add(Loop::current().map(|lp| lp.id())));
    fixture.run_to_the_end();
    let seen = fixture.block_on(async { Loop::with_current(|lp| lp.map(Loop::id)) });
    log.add(seen.expect("the run succeeds"));
    assert_eq!(log.all(), [Some(fixture.id()); 2]);
    assert!(Loop::current().is_none());
}

pub(crate) fn hooks_can_replace_themselves_at_the_end_of_a_turn(fixture: &Fixture) {
    struct Replaces(Arc<Recorder>);
    impl Hooks for Replaces {
        fn turn(&self, _: &TurnReport) {
            let lp = Loop::current().expect("a loop runs");
            lp.set_hooks(self.0.clone());
        }
    }
    fixture.set_hooks(Arc::new(Replaces(fixture.recorder.clone())));
    let lp = fixture.lp.clone();
    // A second turn, of which the new hooks are told.
    fixture.call_soon(move || drop(lp.call_soon(|| ())));
    fixture.run_to_the_end();
    assert!(fixture.recorder.turns() > 0);
}
