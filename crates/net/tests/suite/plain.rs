//! Plain functions that wait, in green threads and in threads.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use switchboard_net::PlainStream;
use switchboard_runtime::sync::Barrier;
use switchboard_runtime::{self as runtime, Driver, Event, JoinError, Model, green};

use crate::{Dropped, Way, pair};

crate::stamp!(
    a_plain_function_talks_over_a_socket
    plain_functions_wait_for_each_other
    joinall_returns_results_in_order
    a_pool_runs_no_more_than_its_size
    a_pool_outlives_panics
    a_pool_wakes_a_waiter_for_each_free_place
    a_loop_that_ends_unwinds_without_a_wait
    a_loop_can_run_within_a_green_thread
    a_cancelled_green_thread_is_unwound
    a_destructor_that_waits_is_refused
    a_task_must_not_wait_in_plain_code
    plain_code_joins_blocking_work
    plain_code_can_limit_a_read
);

/// Runs a plain function where it may wait; under `tasks` in a green thread of its own.
fn run<T: Send + 'static>(way: Way, f: impl FnOnce() -> T + Send + 'static) -> T {
    match way.0 {
        Model::Tasks => way.run(async { green::spawn(f).await.unwrap() }),
        _ => way.run(async { f() }),
    }
}

fn shout(mut stream: PlainStream) -> std::io::Result<()> {
    for line in BufReader::new(stream.clone()).lines() {
        writeln!(stream, "{}", line?.to_uppercase())?;
    }
    stream.shutdown(Shutdown::Write)
}

fn a_plain_function_talks_over_a_socket(way: Way) {
    let (stream, mut peer) = pair();
    let peer = std::thread::spawn(move || {
        for piece in ["a", "b\nc", "d\n"] {
            peer.write_all(piece.as_bytes()).unwrap();
        }
        peer.shutdown(Shutdown::Write).unwrap();
        let mut back = String::new();
        peer.read_to_string(&mut back).unwrap();
        back
    });
    run(way, move || shout(stream.into())).unwrap();
    assert_eq!(peer.join().unwrap(), "AB\nCD\n");
}

fn plain_functions_wait_for_each_other(way: Way) {
    if way.0 == Model::Blocking {
        return; // The model runs one flow at a time.
    }
    let got = run(way, || {
        let (sender, receiver) = runtime::channel(1);
        let go = Event::new();
        let started = go.clone();
        let producer = green::spawn(move || {
            green::block_on(started.wait()).unwrap();
            for n in 0..5 {
                green::sleep(Duration::from_micros(100)).unwrap();
                green::block_on(sender.send(n)).unwrap().unwrap();
            }
        });
        go.set();
        let mut got = Vec::new();
        while let Ok(n) = green::block_on(receiver.recv()).unwrap() {
            got.push(n);
        }
        producer.join().unwrap();
        got
    });
    assert_eq!(got, [0, 1, 2, 3, 4]);
}

fn joinall_returns_results_in_order(way: Way) {
    let results = run(way, || {
        green::joinall((0..4_u32).map(|n| {
            green::spawn(move || {
                green::sleep(Duration::from_millis(u64::from(4 - n))).unwrap();
                assert_ne!(n, 2, "no two");
                n
            })
        }))
    });
    let outcomes =
        |result: &Result<u32, JoinError>| result.as_ref().map_err(ToString::to_string).copied();
    let outcomes: Vec<_> = results.iter().map(outcomes).collect();
    if way.0 == Model::Blocking {
        assert!(
            outcomes
                .iter()
                .all(|outcomes| outcomes.as_ref().is_err_and(|e| e.contains("cannot spawn")))
        );
        return;
    }
    assert_eq!(
        (&outcomes[0], &outcomes[1], &outcomes[3]),
        (&Ok(0), &Ok(1), &Ok(3))
    );
    assert!(
        outcomes[2].as_ref().is_err_and(|e| e.contains("no two")),
        "{outcomes:?}"
    );
}

fn a_pool_runs_no_more_than_its_size(way: Way) {
    if way.0 == Model::Blocking {
        return; // The model runs one flow at a time.
    }
    let (now, most) = run(way, || {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let pool = green::Pool::new(3);
        let meet = Arc::new(Barrier::new(2));
        for n in 0..20 {
            let (now, most, meet) = (now.clone(), most.clone(), meet.clone());
            pool.spawn(move || {
                let running = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(running, Ordering::SeqCst);
                if n < 2 {
                    // Two run at a time, however late each starts.
                    green::block_on(meet.wait()).unwrap();
                }
                green::sleep(Duration::from_micros(200)).unwrap();
                now.fetch_sub(1, Ordering::SeqCst);
            })
            .detach();
        }
        pool.join().unwrap();
        assert_eq!((pool.busy(), pool.size()), (0, 3));
        (now.load(Ordering::SeqCst), most.load(Ordering::SeqCst))
    });
    assert_eq!(now, 0, "the pool was joined");
    assert!((2..=3).contains(&most), "{most} at a time");
}

fn a_pool_outlives_panics(way: Way) {
    let failed = run(way, || {
        let pool = green::Pool::new(1);
        let failed: Vec<_> = (0..3)
            .map(|n| pool.spawn(move || panic!("number {n}")))
            .collect();
        pool.join().unwrap();
        green::joinall::<()>(failed)
            .into_iter()
            .filter(Result::is_err)
            .count()
    });
    assert_eq!(failed, 3);
}

