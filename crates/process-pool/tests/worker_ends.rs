//! The end of a worker, of a pool, and of the process that has the pool.

mod support;

use std::process::ExitCode;
use std::time::Duration;

use rustix::process::Signal;
use switchboard_process::{ExitStatus, fork};
use switchboard_process_pool::{PoolError, ProcessPool};
use switchboard_runtime::{self as runtime, Model, gather, race};

use support::{
    Gate, descriptor_count, each_model, has_ended, hold_forever, jobs, kill, run_on, until,
};

fn main() -> ExitCode {
    support::main(&[
        ("a_crash_fails_one_job", a_crash_fails_one_job),
        (
            "a_signal_from_outside_fails_one_job",
            a_signal_from_outside_fails_one_job,
        ),
        (
            "a_worker_that_dies_idle_fails_no_job",
            a_worker_that_dies_idle_fails_no_job,
        ),
        (
            "a_worker_that_dies_idle_is_reaped_at_once",
            a_worker_that_dies_idle_is_reaped_at_once,
        ),
        (
            "cancelling_a_job_kills_its_worker",
            cancelling_a_job_kills_its_worker,
        ),
        (
            "a_dropped_pool_leaves_no_process",
            a_dropped_pool_leaves_no_process,
        ),
        (
            "workers_end_with_the_process_of_their_pool",
            workers_end_with_the_process_of_their_pool,
        ),
        (
            "replacing_workers_leaks_no_descriptor_or_process",
            replacing_workers_leaks_no_descriptor_or_process,
        ),
    ])
}

fn a_crash_fails_one_job() {
    let (jobs, gate) = Gate::jobs();
    let pool = ProcessPool::start(2, jobs).unwrap();
    each_model(|| async {
        let replaced = pool.stats().replaced;
        let crash = async {
            gate.began().await;
            let before: i32 = pool.run("pid", &()).await.unwrap();
            let error = pool.run::<(), _>("crash", &()).await.unwrap_err();
            assert!(
                matches!(error, PoolError::Died(ExitStatus::Killed(9))),
                "{error:?}"
            );
            assert!(error.to_string().ends_with("signal 9"));
            let error = pool.run::<(), _>("exit", &3).await.unwrap_err();
            assert!(
                matches!(error, PoolError::Died(ExitStatus::Exited(3))),
                "{error:?}"
            );
            assert!(error.to_string().contains("status 3"));
            let after: i32 = pool.run("pid", &()).await.unwrap();
            assert!(has_ended(before) && before != after);
            gate.open(1).await;
        };
        let (held, ()) = runtime::join(pool.run::<u32, _>("hold", &7u32), crash).await;
        assert_eq!(held.unwrap(), 7);
        assert_eq!(pool.stats().replaced, replaced + 2);
    });
}

fn a_signal_from_outside_fails_one_job() {
    let (jobs, gate) = Gate::jobs();
    let pool = ProcessPool::start(2, jobs).unwrap();
    each_model(|| async {
        let attack = async {
            let first = gate.began().await;
            gate.began().await;
            kill(first, Signal::USR1);
            until("the worker has ended", || has_ended(first)).await;
            // One byte lets the other job go on.
            gate.open(1).await;
        };
        let holds = gather([1u32, 2].map(|n| pool.run::<u32, _>("hold", &n)));
        let (results, ()) = runtime::join(holds, attack).await;
        let (fine, died): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!((fine.len(), died.len()), (1, 1));
        assert!(
            matches!(died[0], Err(PoolError::Died(ExitStatus::Killed(10)))),
            "{died:?}"
        );
    });
}

fn a_worker_that_dies_idle_fails_no_job() {
    let pool = ProcessPool::start(1, jobs()).unwrap();
    each_model(|| async {
        let before: i32 = pool.run("pid", &()).await.unwrap();
        kill(before, Signal::KILL);
        until("the worker has ended", || has_ended(before)).await;
        let after: i32 = pool.run("pid", &()).await.unwrap();
        assert_ne!(before, after);
    });
}

fn a_worker_that_dies_idle_is_reaped_at_once() {
    let pool = ProcessPool::start(3, jobs()).unwrap();
    each_model(|| async {
        let before: i32 = pool.run("pid", &()).await.unwrap();
        let replaced = pool.stats().replaced;
        kill(before, Signal::KILL);
        until("the worker is reaped", || {
            !std::fs::exists(format!("/proc/{before}")).unwrap()
        })
        .await;
        assert_eq!(pool.stats().replaced, replaced);
        let after: i32 = pool.run("pid", &()).await.unwrap();
        assert_ne!(before, after);
        assert_eq!(pool.stats().replaced, replaced + 1);
    });
}

