//! Flows that start, join, signal and hand each other work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use switchboard_runtime::{self as runtime, Driver, Event, JoinError, Model, gather};

use crate::{Dropped, Way};

crate::stamp!(
    the_handle_returns_a_panic
    the_handle_returns_a_panic_of_the_drop
    a_flow_outlives_its_dropped_handle
    a_cancelled_flow_is_dropped_before_its_handle_completes
    a_thousand_flows_run_at_once
    gathered_flows_may_wait_for_each_other
    an_event_wakes_every_waiting_flow
    a_cleared_event_can_be_waited_for_again
    a_full_channel_suspends_its_sender
    a_closed_channel_delivers_what_it_holds
    blocking_work_does_not_hold_the_flow_that_started_it
    the_handle_returns_a_panic_of_blocking_work
    blocking_work_beyond_the_pool_is_queued
    a_sleep_is_never_shorter_than_asked
    a_sleep_counts_from_its_call
    a_model_can_run_within_a_blocking_flow
    timeouts_nest
);

fn the_handle_returns_a_panic(way: Way) {
    way.run(async {
        let failed: Result<(), _> = runtime::spawn(async { panic!("number {}", 7) }).await;
        if way.0 == Model::Blocking {
            assert!(matches!(failed, Err(JoinError::Refused(_))), "{failed:?}");
            return;
        }
        assert!(matches!(&failed, Err(JoinError::Panicked(text)) if text == "number 7"));
        assert_eq!(runtime::spawn(async { 1 }).await.unwrap(), 1);
    });
}

fn the_handle_returns_a_panic_of_the_drop(way: Way) {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    if way.0 == Model::Blocking || way.0.has_loop() {
        println!(
            "skip: a panic in a destructor under {way:?}: never: only a thread's handle returns it"
        );
        return;
    }
    way.run(async {
        let mut flow = runtime::spawn(async {
            let _bad = Bad;
            std::future::pending::<()>().await;
        });
        runtime::sleep(Duration::from_millis(1)).await;
        flow.cancel();
        // Cancelled before its first poll, the flow has nothing to drop that panics.
        let ended = flow.await;
        let right = matches!(ended, Err(JoinError::Panicked(_) | JoinError::Cancelled));
        assert!(right, "{ended:?}");
    });
}

fn a_flow_outlives_its_dropped_handle(way: Way) {
    if way.0 == Model::Blocking {
        return;
    }
    way.run(async {
        let (sender, receiver) = runtime::channel(1);
        drop(runtime::spawn(async move {
            runtime::sleep(Duration::from_millis(1)).await;
            sender.send(7).await.unwrap();
        }));
        assert_eq!(receiver.recv().await, Ok(7));
    });
}

fn a_cancelled_flow_is_dropped_before_its_handle_completes(way: Way) {
    if way.0 == Model::Blocking {
        return;
    }
    way.run(async {
        let (guard, dropped) = Dropped::new();
        let mut flow = runtime::spawn(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        runtime::yield_now().await;
        flow.cancel();
        assert!(matches!(flow.await, Err(JoinError::Cancelled)));
        assert!(dropped());

        let done = Event::new();
        let doing = done.clone();
        let mut flow = runtime::spawn(async move {
            doing.set();
            7
        });
        done.wait().await;
        while !flow.is_finished() {
            runtime::yield_now().await;
        }
        flow.cancel();
        assert_eq!(flow.await.unwrap(), 7, "what has ended keeps its result");
    });
}

fn a_thousand_flows_run_at_once(way: Way) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let sleeps = (0..1000).map(|n| {
        let delay = Duration::from_micros(rng.u64(0..3000));
        async move {
            runtime::sleep(delay).await;
            n
        }
    });
    let done = way.run(gather(sleeps));
    assert_eq!(done, (0..1000).collect::<Vec<_>>());
    assert!(
        way.run(gather(Vec::<std::future::Ready<()>>::new()))
            .is_empty()
    );
}

fn gathered_flows_may_wait_for_each_other(way: Way) {
    let events: Vec<Event> = (0..100).map(|_| Event::new()).collect();
    // Each waits for the one after it, and the last waits for none.
    let lines = (0..100).map(|n| {
        let (mine, next) = (events[n].clone(), events.get(n + 1).cloned());
        async move {
            if let Some(next) = next {
                next.wait().await;
            }
            mine.set();
        }
    });
    way.run(gather(lines));
    assert!(events.iter().all(Event::is_set));
}

fn an_event_wakes_every_waiting_flow(way: Way) {
    way.run(async {
        let event = Event::new();
        let woken = Arc::new(AtomicUsize::new(0));
        let waiter = || {
            let (event, woken) = (event.clone(), woken.clone());
            async move {
                event.wait().await;
                woken.fetch_add(1, Ordering::SeqCst);
            }
        };
        let flows: Vec<_> = match way.0 {
            Model::Blocking => Vec::new(),
            _ => (0..20).map(|_| runtime::spawn(waiter())).collect(),
        };
        let setter = {
            let event = event.clone();
            std::thread::spawn(move || event.set())
        };
        gather((0..20).map(|_| waiter())).await;
        let spawned = flows.len();
        for flow in flows {
            flow.await.unwrap();
        }
        assert_eq!(woken.load(Ordering::SeqCst), 20 + spawned);
        setter.join().unwrap();
    });
}

