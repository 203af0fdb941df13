//! Tasks that are cancelled, by their handles or with their loop.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;

use switchboard_reactor::{Outcome, Task};

use crate::support::{Fixture, Log, OnDrop};

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
