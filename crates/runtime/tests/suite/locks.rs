//! Locks, permits and broadcasts between flows.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_lite::future::poll_once;
use switchboard_runtime::sync::{Barrier, Mutex, OnceCell, RwLock, Semaphore, broadcast};
use switchboard_runtime::{self as runtime, race};

use crate::beside;
use crate::ways::Way;

crate::ways::stamp!(
    a_mutex_serves_one_flow_at_a_time
    a_dropped_wait_leaves_the_mutex_to_the_next_flow
    readers_share_a_lock_and_a_writer_has_it_alone
    a_semaphore_limits_flows
    a_dropped_wait_leaves_the_permit_to_the_next_flow
    a_barrier_releases_all_its_flows
    a_cell_is_set_by_one_of_several_flows
    a_broadcast_reaches_every_flow
    a_receive_of_a_broadcast_that_loses_a_race_loses_nothing
);

const MS: Duration = Duration::from_millis(1);

fn a_mutex_serves_one_flow_at_a_time(way: Way) {
    way.run(async {
        let count = Arc::new(Mutex::new(0));
        let flows: Vec<_> = (0..20)
            .map(|_| {
                let count = count.clone();
                beside(way, async move {
                    for _ in 0..10 {
                        let mut count = count.lock().await;
                        let before = *count;
                        runtime::yield_now().await;
                        *count = before + 1;
                    }
                })
            })
            .collect();
        for flow in flows {
            flow.await.unwrap();
        }
        assert_eq!(*count.lock().await, 200);
    });
}

fn a_dropped_wait_leaves_the_mutex_to_the_next_flow(way: Way) {
    way.run(async {
        let mutex = Arc::new(Mutex::new(()));
        let guard = mutex.lock_arc().await;
        let own = mutex.clone();
        let next = beside(way, async move { drop(own.lock().await) });
        {
            // First in the queue, perhaps, and notified before it is dropped.
            let mut lost = pin!(mutex.lock());
            assert!(poll_once(lost.as_mut()).await.is_none());
            drop(guard);
        }
        next.await.unwrap();
    });
}

fn readers_share_a_lock_and_a_writer_has_it_alone(way: Way) {
    way.run(async {
        let lock = Arc::new(RwLock::new(1));
        let (first, second) = (lock.read().await, lock.read().await);
        assert_eq!(*first + *second, 2);
        let own = lock.clone();
        let writer = beside(way, async move { *own.write().await = 7 });
        runtime::sleep(MS).await;
        assert_eq!(*first, 1);
        drop((first, second));
        writer.await.unwrap();
        assert_eq!(*lock.read().await, 7);
    });
}

fn a_semaphore_limits_flows(way: Way) {
    way.run(async {
        let (permits, most) = (Arc::new(Semaphore::new(3)), Arc::new(AtomicUsize::new(0)));
        let running = Arc::new(AtomicUsize::new(0));
        let meet = Arc::new(Barrier::new(3));
        let flows: Vec<_> = (0..12)
            .map(|_| {
                let (permits, most, running) = (permits.clone(), most.clone(), running.clone());
                let meet = meet.clone();
                beside(way, async move {
                    let _permit = permits.acquire().await;
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    meet.wait().await;
                    // A flow beyond the limit would be counted meanwhile.
                    runtime::sleep(MS).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        for flow in flows {
            flow.await.unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 3);
    });
}

fn a_dropped_wait_leaves_the_permit_to_the_next_flow(way: Way) {
    way.run(async {
        let permits = Arc::new(Semaphore::new(1));
        for _ in 0..20 {
            let permit = permits.acquire_arc().await;
            let own = permits.clone();
            let next = beside(way, async move { drop(own.acquire().await) });
            {
                let mut lost = pin!(permits.acquire());
                assert!(poll_once(lost.as_mut()).await.is_none());
                drop(permit);
            }
            next.await.unwrap();
        }
    });
}

fn a_barrier_releases_all_its_flows(way: Way) {
    way.run(async {
        let (barrier, arrived) = (Arc::new(Barrier::new(5)), Arc::new(AtomicUsize::new(0)));
        let flows: Vec<_> = (0..4)
            .map(|_| {
                let (barrier, arrived) = (barrier.clone(), arrived.clone());
                beside(way, async move {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    let led = barrier.wait().await.is_leader();
                    assert_eq!(arrived.load(Ordering::SeqCst), 5);
                    led
                })
            })
            .collect();
        arrived.fetch_add(1, Ordering::SeqCst);
        let mut leaders = usize::from(barrier.wait().await.is_leader());
        for flow in flows {
            leaders += usize::from(flow.await.unwrap());
        }
        assert_eq!(leaders, 1);
    });
}

fn a_cell_is_set_by_one_of_several_flows(way: Way) {
    way.run(async {
        let (cell, runs) = (Arc::new(OnceCell::new()), Arc::new(AtomicUsize::new(0)));
        // An initialiser that is dropped leaves it to the next one.
        let never = cell.get_or_init(std::future::pending::<usize>);
        assert!(runtime::timeout(MS, never).await.is_err());
        let flows: Vec<_> = (0..8)
            .map(|number| {
                let (cell, runs) = (cell.clone(), runs.clone());
                beside(way, async move {
                    let init = async || {
                        runs.fetch_add(1, Ordering::SeqCst);
                        runtime::sleep(MS).await;
                        number
                    };
                    *cell.get_or_init(init).await
                })
            })
            .collect();
        let first = *cell.wait().await;
        for flow in flows {
            assert_eq!(flow.await.unwrap(), first);
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    });
}

fn a_broadcast_reaches_every_flow(way: Way) {
    way.run(async {
        let (sender, mut receiver) = broadcast::channel(2);
        let flows: Vec<_> = (0..5)
            .map(|_| {
                let mut receiver = receiver.clone();
                beside(way, async move {
                    let mut heard = Vec::new();
                    while let Ok(number) = receiver.recv_direct().await {
                        heard.push(number);
                    }
                    heard
                })
            })
            .collect();
        let talker = beside(way, async move {
            for number in 0..50 {
                sender.broadcast_direct(number).await.unwrap();
            }
        });
        for number in 0..50 {
            assert_eq!(receiver.recv_direct().await, Ok(number));
        }
        talker.await.unwrap();
        for flow in flows {
            assert_eq!(flow.await.unwrap(), (0..50).collect::<Vec<_>>());
        }
    });
}

fn a_receive_of_a_broadcast_that_loses_a_race_loses_nothing(way: Way) {
    way.run(async {
        let (sender, mut receiver) = broadcast::channel(1);
        let talker = beside(way, async move {
            for number in 0..20 {
                runtime::sleep(MS / 2).await;
                sender.broadcast_direct(number).await.unwrap();
            }
        });
        let mut heard = Vec::new();
        while heard.len() < 20 {
            let message = async { Some(receiver.recv_direct().await.unwrap()) };
            let tick = async {
                runtime::sleep(MS / 3).await;
                None
            };
            heard.extend(race(tick, message).await);
        }
        assert_eq!(heard, (0..20).collect::<Vec<_>>());
        talker.await.unwrap();
    });
}