fn a_cleared_event_can_be_waited_for_again(way: Way) {
    way.run(async {
        let event = Event::new();
        event.set();
        event.wait().await;
        event.clear();
        let late = runtime::timeout(Duration::from_millis(1), event.wait()).await;
        assert!(late.is_err());
        event.set();
        event.wait().await;
    });
}

fn a_full_channel_suspends_its_sender(way: Way) {
    way.run(async {
        let (sender, receiver) = runtime::channel(3);
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = sent.clone();
        let produce = async move {
            for n in 0..500 {
                sender.send(n).await.unwrap();
                counted.store(n + 1, Ordering::SeqCst);
            }
        };
        let consume = async {
            let mut expected = 0;
            while let Ok(n) = receiver.recv().await {
                assert_eq!(n, expected);
                expected += 1;
                let ahead = sent.load(Ordering::SeqCst).saturating_sub(expected);
                assert!(ahead <= 3, "{ahead} messages ahead");
            }
            assert_eq!(expected, 500);
        };
        if way.0 == Model::Blocking {
            runtime::join(produce, consume).await;
            return;
        }
        let producer = runtime::spawn(produce);
        consume.await;
        producer.await.unwrap();
    });
}

fn a_closed_channel_delivers_what_it_holds(way: Way) {
    way.run(async {
        let (sender, receiver) = runtime::channel(2);
        sender.send(1).await.unwrap();
        sender.send(2).await.unwrap();
        drop(sender);
        assert_eq!(receiver.recv().await, Ok(1));
        assert_eq!(receiver.recv().await, Ok(2));
        assert!(receiver.recv().await.is_err());
        let (sender, receiver) = runtime::channel(1);
        drop(receiver);
        assert_eq!(sender.send(7).await.unwrap_err().into_inner(), 7);
    });
}

fn blocking_work_does_not_hold_the_flow_that_started_it(way: Way) {
    way.run(async {
        let (sender, receiver) = std::sync::mpsc::channel();
        // The work ends only if this flow goes on after starting it.
        let work = runtime::run_blocking(move || receiver.recv().unwrap());
        runtime::yield_now().await;
        sender.send(7).unwrap();
        assert_eq!(work.await.unwrap(), 7);
    });
}

fn the_handle_returns_a_panic_of_blocking_work(way: Way) {
    way.run(async {
        let failed: Result<(), _> = runtime::run_blocking(|| panic!("work")).await;
        assert!(matches!(&failed, Err(JoinError::Panicked(text)) if text == "work"));
        assert_eq!(runtime::run_blocking(|| 1).await.unwrap(), 1);
    });
}

fn blocking_work_beyond_the_pool_is_queued(way: Way) {
    let works = (0..300_usize).map(|n| runtime::run_blocking(move || n));
    let done = way.run(async { gather(works).await });
    let done: Vec<usize> = done.into_iter().map(Result::unwrap).collect();
    assert_eq!(done, (0..300).collect::<Vec<_>>());
    let stats = runtime::offload_stats();
    // A job that gets no CPU time is a stall too, after which the pool has one more thread.
    assert!(stats.threads as u64 <= 64 + stats.stalls, "{stats:?}");
}

fn a_sleep_is_never_shorter_than_asked(way: Way) {
    way.run(async {
        for micros in [0, 1, 300, 999, 1_000, 1_001, 2_500] {
            let delay = Duration::from_micros(micros);
            let before = runtime::now();
            runtime::sleep(delay).await;
            assert!(runtime::now() - before >= delay, "{delay:?}");
        }
    });
}

fn a_sleep_counts_from_its_call(way: Way) {
    if way.1 == Driver::Sim {
        println!("skip: compute before a sleep under sim: never: its time stands still meanwhile");
        return;
    }
    way.run(async {
        // The loop has read its clock before this computation.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(20) {}
        let asked = Instant::now();
        runtime::sleep(Duration::from_millis(10)).await;
        assert!(asked.elapsed() >= Duration::from_millis(10));
    });
}

fn a_model_can_run_within_a_blocking_flow(way: Way) {
    way.run(async {
        if way.0.has_loop() {
            return;
        }
        let within = Model::Tasks.run(async {
            runtime::sleep(Duration::from_millis(1)).await;
            runtime::spawn(async { 7 }).await.unwrap()
        });
        assert_eq!(within.unwrap(), 7);
        runtime::sleep(Duration::from_millis(1)).await;
    });
}

fn timeouts_nest(way: Way) {
    way.run(async {
        let forever = std::future::pending::<()>;
        let inner = runtime::timeout(Duration::from_millis(2), forever());
        let outer = runtime::timeout(Duration::from_secs(600), inner).await;
        assert!(outer.unwrap().is_err());
        let inner = runtime::timeout(Duration::from_secs(600), forever());
        let outer = runtime::timeout(Duration::from_millis(2), inner).await;
        assert!(outer.is_err());
        let never = runtime::timeout(Duration::MAX, async { 7 }).await;
        assert_eq!(never.unwrap(), 7);
    });
}
