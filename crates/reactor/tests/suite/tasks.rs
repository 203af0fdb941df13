//! Tasks: queueing, waking, cancellation and panics.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;

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
