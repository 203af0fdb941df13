//! Many futures in one flow.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// One future's waker: it remembers who called, so that nobody else is polled for it.
struct Woken {
    flag: AtomicBool,
    whole: Arc<Mutex<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.flag.swap(true, Ordering::AcqRel) {
            let waker = self
                .whole
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            waker.wake();
        }
    }
}

struct Part<F: Future> {
    future: Option<Pin<Box<F>>>,
    output: Option<F::Output>,
    woken: Arc<Woken>,
    waker: Waker,
}

/// Runs all `futures` at once within this flow and gives their outputs in the order they came in.
///
/// It needs no `spawn`, so it serves under every model, `blocking` too: there one thread waits for
/// all of them.
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
    let whole = Arc::new(Mutex::new(Waker::noop().clone()));
    let mut parts: Vec<Part<F>> = futures
        .into_iter()
        .map(|future| {
            let woken = Arc::new(Woken {
                flag: AtomicBool::new(true),
                whole: whole.clone(),
            });
            Part {
                future: Some(Box::pin(future)),
                output: None,
                waker: Waker::from(woken.clone()),
                woken,
            }
        })
        .collect();
    let mut left = parts.len();
    poll_fn(|context| {
        whole
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(context.waker());
        for part in &mut parts {
            if !part.woken.flag.swap(false, Ordering::AcqRel) {
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
