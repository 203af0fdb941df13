//! What a pool asks of its nursery, and what it does without.

mod support;

use std::process::ExitCode;

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use switchboard_process_pool::{PoolError, ProcessPool};
use switchboard_runtime::process::Ended;
use switchboard_runtime::{self as runtime, Model, gather, race};

use support::{Gate, each_model, forever, is_gone, jobs, kill, on, until};

fn main() -> ExitCode {
    support::main(&[
        (
            "two_pools_do_not_hold_each_other",
            two_pools_do_not_hold_each_other,
        ),
        (
            "without_its_nursery_a_pool_says_so",
            without_its_nursery_a_pool_says_so,
        ),
        (
            "a_nursery_without_descriptors_is_an_error_for_a_while",
            a_nursery_without_descriptors_is_an_error_for_a_while,
        ),
        (
            "a_nursery_that_is_slow_is_waited_for",
            a_nursery_that_is_slow_is_waited_for,
        ),
        ("an_interrupt_is_not_for_them", an_interrupt_is_not_for_them),
    ])
}

fn two_pools_do_not_hold_each_other() {
    let first = ProcessPool::start(1, jobs()).unwrap();
    let second = ProcessPool::start(1, jobs()).unwrap();
    let pid: i32 = on(Model::Threads, first.run("pid", &())).unwrap();
    drop(first);
    assert!(is_gone(pid));
    let error = on(Model::Threads, second.run::<(), _>("crash", &())).unwrap_err();
    assert!(matches!(error, PoolError::Died(Ended::Killed(9))));
}

fn without_its_nursery_a_pool_says_so() {
    let pool = ProcessPool::start(2, jobs()).unwrap();
    each_model(|| async {
        if let Ok(nursery) = pool.run::<i32, _>("parent", &()).await {
            let error = pool.run::<(), _>("crash_parent", &()).await.unwrap_err();
            assert!(error.to_string().contains("start another pool"), "{error}");
            assert!(is_gone(nursery));
        }
        let error = pool.run::<i32, _>("pid", &()).await.unwrap_err();
        assert!(error.to_string().contains("start another pool"), "{error}");
    });
}

fn a_nursery_without_descriptors_is_an_error_for_a_while() {
    let pool = ProcessPool::start(1, jobs()).unwrap();
    each_model(|| async {
        let nursery: i32 = pool.run("parent", &()).await.unwrap();
        let limit = |current| {
            let pid = Pid::from_raw(nursery);
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

fn a_nursery_that_is_slow_is_waited_for() {
    const WORKERS: usize = 300;
    let (jobs, gate) = Gate::jobs();
    let pool = ProcessPool::start(WORKERS, jobs).unwrap();
    on(Model::Tasks, async {
        let nursery: i32 = pool.run("parent", &()).await.unwrap();
        {
            let mut holds: Vec<_> = (0..WORKERS)
                .map(|_| Box::pin(forever::<()>(&pool)))
                .collect();
            let all = gather(holds.iter_mut().map(|hold| hold.as_mut()));
            let begun = async {
                for _ in 0..WORKERS {
                    gate.began().await;
                }
                Vec::new()
            };
            race(begun, all).await;
            kill(nursery, Signal::STOP);
        }
        // More, as a rule, than its socket has room for.
        let go = async {
            until("all ask", || pool.stats().busy == WORKERS).await;
            kill(nursery, Signal::CONT);
        };
        let powers = gather((0..WORKERS).map(|_| pool.run::<u64, _>("power", &(2u64, 3u32))));
        let (powers, ()) = runtime::join(powers, go).await;
        assert!(powers.into_iter().all(|power| power.unwrap() == 8));
        assert_eq!(pool.stats().replaced, WORKERS as u64);
    });
}

fn an_interrupt_is_not_for_them() {
    let pool = ProcessPool::start(1, jobs()).unwrap();
    on(Model::Threads, async {
        let pid: i32 = pool.run("pid", &()).await.unwrap();
        let nursery: i32 = pool.run("parent", &()).await.unwrap();
        kill(pid, Signal::INT);
        kill(nursery, Signal::INT);
        assert_eq!(pool.run::<i32, _>("pid", &()).await.unwrap(), pid);
        pool.run::<(), _>("crash", &()).await.unwrap_err();
        assert_eq!(pool.run::<i32, _>("parent", &()).await.unwrap(), nursery);
    });
}
