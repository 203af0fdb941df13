//! Awaiting Deferreds, and making Deferreds from futures.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use switchboard_callbacks::Deferred;
use switchboard_runtime::{self as runtime, Driver, Loop, Model};

use crate::cancel::work;
use crate::{Log, Text, end, unhandled};

const MOMENT: Duration = Duration::from_millis(2);

#[test]
fn awaiting_a_deferred_returns_its_result_under_every_kind_of_model() {
    for model in [Model::Tasks, Model::Green, Model::Threads, Model::Blocking] {
        let (deferred, resolver) = Text::new();
        let deferred = deferred.add_callback(|value| Ok(value + 1));
        let both = async {
            assert_eq!(Text::fail("no".into()).await, Err("no".to_owned()));
            let fire = async {
                runtime::sleep(MOMENT).await;
                resolver.callback(1);
            };
            runtime::join(deferred.into_future(), fire).await.0
        };
        assert_eq!(model.run(both).unwrap(), Ok(2), "{model}");
    }
}

#[test]
fn dropping_the_future_cancels_the_deferred() {
    let (log, reports) = (Log::default(), unhandled());
    let (deferred, _resolver) = work("work", &log);
    let waits = runtime::timeout(MOMENT, deferred.into_future());
    let timed_out = Model::Tasks.run(waits).unwrap();
    assert!(timed_out.is_err());
    log.is(&["stop work"]);
    reports.is(&[]);
}

#[test]
fn a_future_fires_its_deferred() {
    for model in [Model::Tasks, Model::Green] {
        let future = async {
            let slow = |result: Result<u32, String>| async {
                runtime::sleep(MOMENT).await;
                result
            };
            let good = Text::from_future(slow(Ok(1))).add_callback(|value| Ok(value + 1));
            assert_eq!(good.await, Ok(2));
            assert_eq!(
                Text::from_future(slow(Err("no".into()))).await,
                Err("no".into())
            );
            let lost = Text::from_future(async { panic!("oh") });
            assert!(lost.await.unwrap_err().contains("the resolver was dropped"));
        };
        model.run(future).unwrap();
    }
}

/// A guard that records that it was dropped.
struct Dropped(Rc<Cell<bool>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn cancelling_the_deferred_drops_the_future() {
    let (log, dropped) = (Log::default(), Rc::new(Cell::new(false)));
    let future = async {
        let guard = Dropped(dropped.clone());
        let deferred = Text::from_future(async {
            let _guard = guard;
            runtime::sleep(Duration::MAX).await;
            Ok(1)
        });
        runtime::sleep(MOMENT).await;
        assert!(!dropped.get());
        deferred.cancel();
        end(deferred, &log);
        log.is(&["Err(\"cancelled\")"]);
        runtime::yield_now().await;
        assert!(dropped.get());
    };
    Model::Tasks.run(future).unwrap();
}

#[test]
fn dropping_the_loop_fails_its_deferreds() {
    let log = Log::default();
    let lp = Loop::new(Driver::best()).unwrap();
    let deferred = lp.block_on(async {
        Deferred::<u32, String>::from_future(async {
            runtime::sleep(Duration::MAX).await;
            Ok(1)
        })
    });
    end(deferred.unwrap(), &log);
    log.is(&[]);
    drop(lp);
    log.is(&["Err(\"cancelled: the resolver was dropped\")"]);
}

#[test]
fn without_a_loop_a_future_is_refused() {
    let refused = |text: String| {
        assert!(
            text.contains("use model tasks, green or callbacks"),
            "{text}"
        )
    };
    let refusal = || async { Text::from_future(async { Ok(1) }).await.unwrap_err() };
    refused(Model::Threads.run(refusal()).unwrap());
    // A blocking flow within a task holds the loop.
    let within = async { Model::Blocking.run(refusal()).unwrap() };
    refused(Model::Tasks.run(within).unwrap());
    let reports = unhandled();
    drop(Text::from_future(async { Ok(1) }));
    assert_eq!(reports.0.borrow().len(), 1);
}