fn a_cancelled_green_thread_is_unwound(way: Way) {
    if !way.0.has_loop() {
        return; // A thread is not unwound.
    }
    way.run(async {
        let (guard, is_dropped) = Dropped::new();
        let (stream, _peer) = pair();
        let (waits, waiting) = runtime::channel(1);
        let mut parked = green::spawn(move || {
            let _guard = guard;
            green::block_on(waits.send(())).unwrap().unwrap();
            PlainStream::from(stream).read_exact(&mut [0; 1]).unwrap();
        });
        waiting.recv().await.unwrap();
        runtime::yield_now().await;
        assert!(!is_dropped());
        parked.cancel();
        assert!(matches!(parked.await, Err(JoinError::Cancelled)));
        assert!(is_dropped());
    });
}

/// A stack that is being unwound cannot be suspended, and must not hold the loop.
fn a_destructor_that_waits_is_refused(way: Way) {
    if !way.0.has_loop() {
        return; // A thread may wait in a destructor.
    }
    struct Waits(runtime::Sender<String>);
    impl Drop for Waits {
        fn drop(&mut self) {
            let refused = green::sleep(Duration::from_secs(60)).unwrap_err();
            self.0.try_send(refused.to_string()).unwrap();
        }
    }
    way.run(async {
        let (say, said) = runtime::channel(2);
        let (waits, waiting) = runtime::channel(1);
        let mut parked = green::spawn(move || {
            let _waits = Waits(say);
            waits.try_send(()).unwrap();
            green::block_on(std::future::pending::<()>()).unwrap();
        });
        waiting.recv().await.unwrap();
        parked.cancel();
        assert!(matches!(parked.await, Err(JoinError::Cancelled)));
        let said = said.recv().await.unwrap();
        assert!(said.contains("it would hold the loop"), "{said}");
    });
}

fn a_task_must_not_wait_in_plain_code(way: Way) {
    let slept = way.run(async { green::sleep(Duration::from_millis(1)) });
    assert_eq!(slept.is_err(), way.0 == Model::Tasks, "{slept:?}");
    if let Err(refusal) = slept {
        let text = refusal.to_string();
        assert!(
            text.starts_with("model `tasks` cannot wait in plain code"),
            "{text}"
        );
    }
}

fn plain_code_joins_blocking_work(way: Way) {
    let sum = run(way, || {
        runtime::run_blocking(|| (1..=100).sum::<u32>())
            .join()
            .unwrap()
    });
    assert_eq!(sum, 5050);
}

fn plain_code_can_limit_a_read(way: Way) {
    let (stream, mut peer) = pair();
    let read = run(way, move || {
        let limit = Duration::from_millis(5);
        let late = green::block_on(runtime::timeout(limit, stream.recv())).unwrap();
        assert!(late.is_err(), "{late:?}");
        peer.write_all(b"now").unwrap();
        let mut read = [0; 3];
        PlainStream::from(stream).read_exact(&mut read).unwrap();
        read
    });
    assert_eq!(&read, b"now");
}

/// Two places become free at the same time, and the two functions that wait for them meet.
fn a_pool_wakes_a_waiter_for_each_free_place(way: Way) {
    if way.0 == Model::Blocking {
        return; // The model runs one flow at a time.
    }
    run(way, || {
        let pool = green::Pool::new(2);
        let (go, meet) = (Event::new(), Event::new());
        for _ in 0..2 {
            let go = go.clone();
            pool.spawn(move || green::block_on(go.wait()).unwrap())
                .detach();
        }
        let starts: Vec<_> = [true, false]
            .map(|sets| {
                let (pool, meet) = (pool.clone(), meet.clone());
                green::spawn(move || {
                    let meets = pool.spawn(move || match sets {
                        true => meet.set(),
                        false => green::block_on(meet.wait()).unwrap(),
                    });
                    meets.join().unwrap();
                })
            })
            .into();
        go.set();
        green::joinall(starts).into_iter().for_each(Result::unwrap);
        pool.join().unwrap();
    });
}

/// A green thread that is unwound with its loop does not wait in a write of its destructors.
fn a_loop_that_ends_unwinds_without_a_wait(way: Way) {
    if !way.0.has_loop() {
        return; // A thread is not unwound.
    }
    let (stream, peer) = pair();
    let (say, said) = runtime::channel(1);
    way.run(async {
        let (waits, waiting) = runtime::channel(1);
        green::spawn(move || {
            let mut out = std::io::BufWriter::with_capacity(10_000_000, PlainStream::from(stream));
            out.write_all(&[0; 9_000_000]).unwrap();
            let _guard = WaitsInDrop(say);
            waits.try_send(()).unwrap();
            green::block_on(std::future::pending::<()>()).unwrap();
        })
        .detach();
        waiting.recv().await.unwrap();
    });
    assert!(said.try_recv().unwrap().is_err(), "it waited");
    drop(peer);
}

struct WaitsInDrop(runtime::Sender<Result<(), String>>);

impl Drop for WaitsInDrop {
    fn drop(&mut self) {
        let slept = green::sleep(Duration::from_secs(60));
        let _ = self
            .0
            .try_send(slept.map_err(|refusal| refusal.to_string()));
    }
}

/// Plain calls in tasks of an inner loop must not suspend the outer green thread.
fn a_loop_can_run_within_a_green_thread(way: Way) {
    if way.0.has_loop() {
        return; // A thread runs one loop at a time.
    }
    let inner = way.run(async {
        let within = green::Green::new(|| {
            Model::Tasks.run_with(Driver::Poll, async {
                assert!(green::sleep(Duration::from_millis(1)).is_err());
                runtime::sleep(Duration::from_millis(1)).await;
                7
            })
        });
        within.unwrap().await.unwrap()
    });
    assert_eq!(inner, 7);
}
