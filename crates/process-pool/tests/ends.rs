//! What is left when a pool's processes end, and what is not.

mod support;

use std::process::ExitCode;
use std::time::Duration;

use rustix::process::Signal;
use switchboard_process_pool::{PoolError, ProcessPool};
use switchboard_runtime::process::{self, Ended};
use switchboard_runtime::{self as runtime, Model, gather, race};

use support::{Gate, each_model, fds, forever, is_gone, jobs, kill, on, until};

fn main() -> ExitCode {
    support::main(&[
        ("a_crash_fails_its_job_alone", a_crash_fails_its_job_alone),
        (
            "a_kill_from_outside_fails_its_job_alone",
            a_kill_from_outside_fails_its_job_alone,
        ),
        (
            "a_worker_that_died_idle_fails_nobody",
            a_worker_that_died_idle_fails_nobody,
        ),
        (
            "a_cancelled_job_ends_its_worker",
            a_cancelled_job_ends_its_worker,
        ),
        (
            "a_dropped_pool_leaves_no_process",
            a_dropped_pool_leaves_no_process,
        ),
        ("a_pool_ends_with_its_process", a_pool_ends_with_its_process),
        ("replacing_leaks_nothing", replacing_leaks_nothing),
    ])
}

fn a_crash_fails_its_job_alone() {
    let (jobs, gate) = Gate::jobs();
    let pool = ProcessPool::start(2, jobs).unwrap();
    each_model(|| async {
        let replaced = pool.stats().replaced;
        let crash = async {
            gate.began().await;
            let before: i32 = pool.run("pid", &()).await.unwrap();
            let error = pool.run::<(), _>("crash", &()).await.unwrap_err();
            assert!(
                matches!(error, PoolError::Died(Ended::Killed(9))),
                "{error:?}"
            );
            assert!(error.to_string().ends_with("signal 9"));
            let error = pool.run::<(), _>("exit", &3).await.unwrap_err();
            assert!(
                matches!(error, PoolError::Died(Ended::Exited(3))),
                "{error:?}"
            );
            assert!(error.to_string().contains("status 3"));
            let after: i32 = pool.run("pid", &()).await.unwrap();
            assert!(is_gone(before) && before != after);
            gate.open(1).await;
        };
        let (held, ()) = runtime::join(pool.run::<u32, _>("hold", &7u32), crash).await;
        assert_eq!(held.unwrap(), 7);
        assert_eq!(pool.stats().replaced, replaced + 2);
    });
}

fn a_kill_from_outside_fails_its_job_alone() {
    let (jobs, gate) = Gate::jobs();
    let pool = ProcessPool::start(2, jobs).unwrap();
    each_model(|| async {
        let attack = async {
            let first = gate.began().await;
            gate.began().await;
            kill(first, Signal::USR1);
            until("it is replaced", || is_gone(first)).await;
            // A worker for the other; a byte for each.
            gate.open(1).await;
        };
        let holds = gather([1u32, 2].map(|n| pool.run::<u32, _>("hold", &n)));
        let (results, ()) = runtime::join(holds, attack).await;
        let (fine, died): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!((fine.len(), died.len()), (1, 1));
        assert!(
            matches!(died[0], Err(PoolError::Died(Ended::Killed(10)))),
            "{died:?}"
        );
    });
}

fn a_worker_that_died_idle_fails_nobody() {
    let pool = ProcessPool::start(1, jobs()).unwrap();
    each_model(|| async {
        let before: i32 = pool.run("pid", &()).await.unwrap();
        kill(before, Signal::KILL);
        until("it is dead", || is_gone(before)).await;
        let after: i32 = pool.run("pid", &()).await.unwrap();
        assert_ne!(before, after);
    });
}

fn a_cancelled_job_ends_its_worker() {
    let (jobs, gate) = Gate::jobs();
    let pool = ProcessPool::start(1, jobs).unwrap();
    each_model(|| async {
        let pid = race(gate.began(), forever(&pool)).await;
        let long = pool.run::<u32, _>("hold", &1u32);
        assert!(
            runtime::timeout(Duration::from_millis(1), long)
                .await
                .is_err()
        );
        until("it is dead", || is_gone(pid)).await;
        assert_ne!(pool.run::<i32, _>("pid", &()).await.unwrap(), pid);
        assert_eq!(pool.stats().busy, 0);
    });
}

/// The nursery and the workers of a pool of three, one of which has a job.
async fn processes(pool: &ProcessPool, gate: &Gate) -> Vec<i32> {
    let holds = gather((0..3u32).map(|n| pool.run::<u32, _>("hold", &n)));
    let watch = async {
        let mut pids = Vec::new();
        for _ in 0..3 {
            pids.push(gate.began().await);
        }
        gate.open(3).await;
        pids
    };
    let (_, mut pids) = runtime::join(holds, watch).await;
    pids.push(pool.run("parent", &()).await.unwrap());
    pids
}

fn a_dropped_pool_leaves_no_process() {
    let (jobs, gate) = Gate::jobs();
    let pool = ProcessPool::start(3, jobs).unwrap();
    let pids = on(Model::Threads, async {
        let pids = processes(&pool, &gate).await;
        // One is in the middle of a job.
        let hold = forever(&pool);
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

fn a_pool_ends_with_its_process() {
    let (jobs, gate) = Gate::jobs();
    let (tell, told) = support::pair();
    let user = process::fork(|| {
        let pool = ProcessPool::start(3, jobs).unwrap();
        on(Model::Tasks, async {
            let pids = processes(&pool, &gate).await;
            let hold = forever(&pool);
            race(gate.began(), hold).await;
            let tell = async {
                gate.began().await;
                for pid in pids {
                    support::tell(&tell, pid);
                }
                std::future::pending::<()>().await
            };
            race(forever(&pool), tell).await;
        });
        1
    })
    .unwrap();
    let pids = [(); 4].map(|()| support::told(&told));
    user.kill();
    assert_eq!(user.wait().unwrap(), Ended::Killed(9));
    on(
        Model::Threads,
        until("they have gone", || pids.iter().all(|pid| is_gone(*pid))),
    );
}

fn replacing_leaks_nothing() {
    let pool = ProcessPool::start(2, jobs()).unwrap();
    for model in [Model::Threads, Model::Tasks] {
        on(model, async {
            let nursery: i32 = pool.run("parent", &()).await.unwrap();
            let here = i32::try_from(std::process::id()).unwrap();
            // The first that waits with a time-out gets a bell.
            let sleep = pool.run::<(), _>("sleep", &60_000u64);
            let soon = runtime::timeout(Duration::from_millis(2), sleep).await;
            assert!(soon.is_err());
            gather((0..2).map(|_| pool.run::<i32, _>("pid", &()))).await;
            let before = (fds(here), fds(nursery));
            for n in 0..100 {
                if n % 2 == 0 {
                    pool.run::<(), _>("crash", &()).await.unwrap_err();
                } else {
                    let sleep = pool.run::<(), _>("sleep", &60_000u64);
                    let soon = runtime::timeout(Duration::from_millis(2), sleep).await;
                    assert!(soon.is_err());
                }
            }
            gather((0..2).map(|_| pool.run::<i32, _>("pid", &()))).await;
            // Some of those before may have been on their way out.
            let closed = || fds(here) <= before.0 && fds(nursery) <= before.1;
            until("descriptors are closed", closed).await;
            let children =
                std::fs::read_to_string(format!("/proc/{nursery}/task/{nursery}/children"));
            assert_eq!(children.unwrap().split_whitespace().count(), 2);
        });
    }
    assert!(pool.stats().replaced >= 200, "{:?}", pool.stats());
}
