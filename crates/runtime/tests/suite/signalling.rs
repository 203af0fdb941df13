//! Channels for one value, notifications and cancellation between flows.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_lite::future::poll_once;
use switchboard_runtime::sync::{CancellationToken, Notify, oneshot, watch};
use switchboard_runtime::{self as runtime, race};

use crate::beside;
use crate::ways::Way;

crate::ways::stamp!(
    a_oneshot_message_wakes_its_flow
    a_oneshot_receive_that_loses_a_race_loses_nothing
    a_oneshot_sender_hears_that_its_receiver_is_gone
    a_watch_shows_the_latest_value
    a_dropped_wait_for_a_change_loses_no_change
    a_watch_ends_with_its_senders_and_tells_of_its_receivers
    a_notification_wakes_one_flow_each
    a_notification_without_a_flow_is_stored_once
    a_dropped_wait_leaves_its_notification_to_the_next_flow
    all_waiting_flows_are_notified_once
    a_flow_does_not_take_the_notification_of_another
    a_stored_notification_outlives_a_notification_of_all
    a_notification_of_one_outlives_a_notification_of_all
    a_token_cancels_its_descendants_in_other_flows
    a_flow_woken_by_a_token_finds_its_descendants_cancelled
    a_child_does_not_cancel_its_parent
    what_runs_until_cancelled_is_dropped
);

const MS: Duration = Duration::from_millis(1);

fn a_oneshot_message_wakes_its_flow(way: Way) {
    way.run(async {
        for pause in [Duration::ZERO, MS] {
            let (sender, receiver) = oneshot::channel();
            let (back, answer) = oneshot::channel();
            let other = beside(way, async move {
                runtime::sleep(pause).await;
                sender.send(20).unwrap();
                answer.await
            });
            back.send(receiver.await.unwrap() + 1).unwrap();
            assert_eq!(other.await.unwrap(), Ok(21));
        }
        let (sender, receiver) = oneshot::channel::<()>();
        let other = beside(way, async move { drop(sender) });
        assert_eq!(receiver.await, Err(oneshot::RecvError));
        other.await.unwrap();
    });
}

fn a_oneshot_receive_that_loses_a_race_loses_nothing(way: Way) {
    way.run(async {
        let (sender, mut receiver) = oneshot::channel();
        let (start, lost) = oneshot::channel();
        let other = beside(way, async move {
            lost.await.unwrap();
            sender.send(7).unwrap();
        });
        let (mut start, mut losses) = (Some(start), 0);
        let got = loop {
            let message = async { Some((&mut receiver).await) };
            let tick = async {
                runtime::sleep(MS).await;
                None
            };
            if let Some(got) = race(tick, message).await {
                break got;
            }
            losses += 1;
            if losses == 3
                && let Some(start) = start.take()
            {
                start.send(()).unwrap();
            }
        };
        assert!(got == Ok(7) && losses >= 3, "{got:?} {losses}");
        other.await.unwrap();
    });
}

fn a_oneshot_sender_hears_that_its_receiver_is_gone(way: Way) {
    way.run(async {
        let (mut sender, receiver) = oneshot::channel::<u32>();
        assert_eq!(poll_once(sender.closed()).await, None);
        let other = beside(way, async move {
            runtime::sleep(MS).await;
            drop(receiver);
        });
        sender.closed().await;
        assert!(sender.is_closed());
        assert_eq!(sender.send(7), Err(7));
        other.await.unwrap();
    });
}

fn a_watch_shows_the_latest_value(way: Way) {
    way.run(async {
        let (sender, receiver) = watch::channel(0);
        let flows: Vec<_> = (0..5)
            .map(|_| {
                let mut receiver = receiver.clone();
                beside(way, async move {
                    let mut last = 0;
                    while receiver.changed().await.is_ok() {
                        let now = *receiver.borrow_and_update();
                        assert!(now > last, "{now} after {last}");
                        last = now;
                    }
                    last
                })
            })
            .collect();
        for number in 1..=100 {
            sender.send(number).unwrap();
            runtime::yield_now().await;
        }
        drop(sender);
        for flow in flows {
            assert_eq!(flow.await.unwrap(), 100);
        }
    });
}