fn cancelling_a_job_kills_its_worker() {
    let (jobs, gate) = Gate::jobs();
    let pool = ProcessPool::start(1, jobs).unwrap();
    each_model(|| async {
        let pid = race(gate.began(), hold_forever(&pool)).await;
        let long = pool.run::<u32, _>("hold", &1u32);
        assert!(
            runtime::timeout(Duration::from_millis(1), long)
                .await
                .is_err()
        );
        until("the worker has ended", || has_ended(pid)).await;
        assert_ne!(pool.run::<i32, _>("pid", &()).await.unwrap(), pid);
        assert_eq!(pool.stats().busy, 0);
    });
}

/// Returns the process identifiers of the three workers of a pool, and of its fork server.
async fn processes(pool: &ProcessPool, gate: &Gate) -> Vec<i32> {
    let holds = gather((0..3u32).map(|n| pool.run::<u32, _>("hold", &n)));
    let open = async {
        let mut pids = Vec::new();
        for _ in 0..3 {
            pids.push(gate.began().await);
        }
        gate.open(3).await;
        pids
    };
    let (_, mut pids) = runtime::join(holds, open).await;
    pids.push(pool.run("parent", &()).await.unwrap());
    pids
}

fn a_dropped_pool_leaves_no_process() {
    let (jobs, gate) = Gate::jobs();
    let pool = ProcessPool::start(3, jobs).unwrap();
    let pids = run_on(Model::Threads, async {
        let pids = processes(&pool, &gate).await;
        // One worker is in the middle of a job.
        let hold = hold_forever(&pool);
        race(gate.began(), hold).await;
        pids
    });
    let clone = pool.clone();
    drop(pool);
    assert_eq!(clone.stats().workers, 3);
    drop(clone);
    assert!(
        pids.iter()
            .all(|pid| !std::fs::exists(format!("/proc/{pid}")).unwrap())
    );
}

fn workers_end_with_the_process_of_their_pool() {
    let (jobs, gate) = Gate::jobs();
    let (sender, receiver) = support::pair();
    let owner = fork(|| {
        let pool = ProcessPool::start(3, jobs).unwrap();
        run_on(Model::Tasks, async {
            let pids = processes(&pool, &gate).await;
            let hold = hold_forever(&pool);
            race(gate.began(), hold).await;
            let report = async {
                gate.began().await;
                for pid in pids {
                    support::send_pid(&sender, pid);
                }
                std::future::pending::<()>().await
            };
            race(hold_forever(&pool), report).await;
        });
        1
    })
    .unwrap();
    let pids = [(); 4].map(|()| support::receive_pid(&receiver));
    owner.kill();
    assert_eq!(owner.wait().unwrap(), ExitStatus::Killed(9));
    run_on(
        Model::Threads,
        until("all processes have ended", || {
            pids.iter().all(|pid| has_ended(*pid))
        }),
    );
}

fn replacing_workers_leaks_no_descriptor_or_process() {
    let pool = ProcessPool::start(2, jobs()).unwrap();
    for model in [Model::Threads, Model::Tasks] {
        run_on(model, async {
            let fork_server: i32 = pool.run("parent", &()).await.unwrap();
            let here = i32::try_from(std::process::id()).unwrap();
            // The first wait with a time limit opens a descriptor for wake-ups.
            let sleep = pool.run::<(), _>("sleep", &3_600_000u64);
            let soon = runtime::timeout(Duration::from_millis(2), sleep).await;
            assert!(soon.is_err());
            gather((0..2).map(|_| pool.run::<i32, _>("pid", &()))).await;
            let before = (descriptor_count(here), descriptor_count(fork_server));
            for n in 0..100 {
                if n % 2 == 0 {
                    pool.run::<(), _>("crash", &()).await.unwrap_err();
                } else {
                    let sleep = pool.run::<(), _>("sleep", &3_600_000u64);
                    let soon = runtime::timeout(Duration::from_millis(2), sleep).await;
                    assert!(soon.is_err());
                }
            }
            gather((0..2).map(|_| pool.run::<i32, _>("pid", &()))).await;
            // There may be fewer than before, when some were still to be closed.
            let closed =
                || descriptor_count(here) <= before.0 && descriptor_count(fork_server) <= before.1;
            until("descriptors are closed", closed).await;
            let children =
                std::fs::read_to_string(format!("/proc/{fork_server}/task/{fork_server}/children"));
            assert_eq!(children.unwrap().split_whitespace().count(), 2);
        });
    }
    assert!(pool.stats().replaced >= 200, "{:?}", pool.stats());
}
