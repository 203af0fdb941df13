//! Jobs in worker processes, under every model.

mod support;

use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use switchboard_process::{ExitStatus, fork};
use switchboard_process_pool::{Jobs, PoolError, ProcessPool};
use switchboard_runtime::{self as runtime, Model, gather};

use support::{Gate, each_model, jobs, run_on, until};

fn main() -> ExitCode {
    support::main(&[
        (
            "arguments_and_results_arrive_unchanged",
            arguments_and_results_arrive_unchanged,
        ),
        (
            "each_way_to_fail_is_its_own_error",
            each_way_to_fail_is_its_own_error,
        ),
        ("jobs_wait_in_a_queue", jobs_wait_in_a_queue),
        (
            "a_job_that_leaves_the_queue_is_skipped",
            a_job_that_leaves_the_queue_is_skipped,
        ),
        ("threads_share_a_pool", threads_share_a_pool),
        (
            "cancelling_at_any_moment_loses_no_worker",
            cancelling_at_any_moment_loses_no_worker,
        ),
        ("a_forked_process_is_refused", a_forked_process_is_refused),
        (
            "a_start_without_workers_or_with_threads_is_refused",
            a_start_without_workers_or_with_threads_is_refused,
        ),
    ])
}

fn arguments_and_results_arrive_unchanged() {
    let pool = ProcessPool::start(2, jobs()).unwrap();
    each_model(|| async {
        let power = pool.run::<u64, _>("power", &(2u64, 10u32)).await;
        assert_eq!(power.unwrap(), 1024);
        let long = "a\"b\n".repeat(1 << 18);
        let reversed: String = pool.run("reverse", &long).await.unwrap();
        assert!(reversed.chars().rev().eq(long.chars()));
        let many = gather((0..20u64).map(|n| pool.run::<u64, _>("power", &(n, 2u32)))).await;
        for (n, square) in (0..).zip(many) {
            assert_eq!(square.unwrap(), n * n);
        }
    });
    assert_eq!(pool.stats().replaced, 0);
}

