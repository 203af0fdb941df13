//! The order in which a thread's permit and the result of its flow are dropped. A test of its own, since
//! threads are counted for the whole process.

use std::panic::Location;
use std::sync::mpsc::{Sender, channel};

use switchboard_runtime::{FlowSpan, Model, launch_detached, threads_alive};

/// Sends the number of threads when it is dropped.
struct CountOnDrop(Sender<usize>);

impl Drop for CountOnDrop {
    fn drop(&mut self) {
        self.0.send(threads_alive()).unwrap();
    }
}

#[test]
fn a_thread_no_longer_counts_when_its_result_is_dropped() {
    let (sender, receiver) = channel();
    let alive = Model::Threads.run(async {
        launch_detached(Location::caller(), FlowSpan::default(), || async {
            CountOnDrop(sender)
        });
        receiver.recv().unwrap()
    });
    assert_eq!(alive.unwrap(), 0);
}
