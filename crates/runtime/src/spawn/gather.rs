//! Several futures that run at once in one flow.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The waker of one future, which marks it, so that only marked futures are polled.
struct PartWaker {
    woken: AtomicBool,
    /// The waker of the flow.
    flow: Arc<Mutex<Waker>>,
}

impl Wake for PartWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            let waker = self
                .flow
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            waker.wake();
        }
    }
}

/// One of the futures, and its output once it has completed.
struct Part<F: Future> {
    future: Option<Pin<Box<F>>>,
    output: Option<F::Output>,
    mark: Arc<PartWaker>,
    waker: Waker,
}

/// Runs all `futures` at once within this flow, and returns their outputs in the order of the futures.
///
/// Nothing is spawned, so this works under every model; under `blocking`, one thread waits for all of
/// them. A panic of one future is the flow's panic. Dropping the future drops all of them.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Model};
///
/// let slow_first = [3, 2, 1].map(|n| async move {
///     runtime::sleep(Duration::from_millis(n)).await;
///     n
/// });
/// let done = Model::Blocking.run(runtime::gather(slow_first))?;
/// assert_eq!(done, [3, 2, 1]);
/// # std::io::Result::Ok(())
/// ```
pub async fn gather<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let flow = Arc::new(Mutex::new(Waker::noop().clone()));
    let mut parts: Vec<Part<F>> = futures
        .into_iter()
        .map(|future| {
            let mark = Arc::new(PartWaker {
                woken: AtomicBool::new(true),
                flow: flow.clone(),
            });
            Part {
                future: Some(Box::pin(future)),
                output: None,
                waker: Waker::from(mark.clone()),
                mark,
            }
        })
        .collect();
    let mut left = parts.len();
    poll_fn(|context| {
        let replaced = {
            let mut woken = flow.lock().unwrap_or_else(PoisonError::into_inner);
            let is_another = !woken.will_wake(context.waker());
            is_another.then(|| std::mem::replace(&mut *woken, context.waker().clone()))
        };
        // The drop of a waker may run code that wakes a part, which locks `flow`.
        drop(replaced);
        for part in &mut parts {
            if !part.mark.woken.swap(false, Ordering::AcqRel) {
                continue;
            }
            let Some(future) = &mut part.future else {
                continue;
            };
            let polled = future.as_mut().poll(&mut Context::from_waker(&part.waker));
            if let Poll::Ready(output) = polled {
                part.output = Some(output);
                part.future = None;
                left -= 1;
            }
        }
        if left == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    parts.into_iter().filter_map(|part| part.output).collect()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// A waker that wakes another one as it is dropped.
    struct WakesAsDropped(Arc<Mutex<Option<Waker>>>);

    impl Wake for WakesAsDropped {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for WakesAsDropped {
        fn drop(&mut self) {
            let part = self.0.lock().unwrap().take();
            part.into_iter().for_each(Waker::wake);
        }
    }

    #[test]
    fn a_waker_that_is_replaced_may_wake_a_part() {
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || {
            let slot = Arc::new(Mutex::new(None));
            let mut polls = 0;
            let part = poll_fn(|context| {
                polls += 1;
                *slot.lock().unwrap() = Some(context.waker().clone());
                Poll::<()>::Pending
            });
            {
                let mut parts = pin!(gather([part]));
                let first = Waker::from(Arc::new(WakesAsDropped(slot.clone())));
                let polled = parts.as_mut().poll(&mut Context::from_waker(&first));
                assert!(polled.is_pending());
                drop(first);
                let mut context = Context::from_waker(Waker::noop());
                assert!(parts.as_mut().poll(&mut context).is_pending());
            }
            sender.send(polls).unwrap();
        });
        let polls = ended.recv_timeout(Duration::from_secs(600));
        assert_eq!(polls, Ok(2), "the waker of the flow is locked");
    }
}
