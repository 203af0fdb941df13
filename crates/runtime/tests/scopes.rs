//! Scopes of which the flows run plain code.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use switchboard_runtime::{self as runtime, JoinError, Model, Scope, green};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_cancelled_child_that_waits_in_plain_code_is_no_failure() {
    let ended = Model::Green.run(runtime::scope(|scope: Scope| async move {
        let child = scope.spawn(async { green::sleep(HOUR) });
        // The child runs up to its wait.
        runtime::yield_now().await;
        runtime::yield_now().await;
        scope.cancel();
        child.await.is_none()
    }));
    assert!(ended.unwrap().unwrap());
}

#[test]
fn a_flow_ends_where_plain_code_in_the_body_of_its_scope_waits() {
    let goes_on = Arc::new(AtomicBool::new(false));
    let behind = goes_on.clone();
    let flow = async move {
        let _ = runtime::scope(|_: Scope| async { green::sleep(HOUR) }).await;
        behind.store(true, Ordering::Relaxed);
    };
    let ended = Model::Green.run(async {
        let mut flow = runtime::spawn(flow);
        runtime::yield_now().await;
        runtime::yield_now().await;
        flow.cancel();
        flow.await
    });
    let ended = ended.unwrap();
    assert!(matches!(ended, Err(JoinError::Cancelled)), "{ended:?}");
    assert!(!goes_on.load(Ordering::Relaxed));
}

#[test]
fn a_refused_child_may_use_its_scope_as_it_is_dropped() {
    struct CancelsOnDrop(Scope);
    impl Drop for CancelsOnDrop {
        fn drop(&mut self) {
            self.0.cancel();
            drop(self.0.spawn(async {}));
        }
    }
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let result = Model::Blocking.run(runtime::scope(|scope: Scope| async move {
            let held = CancelsOnDrop(scope.clone());
            let child = scope.spawn(async move {
                let _held = held;
            });
            child.await
        }));
        sender.send(result.unwrap()).unwrap();
    });
    let result = ended.recv_timeout(Duration::from_secs(600));
    let refused = result.expect("the scope is locked");
    assert!(matches!(refused, Err(JoinError::Refused(_))), "{refused:?}");
}
