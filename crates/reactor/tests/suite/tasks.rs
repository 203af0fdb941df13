//! Tasks.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use crate::kit::{Bench, Log, OnDrop, lock, yield_now};

pub(crate) fn in_line_with_callbacks(bench: &Bench) {
    let log = Log::new();
    let add = |nth: u32| {
        let seen = log.clone();
        bench.spawn(async move { seen.add(nth) }).detach();
        bench.call_soon(log.adds(nth + 1));
    };
    // Whether the loop runs already or not.
    add(0);
    add(2);
    bench
        .block_on(async {
            add(4);
            add(6);
        })
        .expect("a run");
    bench.run_out();
    assert_eq!(log.all(), (0..8).collect::<Vec<_>>());
}

pub(crate) fn woken_from_another_thread(bench: &Bench) {
    let (sender, receiver) = mpsc::channel::<(Waker, Arc<AtomicBool>)>();
    let waking = thread::spawn(move || {
        for (waker, flag) in receiver {
            flag.store(true, Ordering::Release);
            waker.wake();
        }
    });
    let task = bench.spawn(async move {
        for _ in 0..100 {
            let flag = Arc::new(AtomicBool::new(false));
            let mut told = false;
            poll_fn(|context| {
                if flag.load(Ordering::Acquire) {
                    return Poll::Ready(());
                }
                if !std::mem::replace(&mut told, true) {
                    let message = (context.waker().clone(), flag.clone());
                    sender.send(message).expect("it listens");
                }
                Poll::Pending
            })
            .await;
        }
        "done"
    });
    assert_eq!(bench.block_on(task).expect("a run"), "done");
    waking.join().expect("it ends");
}

pub(crate) fn self_wake_yields(bench: &Bench) {
    let log = Log::new();
    for name in ["a", "b"] {
        let seen = log.clone();
        let task = bench.spawn(async move {
            for _ in 0..3 {
                seen.add(name);
                yield_now().await;
            }
        });
        task.detach();
    }
    bench.run_out();
    assert_eq!(log.all(), ["a", "b", "a", "b", "a", "b"]);
    let ran: Vec<_> = lock(&bench.spy.turns).iter().map(|turn| turn.ran).collect();
    let polls: Vec<_> = ran.into_iter().filter(|&ran| ran > 0).collect();
    assert_eq!(polls, [2; 4]);
}

/// A future that says so when it is dropped, and waits for ever.
fn waits(dropped: &Log<()>) -> impl Future<Output = ()> + use<> {
    let dropped = dropped.clone();
    let guard = OnDrop(move || dropped.add(()));
    async move {
        let _guard = guard;
        pending().await
    }
}

pub(crate) fn dropping_a_task_cancels_it(bench: &Bench) {
    let dropped = Log::new();
    let idle = bench.spawn(waits(&dropped));
    bench.few_turns();
    let queued = bench.spawn(waits(&dropped));
    assert_eq!(dropped.len(), 0);
    drop((idle, queued));
    bench.run_out();
    assert_eq!(dropped.len(), 2);

    // From within the loop.
    let task = bench.spawn(waits(&dropped));
    bench.call_soon(move || drop(task));
    bench.run_out();
    assert_eq!(dropped.len(), 3);
}

pub(crate) fn the_loop_drops_its_futures(bench: &Bench) {
    let dropped = Log::new();
    let other = bench.another();
    // One that holds another's handle, one that is kept here, one that is detached.
    let inner = other.spawn(waits(&dropped));
    let (outer, kept) = (waits(&dropped), other.spawn(waits(&dropped)));
    let holder = other.spawn(async move {
        let _inner = inner;
        outer.await
    });
    holder.detach();
    other.few_turns();
    // And one that was never polled, one that wakes another as it goes.
    other.spawn(waits(&dropped)).detach();
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
    other.few_turns();
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

/// Woken by another thread, in the inbox or on the way into it, when the loop goes.
pub(crate) fn woken_as_the_loop_goes(bench: &Bench) {
    let dropped = Log::new();
    let other = bench.another();
    let (sender, receiver) = mpsc::channel();
    let guard = waits(&dropped);
    let mut sender = Some(sender);
    let task = other.spawn(async move {
        let mut guard = std::pin::pin!(guard);
        poll_fn(|context| {
            if let Some(sender) = sender.take() {
                sender.send(context.waker().clone()).expect("it listens");
            }
            guard.as_mut().poll(context)
        })
        .await
    });
    other.few_turns();
    let waker = receiver.recv().expect("a waker");
    thread::spawn(move || waker.wake())
        .join()
        .expect("it wakes");
    drop(other);
    assert_eq!(dropped.len(), 1);
    drop(task);
}

pub(crate) fn a_task_panics(bench: &Bench) {
    let log = Log::new();
    bench.spawn(async { panic!("on purpose") }).detach();
    let seen = log.clone();
    bench.spawn(async move { seen.add("goes on") }).detach();
    bench.run_out();
    assert_eq!(log.all(), ["goes on"]);
    // Its panic is the task's to tell, not the hook's.
    assert_eq!(lock(&bench.spy.panics).len(), 0);

    let task = bench.spawn(async { panic!("told") });
    let told = catch_unwind(AssertUnwindSafe(|| bench.block_on(task)));
    let panic = told.expect_err("it is propagated");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"told"));
    bench.call_soon(log.adds("still"));
    bench.run_out();
    assert_eq!(log.len(), 2);
}

pub(crate) fn a_waker_outlives_the_loop(bench: &Bench) {
    let wakers = Log::<Waker>::new();
    let other = bench.another();
    let seen = wakers.clone();
    let task = other.spawn(poll_fn(move |context| -> Poll<()> {
        seen.add(context.waker().clone());
        Poll::Pending
    }));
    task.detach();
    other.few_turns();
    drop(other);
    let waker = wakers.all().remove(0);
    waker.wake_by_ref();
    thread::spawn(move || waker.wake())
        .join()
        .expect("nothing happens");
    assert_eq!(wakers.len(), 1);
}
