//! Jobs that wait for a queued job go on, under every model and driver.
//!
//! A test binary of its own, because the pool of threads is the whole process's.

#[path = "support/ways.rs"]
mod ways;

use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use switchboard_runtime::{self as runtime, gather, offload_stats};

use ways::Way;

ways::stamp!(jobs_that_wait_for_a_queued_job_go_on);

fn jobs_that_wait_for_a_queued_job_go_on(way: Way) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    way.run(async {
        let before = offload_stats();
        let count = before.threads.max(64);
        let (senders, waiting): (Vec<_>, Vec<_>) = (0..count)
            .map(|_| {
                let (sender, receiver) = mpsc::channel();
                let wait = move || receiver.recv_timeout(Duration::from_secs(600));
                (sender, runtime::run_blocking(wait))
            })
            .unzip();
        let last = runtime::run_blocking(move || {
            for sender in senders {
                sender.send(7).unwrap();
            }
        });
        last.await.unwrap();
        for waited in gather(waiting).await {
            assert_eq!(waited.unwrap(), Ok(7));
        }
        let after = offload_stats();
        assert!(
            after.stalls > before.stalls && after.threads > count,
            "{after:?}"
        );
    });
}
