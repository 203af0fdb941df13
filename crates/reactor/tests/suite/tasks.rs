//! Tasks: queueing, waking, cancellation and panics.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use switchboard_reactor::{Outcome, Task};

use crate::support::{Fixture, Log, OnDrop, lock, yield_now};

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

/// Returns a future that never completes and adds to `dropped` when it is dropped.
fn pending_until_dropped(dropped: &Log<()>) -> impl Future<Output = ()> + use<> {
    let dropped = dropped.clone();
    let guard = OnDrop(move || dropped.add(()));
    async move {
        let _guard = guard;
        pending().await
    }
}

pub(crate) fn dropping_a_handle_cancels_its_task(fixture: &Fixture) {
    let dropped = Log::new();
    let idle = fixture.spawn(pending_until_dropped(&dropped));
    fixture.run_some_turns();
    let queued = fixture.spawn(pending_until_dropped(&dropped));
    assert_eq!(dropped.len(), 0);
    drop((idle, queued));
    fixture.run_to_the_end();
    assert_eq!(dropped.len(), 2);

    // A handle can also be dropped by a callback of the loop.
    let task = fixture.spawn(pending_until_dropped(&dropped));
    fixture.call_soon(move || drop(task));
    fixture.run_to_the_end();
    assert_eq!(dropped.len(), 3);
}

pub(crate) fn dropping_a_loop_drops_its_futures(fixture: &Fixture) {
    let dropped = Log::new();
    let other = fixture.another_loop();
    // One task holds the handle of another, one handle is kept here, one task is detached.
    let inner = other.spawn(pending_until_dropped(&dropped));
    let (outer, kept) = (
        pending_until_dropped(&dropped),
        other.spawn(pending_until_dropped(&dropped)),
    );
    let holder = other.spawn(async move {
        let _inner = inner;
        outer.await
    });
    holder.detach();
    other.run_some_turns();
    // One task is never polled, and one wakes another when it is dropped.
    other.spawn(pending_until_dropped(&dropped)).detach();
    let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
    let (mine, count) = (waker.clone(), dropped.clone());
    let sleeper = other.spawn(async move {
        let _guard = OnDrop(|| count.add(()));
        poll_fn(|context| -> Poll<()> {
            *mine.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    });
    other.run_some_turns();
    let wakes = OnDrop(move || {
        let waker = waker.take();
        waker.into_iter().for_each(Waker::wake);
    });
    let last = other.spawn(async move {
        let _wakes = wakes;
        pending::<()>().await
    });
    assert_eq!(dropped.len(), 0);
    drop(other);
    assert_eq!(dropped.len(), 5);
    drop((kept, sleeper, last));
    assert_eq!(dropped.len(), 5);
}

/// A wake of another thread is in the inbox when the loop is dropped.
pub(crate) fn a_task_may_be_woken_while_its_loop_is_dropped(fixture: &Fixture) {
    let dropped = Log::new();
    let other = fixture.another_loop();
    let (sender, receiver) = mpsc::channel();
    let guard = pending_until_dropped(&dropped);
    let mut sender = Some(sender);
    let task = other.spawn(async move {
        let mut guard = std::pin::pin!(guard);
        poll_fn(|context| {
            if let Some(sender) = sender.take() {
                sender
                    .send(context.waker().clone())
                    .expect("the receiver exists");
            }
            guard.as_mut().poll(context)
        })
        .await
    });
    other.run_some_turns();
    let waker = receiver.recv().expect("the task sends its waker");
    thread::spawn(move || waker.wake())
        .join()
        .expect("the thread ends");
    drop(other);
    assert_eq!(dropped.len(), 1);
    drop(task);
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

pub(crate) fn a_running_task_can_spawn_and_cancel_others(fixture: &Fixture) {
    let dropped = Log::new();
    let grandchildren = Log::new();
    let waiting = fixture.spawn(pending_until_dropped(&dropped));
    fixture.run_some_turns();
    let own: Rc<RefCell<Option<Task<()>>>> = Rc::default();
    let (lp, handle) = (fixture.lp.clone(), own.clone());
    let (log, seen) = (dropped.clone(), grandchildren.clone());
    let task = fixture.spawn(async move {
        // The loop polls neither of the two again.
        let queued = lp.spawn(pending_until_dropped(&log));
        drop((waiting, queued));
        for round in 0..3 {
            let children: Vec<_> = (0..100).map(|nth| lp.spawn(async move { nth })).collect();
            drop(children);
            // A child spawns a task that outlives it.
            let inner = lp.clone();
            let late = seen.clone();
            let child = lp.spawn(async move {
                inner.spawn(async move { late.add(round) }).detach();
                round
            });
            assert_eq!(child.await, round);
        }
        // The task cancels itself.
        let this = handle.take();
        let guard = pending_until_dropped(&log);
        drop(this);
        guard.await;
    });
    *own.borrow_mut() = Some(task);
    fixture.run_to_the_end();
    assert_eq!(grandchildren.all(), [0, 1, 2]);
    assert_eq!(dropped.len(), 3);
}

pub(crate) fn another_thread_can_cancel_a_task(fixture: &Fixture) {
    let here = thread::current().id();
    let dropped = Log::new();
    for _ in 0..20 {
        let log = dropped.clone();
        let guard = OnDrop(move || log.add(thread::current().id()));
        let task = fixture.spawn(async move {
            let _guard = guard;
            pending::<()>().await
        });
        let canceller = thread::spawn(move || {
            task.cancel();
            task
        });
        // Lasts until the task is cancelled.
        fixture.run_to_the_end();
        let mut task = canceller.join().expect("the thread ends");
        assert!(task.is_finished());
        let outcome = fixture.block_on(poll_fn(|context| task.poll_outcome(context)));
        let outcome = outcome.expect("the run succeeds");
        assert!(matches!(outcome, Outcome::Cancelled));
    }
    assert_eq!(dropped.all(), [here; 20]);

    // A task that has ended keeps its value.
    let task = fixture.spawn(async { 42 });
    fixture.run_to_the_end();
    let canceller = thread::spawn(move || {
        task.cancel();
        task
    });
    let task = canceller.join().expect("the thread ends");
    assert_eq!(fixture.block_on(task).expect("the run succeeds"), 42);
}
