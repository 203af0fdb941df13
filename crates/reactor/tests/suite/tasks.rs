//! Tasks: queueing, waking and panics.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use crate::support::{Fixture, Log, lock, yield_now};

pub(crate) fn tasks_and_calls_share_one_queue(fixture: &Fixture) {
    let log = Log::new();
    let add = |nth: u32| {
        let seen = log.clone();
        fixture.spawn(async move { seen.add(nth) }).detach();
        fixture.call_soon(log.adds(nth + 1));
    };
    // The order does not depend on whether the loop runs already.
    add(0);
    add(2);
    fixture
        .block_on(async {
            add(4);
            add(6);
        })
        .expect("the run succeeds");
    fixture.run_to_the_end();
    assert_eq!(log.all(), (0..8).collect::<Vec<_>>());
}

pub(crate) fn another_thread_can_wake_a_task(fixture: &Fixture) {
    let (sender, receiver) = mpsc::channel::<(Waker, Arc<AtomicBool>)>();
    let waking = thread::spawn(move || {
        for (waker, flag) in receiver {
            flag.store(true, Ordering::Release);
            waker.wake();
        }
    });
    let task = fixture.spawn(async move {
        for _ in 0..100 {
            let flag = Arc::new(AtomicBool::new(false));
            let mut sent = false;
            poll_fn(|context| {
                if flag.load(Ordering::Acquire) {
                    return Poll::Ready(());
                }
                if !std::mem::replace(&mut sent, true) {
                    let message = (context.waker().clone(), flag.clone());
                    sender.send(message).expect("the receiver exists");
                }
                Poll::Pending
            })
            .await;
        }
        "done"
    });
    assert_eq!(fixture.block_on(task).expect("the run succeeds"), "done");
    waking.join().expect("the thread ends");
}

pub(crate) fn a_task_that_wakes_itself_yields(fixture: &Fixture) {
    let log = Log::new();
    for name in ["a", "b"] {
        let seen = log.clone();
        let task = fixture.spawn(async move {
            for _ in 0..3 {
                seen.add(name);
                yield_now().await;
            }
        });
        task.detach();
    }
    fixture.run_to_the_end();
    assert_eq!(log.all(), ["a", "b", "a", "b", "a", "b"]);
    let ran: Vec<_> = lock(&fixture.recorder.turns)
        .iter()
        .map(|turn| turn.ran)
        .collect();
    let polls: Vec<_> = ran.into_iter().filter(|&ran| ran > 0).collect();
    assert_eq!(polls, [2; 4]);
}

pub(crate) fn a_panic_ends_only_its_task(fixture: &Fixture) {
    let log = Log::new();
    fixture.spawn(async { panic!("on purpose") }).detach();
    let seen = log.clone();
    fixture.spawn(async move { seen.add("continues") }).detach();
    fixture.run_to_the_end();
    assert_eq!(log.all(), ["continues"]);
    // Hooks receive panics of callbacks only; a task's panic belongs to its handle.
    assert_eq!(lock(&fixture.recorder.panics).len(), 0);

    let task = fixture.spawn(async { panic!("propagated") });
    let result = catch_unwind(AssertUnwindSafe(|| fixture.block_on(task)));
    let panic = result.expect_err("the panic is propagated");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"propagated"));
    fixture.call_soon(log.adds("later"));
    fixture.run_to_the_end();
    assert_eq!(log.len(), 2);
}

pub(crate) fn a_waker_may_outlive_its_loop(fixture: &Fixture) {
    let wakers = Log::<Waker>::new();
    let other = fixture.another_loop();
    let seen = wakers.clone();
    let task = other.spawn(poll_fn(move |context| -> Poll<()> {
        seen.add(context.waker().clone());
        Poll::Pending
    }));
    task.detach();
    other.run_some_turns();
    drop(other);
    let waker = wakers.all().remove(0);
    waker.wake_by_ref();
    thread::spawn(move || waker.wake())
        .join()
        .expect("the thread ends");
    assert_eq!(wakers.len(), 1);
}

/// A waker outlives its task, and the task's number is reused: first with another generation, which the
/// waker does not wake, then with the same one, which is polled once more and is otherwise unaffected.
pub(crate) fn a_stale_waker_causes_no_more_than_a_spurious_poll(fixture: &Fixture) {
    let wakers = Log::<Waker>::new();
    let seen = wakers.clone();
    let first = fixture.spawn(poll_fn(move |context| {
        seen.add(context.waker().clone());
        Poll::Ready(())
    }));
    first.detach();
    fixture.run_to_the_end();
    let stale = wakers.all().remove(0);

    let polls = Log::new();
    let (seen, done) = (polls.clone(), Arc::new(AtomicBool::new(false)));
    let end = done.clone();
    // Adds `true` if the waker of the poll equals the stale one.
    let count = move |stale: &Waker, own: &Waker| {
        seen.add(stale.will_wake(own));
        end.load(Ordering::Acquire)
    };
    let (count_next, same) = (count.clone(), stale.clone());
    let next = fixture.spawn(poll_fn(move |context| -> Poll<()> {
        count_next(&same, context.waker());
        Poll::Pending
    }));
    fixture.run_turn();
    stale.wake_by_ref();
    fixture.run_some_turns();
    assert_eq!(polls.all(), [false]);
    drop(next);
    fixture.run_to_the_end();

    // Each task after the first has the next of 65,536 generations.
    let mut tasks = 1;
    while polls.all().last() != Some(&true) {
        tasks += 1;
        assert!(tasks <= 1 << 16, "no number is reused");
        let (count, stale) = (count.clone(), stale.clone());
        let task = fixture.spawn(poll_fn(move |context| {
            let reused = stale.will_wake(context.waker());
            match reused && !count(&stale, context.waker()) {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        }));
        task.detach();
        fixture.run_turn();
    }
    stale.wake_by_ref();
    fixture.run_some_turns();
    assert_eq!(polls.all(), [false, true, true]);
    done.store(true, Ordering::Release);
    thread::spawn(move || stale.wake())
        .join()
        .expect("the thread ends");
    fixture.run_to_the_end();
    assert_eq!(polls.len(), 4);
}

pub(crate) fn a_turn_within_a_poll_loses_no_wake(fixture: &Fixture) {
    let polls = Log::new();
    let (seen, lp) = (polls.clone(), fixture.lp.clone());
    let task = fixture.spawn(poll_fn(move |context| {
        seen.add(());
        if seen.len() > 1 {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        // This turn takes the running task from the ready queue and cannot poll it.
        lp.turn(Some(std::time::Duration::ZERO)).expect("a turn");
        Poll::Pending
    }));
    task.detach();
    fixture.run_some_turns();
    assert_eq!(polls.len(), 2);
}
