//! Scopes: nothing outlives them, and cancellation reaches children.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use switchboard_runtime::{self as runtime, Event, JoinError, Model, scope};

use crate::{Dropped, Way};

crate::stamp!(
    a_scope_waits_for_children_and_grandchildren
    a_childs_panic_cancels_the_body_and_the_other_children
    a_childs_panic_after_the_body_cancels_the_other_children
    the_bodys_panic_cancels_the_children
    a_cancelled_child_is_no_error
    a_dropped_scope_drops_its_children
    a_scope_that_has_ended_starts_nothing
);

/// Checks that a scope under `blocking` refuses children; returns whether that is the model.
fn refused(way: Way) -> bool {
    if way.0 != Model::Blocking {
        return false;
    }
    let result = way.run(scope(|scope| async move {
        scope.spawn(async {});
    }));
    assert!(matches!(result, Err(JoinError::Refused(_))), "{result:?}");
    true
}

fn a_scope_waits_for_children_and_grandchildren(way: Way) {
    if refused(way) {
        return;
    }
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    let sum = way.run(scope(|scope| async move {
        let first = scope.spawn({
            let scope = scope.clone();
            async move {
                for _ in 0..10 {
                    let counted = counted.clone();
                    scope.spawn(async move {
                        runtime::sleep(Duration::from_millis(1)).await;
                        counted.fetch_add(1, Ordering::SeqCst);
                    });
                }
                1
            }
        });
        let second = scope.spawn(async { 2 });
        second.await.unwrap() + first.await.unwrap()
    }));
    assert_eq!(sum.unwrap(), 3);
    assert_eq!(count.load(Ordering::SeqCst), 10);
}

fn a_childs_panic_cancels_the_body_and_the_other_children(way: Way) {
    if refused(way) {
        return;
    }
    let (guard, dropped) = Dropped::new();
    way.run(async {
        let result = scope(|scope| async move {
            let started = Event::new();
            let starting = started.clone();
            scope.spawn(async move {
                let _guard = guard;
                starting.set();
                pending::<()>().await;
            });
            started.wait().await;
            scope.spawn(async { panic!("oh") });
            pending::<()>().await;
        })
        .await;
        assert!(matches!(&result, Err(JoinError::Panicked(text)) if text == "oh"));
        assert!(dropped(), "the scope ended before its child");
    });
}

fn a_childs_panic_after_the_body_cancels_the_other_children(way: Way) {
    if refused(way) {
        return;
    }
    let (first, first_dropped) = Dropped::new();
    let (last, last_dropped) = Dropped::new();
    way.run(async {
        let result = scope(|scope| async move {
            let idle = |guard| async move {
                let _guard = guard;
                pending::<()>().await;
            };
            scope.spawn(idle(first));
            scope.spawn(async {
                runtime::sleep(Duration::from_millis(5)).await;
                panic!("late")
            });
            scope.spawn(idle(last));
        })
        .await;
        assert!(matches!(&result, Err(JoinError::Panicked(text)) if text == "late"));
        assert!(first_dropped() && last_dropped());
    });
}

fn the_bodys_panic_cancels_the_children(way: Way) {
    if refused(way) {
        return;
    }
    let (guard, dropped) = Dropped::new();
    way.run(async {
        let result = scope(|scope| async move {
            scope.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            if dropped() {
                return;
            }
            panic!("body")
        })
        .await;
        assert!(matches!(&result, Err(JoinError::Panicked(text)) if text == "body"));
    });
}

fn a_cancelled_child_is_no_error(way: Way) {
    if refused(way) {
        return;
    }
    let result = way.run(scope(|scope| async move {
        let child = scope.spawn(pending::<()>());
        scope.cancel();
        child.await
    }));
    assert_eq!(result.unwrap(), None);
}

fn a_dropped_scope_drops_its_children(way: Way) {
    if refused(way) {
        return;
    }
    let (guard, dropped) = Dropped::new();
    way.run(async {
        let started = Event::new();
        let starting = started.clone();
        let whole = scope(|scope| async move {
            scope.spawn(async move {
                let _guard = guard;
                starting.set();
                pending::<()>().await;
            });
            pending::<()>().await;
        });
        runtime::race(async { drop(whole.await) }, started.wait()).await;
        if way.0.has_loop() {
            // The loop drops a cancelled task within a turn.
            runtime::yield_now().await;
        }
        assert!(dropped());
    });
}

fn a_scope_that_has_ended_starts_nothing(way: Way) {
    if refused(way) {
        return;
    }
    way.run(async {
        let kept = scope(|scope| async move { scope }).await.unwrap();
        let (guard, dropped) = Dropped::new();
        let late = kept.spawn(async move { drop(guard) });
        assert_eq!(late.await, None);
        assert!(dropped(), "the future is dropped at once");
    });
}
