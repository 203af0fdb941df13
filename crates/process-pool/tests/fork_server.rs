//! The fork server of a pool: slow, short of descriptors, or gone.

mod support;

use std::process::ExitCode;

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use switchboard_process::ExitStatus;
use switchboard_process_pool::{PoolError, ProcessPool};
use switchboard_runtime::{self as runtime, Model, gather, race};

use support::{Gate, each_model, has_ended, hold_forever, jobs, kill, run_on, until};

fn main() -> ExitCode {
    support::main(&[
        (
            "a_pool_ends_its_workers_while_another_pool_runs",
            a_pool_ends_its_workers_while_another_pool_runs,
        ),
        (
            "jobs_fail_once_the_fork_server_has_ended",
            jobs_fail_once_the_fork_server_has_ended,
        ),
        (
            "jobs_fail_while_the_fork_server_has_no_descriptors",
            jobs_fail_while_the_fork_server_has_no_descriptors,
        ),
        (
            "jobs_wait_for_a_slow_fork_server",
            jobs_wait_for_a_slow_fork_server,
        ),
        (
            "an_interrupt_ends_neither_workers_nor_fork_server",
            an_interrupt_ends_neither_workers_nor_fork_server,
        ),
    ])
}

fn a_pool_ends_its_workers_while_another_pool_runs() {
    let first = ProcessPool::start(1, jobs()).unwrap();
    let second = ProcessPool::start(1, jobs()).unwrap();
    let pid: i32 = run_on(Model::Threads, first.run("pid", &())).unwrap();
    drop(first);
    assert!(has_ended(pid));
    let error = run_on(Model::Threads, second.run::<(), _>("crash", &())).unwrap_err();
    assert!(matches!(error, PoolError::Died(ExitStatus::Killed(9))));
}

fn jobs_fail_once_the_fork_server_has_ended() {
    let pool = ProcessPool::start(2, jobs()).unwrap();
    each_model(|| async {
        if let Ok(fork_server) = pool.run::<i32, _>("parent", &()).await {
            let error = pool.run::<(), _>("crash_parent", &()).await.unwrap_err();
            assert!(error.to_string().contains("start another pool"), "{error}");
            assert!(has_ended(fork_server));
        }
        let error = pool.run::<i32, _>("pid", &()).await.unwrap_err();
        assert!(error.to_string().contains("start another pool"), "{error}");
    });
}

fn jobs_fail_while_the_fork_server_has_no_descriptors() {
    let pool = ProcessPool::start(1, jobs()).unwrap();
    each_model(|| async {
        let fork_server: i32 = pool.run("parent", &()).await.unwrap();
        let limit = |current| {
            let pid = Pid::from_raw(fork_server);
            let limit = Rlimit {
                current,
                maximum: Some(1024),
            };
            prlimit(pid, Resource::Nofile, limit).unwrap().current
        };
        let before = limit(Some(0));
        let error = pool.run::<(), _>("crash", &()).await.unwrap_err();
        assert!(error.to_string().contains("raise `ulimit -n`"), "{error}");
        let error = pool.run::<(), _>("pid", &()).await.unwrap_err();
        assert!(error.to_string().contains("raise `ulimit -n`"), "{error}");
        limit(before.map(|before| before.min(1024)).or(Some(1024)));
        pool.run::<i32, _>("pid", &()).await.unwrap();
        assert_eq!(pool.stats().busy, 0);
    });
}

fn jobs_wait_for_a_slow_fork_server() {
    const WORKERS: usize = 300;
    let (jobs, gate) = Gate::jobs();
    let pool = ProcessPool::start(WORKERS, jobs).unwrap();
    run_on(Model::Tasks, async {
        let fork_server: i32 = pool.run("parent", &()).await.unwrap();
        {
            let mut holds: Vec<_> = (0..WORKERS)
                .map(|_| Box::pin(hold_forever::<()>(&pool)))
                .collect();
            let all = gather(holds.iter_mut().map(|hold| hold.as_mut()));
            let begun = async {
                for _ in 0..WORKERS {
                    gate.began().await;
                }
                Vec::new()
            };
            race(begun, all).await;
            kill(fork_server, Signal::STOP);
        }
        // As a rule, there are more requests than fit its socket.
        let go_on = async {
            until("all jobs have a worker", || pool.stats().busy == WORKERS).await;
            kill(fork_server, Signal::CONT);
        };
        let powers = gather((0..WORKERS).map(|_| pool.run::<u64, _>("power", &(2u64, 3u32))));
        let (powers, ()) = runtime::join(powers, go_on).await;
        assert!(powers.into_iter().all(|power| power.unwrap() == 8));
        assert_eq!(pool.stats().replaced, WORKERS as u64);
    });
}

fn an_interrupt_ends_neither_workers_nor_fork_server() {
    let pool = ProcessPool::start(1, jobs()).unwrap();
    run_on(Model::Threads, async {
        let pid: i32 = pool.run("pid", &()).await.unwrap();
        let fork_server: i32 = pool.run("parent", &()).await.unwrap();
        kill(pid, Signal::INT);
        kill(fork_server, Signal::INT);
        assert_eq!(pool.run::<i32, _>("pid", &()).await.unwrap(), pid);
        pool.run::<(), _>("crash", &()).await.unwrap_err();
        assert_eq!(
            pool.run::<i32, _>("parent", &()).await.unwrap(),
            fork_server
        );
    });
}