fn a_dropped_wait_for_a_change_loses_no_change(way: Way) {
    way.run(async {
        let (sender, mut receiver) = watch::channel(0);
        {
            let mut lost = pin!(receiver.changed());
            assert_eq!(poll_once(lost.as_mut()).await, None);
            let other = beside(way, async move { sender.send(7).map(|()| sender) });
            // Notified, and dropped before it is polled again.
            other.await.unwrap().unwrap();
        }
        assert!(receiver.has_changed());
        assert_eq!(receiver.changed().await, Ok(()));
        assert_eq!(*receiver.borrow(), 7);
        assert_eq!(*receiver.wait_for(|number| *number == 7).await.unwrap(), 7);
    });
}

fn a_watch_ends_with_its_senders_and_tells_of_its_receivers(way: Way) {
    way.run(async {
        let (sender, mut receiver) = watch::channel(0);
        let clone = sender.clone();
        let other = beside(way, async move {
            drop(sender);
            runtime::sleep(MS).await;
            clone.modify(|number| *number += 1);
        });
        let refused = receiver.wait_for(|number| *number == 2).await.err();
        assert_eq!(refused, Some(watch::RecvError));
        assert_eq!(*receiver.borrow(), 1);
        other.await.unwrap();

        let (sender, receiver) = watch::channel(0);
        let later = sender.subscribe();
        let other = beside(way, async move {
            drop(receiver);
            runtime::sleep(MS).await;
            drop(later);
        });
        sender.closed().await;
        assert_eq!(sender.send(1), Err(1));
        assert_eq!(sender.replace(2), 0);
        other.await.unwrap();
    });
}

