//! Sets of flows, joined in the order in which they end.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use switchboard_runtime::sync::oneshot;
use switchboard_runtime::{self as runtime, JoinError, JoinSet, Model, race};

use crate::beside;
use crate::ways::Way;

crate::ways::stamp!(
    results_come_in_the_order_of_completion
    a_join_that_loses_a_race_loses_no_result
    a_panic_and_a_refusal_are_results
    aborted_flows_have_dropped_their_futures
    a_dropped_set_cancels_its_flows
    detached_flows_go_on
    ten_thousand_flows_are_joined
    a_flow_that_is_added_later_wakes_the_join
    a_look_for_a_result_leaves_the_waker_of_the_join
);

const MS: Duration = Duration::from_millis(1);

fn results_come_in_the_order_of_completion(way: Way) {
    way.run(async {
        let mut set = JoinSet::new();
        assert!(set.join_next().await.is_none() && set.try_join_next().is_none());
        let mut gates = Vec::new();
        for number in 0..3 {
            let (open, gate) = oneshot::channel();
            gates.push(Some(open));
            set.insert(beside(way, async move {
                gate.await.unwrap();
                number
            }));
        }
        assert_eq!(set.len(), 3);
        for number in [2, 0, 1] {
            let open = gates[number].take().unwrap();
            open.send(()).unwrap();
            if way.0.has_loop() {
                // The flow ends meanwhile, and all three before the first is joined.
                runtime::yield_now().await;
                runtime::yield_now().await;
            } else {
                assert_eq!(set.join_next().await.unwrap().unwrap(), number);
            }
        }
        if way.0.has_loop() {
            for number in [2, 0, 1] {
                assert_eq!(set.try_join_next().unwrap().unwrap(), number);
            }
        }
        assert!(set.is_empty() && set.join_next().await.is_none());
    });
}

fn a_join_that_loses_a_race_loses_no_result(way: Way) {
    way.run(async {
        let mut set = JoinSet::new();
        for number in 0..10 {
            set.insert(beside(way, async move {
                runtime::sleep(MS / 3 * number).await;
                number
            }));
        }
        let mut numbers = BTreeSet::new();
        while !set.is_empty() {
            let joined = async { set.join_next().await };
            let tick = async {
                runtime::sleep(MS / 2).await;
                None
            };
            if let Some(number) = race(tick, joined).await {
                numbers.insert(number.unwrap());
            }
        }
        assert!(numbers.into_iter().eq(0..10));
    });
}

fn a_panic_and_a_refusal_are_results(way: Way) {
    way.run(async {
        let mut set = JoinSet::new();
        set.spawn(async { panic!("oh") });
        let result: Result<(), _> = set.join_next().await.unwrap();
        match way.0 {
            Model::Blocking => assert!(matches!(result, Err(JoinError::Refused(_)))),
            _ => assert!(matches!(result, Err(JoinError::Panicked(text)) if text == "oh")),
        }
        assert!(set.is_empty());
    });
}

fn aborted_flows_have_dropped_their_futures(way: Way) {
    if way.0 == Model::Blocking {
        println!("skip: abort under blocking: never: it starts no flows");
        return;
    }
    way.run(async {
        let (guard, mut set) = (Arc::new(()), JoinSet::new());
        for _ in 0..5 {
            let guard = guard.clone();
            set.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
        }
        runtime::sleep(MS).await;
        set.abort_all();
        assert!(matches!(
            set.join_next().await,
            Some(Err(JoinError::Cancelled))
        ));
        set.shutdown().await;
        assert_eq!((Arc::strong_count(&guard), set.len()), (1, 0));
    });
}

fn a_dropped_set_cancels_its_flows(way: Way) {
    if way.0 == Model::Blocking {
        println!("skip: cancel under blocking: never: it starts no flows");
        return;
    }
    way.run(async {
        let (sender, receiver) = runtime::channel::<()>(1);
        let mut set = JoinSet::new();
        for _ in 0..5 {
            let sender = sender.clone();
            set.spawn(async move {
                let _sender = sender;
                pending::<()>().await;
            });
        }
        drop(sender);
        runtime::sleep(MS).await;
        drop(set);
        // Each future has dropped its sender.
        let closed = runtime::timeout(Duration::from_secs(600), receiver.recv()).await;
        assert!(closed.unwrap().is_err());
    });
}

fn detached_flows_go_on(way: Way) {
    way.run(async {
        let (sender, receiver) = runtime::channel(1);
        let mut set = JoinSet::new();
        set.insert(beside(way, async move {
            runtime::sleep(MS).await;
            sender.send(7).await.unwrap();
        }));
        set.detach_all();
        assert!(set.is_empty());
        drop(set);
        assert_eq!(receiver.recv().await, Ok(7));
    });
}

fn ten_thousand_flows_are_joined(way: Way) {
    let count: u32 = match way.0.has_loop() {
        true => 10_000,
        false => 200,
    };
    way.run(async {
        let mut set = JoinSet::new();
        for number in 0..count {
            set.insert(beside(way, async move {
                runtime::yield_now().await;
                number
            }));
        }
        let mut numbers: Vec<u32> = Vec::new();
        for number in set.join_all().await {
            numbers.push(number.unwrap());
        }
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..count));
    });
}

fn a_flow_that_is_added_later_wakes_the_join(way: Way) {
    way.run(async {
        let mut set = JoinSet::new();
        set.insert(beside(way, async { 0 }));
        let mut joined = 0;
        while let Some(number) = set.join_next().await {
            joined += 1;
            let number: u32 = number.unwrap();
            if number < 5 {
                set.insert(beside(way, async move { number + 1 }));
            }
        }
        assert_eq!(joined, 6);
    });
}

fn a_look_for_a_result_leaves_the_waker_of_the_join(way: Way) {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    way.run(async {
        let mut set = JoinSet::new();
        let (sender, receiver) = oneshot::channel();
        set.insert(beside(way, async move { receiver.await.unwrap() }));
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(woken.clone());
        let polled = set.poll_join_next(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        assert!(set.try_join_next().is_none());
        sender.send(7).unwrap();
        let wake = async {
            while !woken.0.load(Ordering::SeqCst) {
                runtime::sleep(MS).await;
            }
        };
        let late = runtime::timeout(Duration::from_secs(600), wake).await;
        late.expect("the flow that joins is not woken");
        assert_eq!(set.try_join_next().unwrap().unwrap(), 7);
    });
}
