//! A result of a job that panics as it is dropped costs the pool no thread.
//!
//! A test binary of its own, because the pool of threads is the whole process's.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use switchboard_runtime::{offload_stats, run_blocking};

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("the test's panic, as a result is dropped");
    }
}

#[test]
fn a_result_that_panics_as_it_is_dropped_costs_no_thread() {
    let (sender, go) = mpsc::channel::<()>();
    let job = move || {
        // The handle is dropped by now.
        go.recv().unwrap();
        PanicsOnDrop
    };
    drop(run_blocking(job));
    sender.send(()).unwrap();
    let begin = Instant::now();
    while offload_stats().busy > 0 {
        assert!(
            begin.elapsed() < Duration::from_secs(600),
            "{:?}",
            offload_stats()
        );
        thread::yield_now();
    }
    assert!(offload_stats().threads > 0);
}