fn a_notification_wakes_one_flow_each(way: Way) {
    way.run(async {
        let notify = Arc::new(Notify::new());
        let (sender, receiver) = runtime::channel(10);
        let flows: Vec<_> = (0..10)
            .map(|number| {
                let (notify, sender) = (notify.clone(), sender.clone());
                beside(way, async move {
                    let mut notified = pin!(notify.notified());
                    assert_eq!(poll_once(&mut notified).await, None);
                    // The flow is counted among those that wait from here on.
                    sender.send(number).await.unwrap();
                    notified.await;
                    sender.send(number).await.unwrap();
                })
            })
            .collect();
        for _ in 0..10 {
            receiver.recv().await.unwrap();
        }
        // Each flow that waits gets its own, also if none ran in between.
        for _ in 0..10 {
            notify.notify_one();
            runtime::sleep(MS / 5).await;
        }
        let mut numbers = Vec::new();
        for _ in 0..10 {
            numbers.push(receiver.recv().await.unwrap());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
        for flow in flows {
            flow.await.unwrap();
        }
    });
}

fn a_notification_without_a_flow_is_stored_once(way: Way) {
    way.run(async {
        let notify = Notify::new();
        notify.notify_waiters();
        assert_eq!(poll_once(notify.notified()).await, None);
        notify.notify_one();
        notify.notify_one();
        notify.notified().await;
        assert_eq!(poll_once(notify.notified()).await, None);
    });
}

fn a_dropped_wait_leaves_its_notification_to_the_next_flow(way: Way) {
    way.run(async {
        let notify = Arc::new(Notify::new());
        for _ in 0..20 {
            let mut lost = Box::pin(notify.notified());
            assert_eq!(poll_once(lost.as_mut()).await, None);
            let own = notify.clone();
            let next = beside(way, async move { own.notified().await });
            runtime::yield_now().await;
            notify.notify_one();
            drop(lost);
            let late = runtime::timeout(Duration::from_secs(600), next).await;
            late.expect("the notification is lost").unwrap();
        }
        // Two were notified, one of them is dropped: its notification is stored.
        let (mut first, mut second) = (pin!(notify.notified()), Box::pin(notify.notified()));
        assert_eq!(poll_once(first.as_mut()).await, None);
        assert_eq!(poll_once(second.as_mut()).await, None);
        notify.notify_one();
        notify.notify_one();
        drop(second);
        first.await;
        notify.notified().await;
        assert_eq!(poll_once(notify.notified()).await, None);
    });
}

fn all_waiting_flows_are_notified_once(way: Way) {
    way.run(async {
        let notify = Arc::new(Notify::new());
        let flows: Vec<_> = (0..10)
            .map(|_| {
                let notify = notify.clone();
                beside(way, async move { notify.notified().await })
            })
            .collect();
        while !flows.iter().all(runtime::JoinHandle::is_finished) {
            notify.notify_waiters();
            runtime::sleep(MS).await;
        }
        let waiting = notify.notified();
        notify.notify_waiters();
        waiting.await;
        let (mut first, mut second) = (pin!(notify.notified()), pin!(notify.notified()));
        assert_eq!(poll_once(first.as_mut()).await, None);
        assert_eq!(poll_once(second.as_mut()).await, None);
        notify.notify_one();
        notify.notify_waiters();
        first.await;
        second.await;
        assert_eq!(poll_once(notify.notified()).await, None);
    });
}

fn a_flow_does_not_take_the_notification_of_another(way: Way) {
    way.run(async {
        let notify = Notify::new();
        let mut first = pin!(notify.notified());
        assert_eq!(poll_once(first.as_mut()).await, None);
        notify.notify_one();
        // The notification is that of the flow that waits, although it has not run since.
        assert_eq!(poll_once(notify.notified()).await, None);
        assert_eq!(poll_once(first).await, Some(()));
    });
}

fn a_stored_notification_outlives_a_notification_of_all(way: Way) {
    way.run(async {
        let notify = Notify::new();
        let mut first = pin!(notify.notified());
        assert_eq!(poll_once(first.as_mut()).await, None);
        notify.notify_waiters();
        notify.notify_one();
        notify.notify_waiters();
        assert_eq!(poll_once(first).await, Some(()));
        assert_eq!(poll_once(notify.notified()).await, Some(()));
        assert_eq!(poll_once(notify.notified()).await, None);
    });
}

fn a_notification_of_one_outlives_a_notification_of_all(way: Way) {
    way.run(async {
        let notify = Notify::new();
        let mut first = Box::pin(notify.notified());
        assert_eq!(poll_once(first.as_mut()).await, None);
        notify.notify_one();
        notify.notify_waiters();
        drop(first);
        assert_eq!(poll_once(notify.notified()).await, Some(()));
        assert_eq!(poll_once(notify.notified()).await, None);
    });
}

fn a_token_cancels_its_descendants_in_other_flows(way: Way) {
    way.run(async {
        let token = CancellationToken::new();
        let flows: Vec<_> = (0..5)
            .map(|_| {
                // The token in the middle is dropped.
                let own = token.child_token().child_token();
                beside(way, async move { own.cancelled().await })
            })
            .collect();
        runtime::sleep(MS).await;
        assert!(flows.iter().all(|flow| !flow.is_finished()));
        token.cancel();
        for flow in flows {
            flow.await.unwrap();
        }
        let late = token.child_token();
        assert!(late.is_cancelled());
        late.cancelled().await;
    });
}

fn a_flow_woken_by_a_token_finds_its_descendants_cancelled(way: Way) {
    /// A waker that notes whether the token is cancelled when it wakes.
    struct Look(CancellationToken, AtomicBool);
    impl Wake for Look {
        fn wake(self: Arc<Self>) {
            self.1.store(self.0.is_cancelled(), Ordering::SeqCst);
        }
    }
    way.run(async {
        let parent = CancellationToken::new();
        let middle = parent.child_token();
        let look = Arc::new(Look(middle.child_token(), AtomicBool::new(false)));
        let waker = Waker::from(look.clone());
        let mut cancelled = pin!(parent.cancelled());
        let polled = cancelled.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        parent.cancel();
        assert!(look.1.load(Ordering::SeqCst));
        cancelled.await;
    });
}

fn a_child_does_not_cancel_its_parent(way: Way) {
    way.run(async {
        let parent = CancellationToken::new();
        let (child, sibling) = (parent.child_token(), parent.child_token());
        drop(child.clone().drop_guard());
        assert!(child.is_cancelled() && !parent.is_cancelled() && !sibling.is_cancelled());
        assert!(!sibling.clone().drop_guard().disarm().is_cancelled());
        for _ in 0..100_000 {
            drop(parent.child_token());
        }
        // A long chain is dropped and cancelled without recursion.
        let mut last = parent.clone();
        for _ in 0..100_000 {
            last = last.child_token();
        }
        parent.cancel();
        assert!(last.is_cancelled() && sibling.is_cancelled());
    });
}

fn what_runs_until_cancelled_is_dropped(way: Way) {
    way.run(async {
        let token = CancellationToken::new();
        let (own, guard) = (token.clone(), Arc::new(()));
        let held = guard.clone();
        let flow = beside(way, async move {
            let hold = async move {
                let _held = held;
                pending::<()>().await;
            };
            own.run_until_cancelled(hold).await
        });
        runtime::sleep(MS).await;
        token.cancel();
        assert_eq!(flow.await.unwrap(), None);
        assert_eq!(Arc::strong_count(&guard), 1);
        assert_eq!(token.run_until_cancelled(async { 7 }).await, Some(7));
    });
}