fn each_way_to_fail_is_its_own_error() {
    let pool = ProcessPool::start(1, jobs()).unwrap();
    run_on(Model::Tasks, async {
        let pid: i32 = pool.run("pid", &()).await.unwrap();
        let error_of = async |name, arguments: (u64, u32)| {
            let error = pool.run::<u64, _>(name, &arguments).await.unwrap_err();
            assert!(!error.to_string().contains('\n'));
            error
        };
        let error = error_of("power", (10, 100)).await;
        assert!(
            matches!(&error, PoolError::Failed(text) if text == "too large"),
            "{error}"
        );
        let error = error_of("panic", (6, 7)).await;
        assert!(
            matches!(&error, PoolError::Panicked(text) if text == "oh 6"),
            "{error}"
        );
        let error = error_of("root", (1, 2)).await;
        assert!(matches!(error, PoolError::Unknown { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("`root`; use one of: power, reverse,"),
            "{error}"
        );
        let error = error_of("reverse", (1, 2)).await;
        assert!(matches!(error, PoolError::Arguments(_)), "{error}");
        let error = error_of("odd", (1, 2)).await;
        assert!(
            error.to_string().contains("result: key must be a string"),
            "{error}"
        );
        let error = pool.run::<String, _>("power", &(1, 2)).await.unwrap_err();
        assert!(matches!(error, PoolError::Result(_)), "{error}");
        let long = "x".repeat(64 << 20);
        let error = pool.run::<String, _>("reverse", &long).await.unwrap_err();
        assert!(
            error.to_string().contains("arguments: 67108866 bytes"),
            "{error}"
        );
        // The worker has survived all of that.
        assert_eq!(pool.run::<i32, _>("pid", &()).await.unwrap(), pid);
    });
}

fn jobs_wait_in_a_queue() {
    let (jobs, gate) = Gate::jobs();
    let pool = ProcessPool::start(2, jobs).unwrap();
    each_model(|| async {
        let served = gather((0..8u32).map(|n| pool.run::<u32, _>("hold", &n)));
        let control = async {
            gate.began().await;
            gate.began().await;
            for left in (0..=6).rev() {
                let stats = pool.stats();
                assert_eq!((stats.queued, stats.busy), (left, 2));
                gate.open(1).await;
                if left > 0 {
                    gate.began().await;
                }
            }
            gate.open(1).await;
        };
        let (served, ()) = runtime::join(served, control).await;
        let served: Vec<u32> = served.into_iter().map(Result::unwrap).collect();
        assert_eq!(served, (0..8).collect::<Vec<_>>());
    });
}

fn a_job_that_leaves_the_queue_is_skipped() {
    let (jobs, gate) = Gate::jobs();
    let pool = ProcessPool::start(1, jobs).unwrap();
    each_model(|| async {
        let order = std::cell::RefCell::new(Vec::new());
        let one = async |n: u32| {
            let run = pool.run::<u32, _>("hold", &n);
            if n % 2 == 1 {
                let soon = runtime::timeout(Duration::from_millis(1), run);
                return assert!(soon.await.is_err());
            }
            let n = run.await.unwrap();
            order.borrow_mut().push(n);
        };
        let control = async {
            gate.began().await;
            until("the jobs with a time limit have left the queue", || {
                pool.stats().queued == 3
            })
            .await;
            gate.open(4).await;
            for _ in 0..3 {
                gate.began().await;
            }
        };
        runtime::join(gather((0..8).map(one)), control).await;
        assert_eq!(*order.borrow(), [0, 2, 4, 6]);
        assert_eq!(pool.stats().queued, 0);
    });
}

fn threads_share_a_pool() {
    let pool = ProcessPool::start(3, jobs()).unwrap();
    let models = [Model::Threads, Model::Tasks, Model::Green, Model::Tasks];
    let threads = models.map(|model| {
        let pool = pool.clone();
        std::thread::spawn(move || {
            run_on(model, async {
                for n in 0..60u64 {
                    if n % 20 == 19 {
                        let error = pool.run::<(), _>("crash", &()).await.unwrap_err();
                        assert!(
                            matches!(error, PoolError::Died(ExitStatus::Killed(9))),
                            "{error:?}"
                        );
                    }
                    let one = pool.run::<u64, _>("power", &(n, 2u32));
                    let two = pool.run::<u64, _>("power", &(n, 3u32));
                    let (one, two) = runtime::join(one, two).await;
                    assert_eq!((one.unwrap(), two.unwrap()), (n * n, n * n * n));
                }
            });
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    let stats = pool.stats();
    assert_eq!((stats.queued, stats.busy, stats.replaced), (0, 0, 12));
    // A spawned flow may own the pool.
    let spawned =
        async { runtime::spawn(async move { pool.run::<u64, _>("power", &(3, 2)).await }).await };
    assert_eq!(run_on(Model::Threads, spawned).unwrap().unwrap(), 9);
}

fn cancelling_at_any_moment_loses_no_worker() {
    let pool = ProcessPool::start(2, jobs()).unwrap();
    each_model(|| async {
        let runs = (0..100u64).map(|n| {
            let run = pool.run::<u64, _>("power", &(2u64, 3u32));
            let run = async move {
                let finished = runtime::timeout(Duration::from_micros(n * 37 % 3000), run).await;
                finished.map(Result::unwrap)
            };
            Box::pin(run)
        });
        let served = gather(runs).await.into_iter().flatten();
        assert!(served.into_iter().all(|power| power == 8));
        let last = gather((0..4).map(|_| pool.run::<u64, _>("power", &(2u64, 3u32)))).await;
        assert!(last.into_iter().all(|power| power.unwrap() == 8));
        let stats = pool.stats();
        assert_eq!((stats.queued, stats.busy, stats.workers), (0, 0, 2));
    });
}

fn a_forked_process_is_refused() {
    let pool = ProcessPool::start(1, jobs()).unwrap();
    let child = fork(|| {
        let error = run_on(Model::Threads, pool.run::<i32, _>("pid", &())).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("whose pool this is: start another"),
            "{error}"
        );
        drop(pool.clone());
        let own = ProcessPool::start(1, jobs()).unwrap();
        i32::from(run_on(Model::Threads, own.run::<i32, _>("pid", &())).is_err())
    });
    assert_eq!(child.unwrap().wait().unwrap(), ExitStatus::Exited(0));
    run_on(Model::Threads, pool.run::<i32, _>("pid", &())).unwrap();
}

fn a_start_without_workers_or_with_threads_is_refused() {
    let error = ProcessPool::start(0, Jobs::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let none = ProcessPool::start(1, Jobs::new()).unwrap();
    let error = run_on(Model::Threads, none.run::<(), _>("any", &())).unwrap_err();
    assert!(
        error.to_string().contains("the pool was given none"),
        "{error}"
    );
    let (go, wait) = std::sync::mpsc::channel::<Infallible>();
    let thread = std::thread::spawn(move || wait.recv().is_err());
    let error = ProcessPool::start(1, jobs()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert!(
        error.to_string().contains("with 2 threads running"),
        "{error}"
    );
    assert!(
        error.to_string().contains("fork before starting threads"),
        "{error}"
    );
    drop(go);
    thread.join().unwrap();
}
