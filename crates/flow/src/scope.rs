//! Scopes: structured concurrency.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_channel::Receiver;
use futures_lite::FutureExt;

use crate::event::Event;
use crate::join::{JoinError, JoinHandle};
use crate::spawn::launch;

#[derive(Default)]
struct Inner {
    children: Mutex<Vec<JoinHandle<()>>>,
    /// Set with the first child's failure.
    failed: Event,
    failure: Mutex<Option<JoinError>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where [`scope`]'s children are spawned.
#[derive(Clone)]
pub struct Scope(Arc<Inner>);

impl Scope {
    /// Starts a child: it ends before the scope does.
    #[track_caller]
    pub fn spawn<T, F>(&self, future: F) -> ScopeHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let name = Location::caller();
        let (sender, receiver) = async_channel::bounded(1);
        let inner = Arc::downgrade(&self.0);
        let child = launch(name, move || async move {
            match AssertUnwindSafe(future).catch_unwind().await {
                // Nobody may be there to take it.
                Ok(value) => drop(sender.try_send(value)),
                Err(payload) => {
                    if let Some(inner) = inner.upgrade() {
                        lock(&inner.failure).get_or_insert(JoinError::panicked(payload));
                        inner.failed.set();
                    }
                }
            }
        });
        lock(&self.0.children).push(child);
        ScopeHandle(Box::pin(receiver))
    }

    /// Cancels every child that is there now; the scope waits for them still.
    pub fn cancel(&self) {
        lock(&self.0.children)
            .iter_mut()
            .for_each(JoinHandle::cancel);
    }

    /// Waits for all children, those they spawn included.
    async fn drain(&self) {
        loop {
            let child = lock(&self.0.children).pop();
            let Some(child) = child else { return };
            let mut child = Guard(Some(child));
            let result = match &mut child.0 {
                Some(handle) => handle.await,
                None => Ok(()),
            };
            if let Err(error @ (JoinError::Refused(_) | JoinError::Thread(_))) = result {
                lock(&self.0.failure).get_or_insert(error);
                self.cancel();
            }
        }
    }
}

/// Cancels what it holds when it is dropped, and waits for threads: nothing outlives the scope.
struct Guard(Option<JoinHandle<()>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.cancel();
            child.wait_on_thread();
        }
    }
}

struct GuardAll(Scope);

impl Drop for GuardAll {
    fn drop(&mut self) {
        self.0.cancel();
        let children = std::mem::take(&mut *lock(&self.0.0.children));
        for child in children {
            drop(Guard(Some(child)));
        }
    }
}

/// A child of a [`Scope`]: awaiting it gives its result, or `None` if it panicked or was cancelled.
/// Dropping it leaves the child running.
#[derive(Debug)]
pub struct ScopeHandle<T>(Pin<Box<Receiver<T>>>);

impl<T> Future for ScopeHandle<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        futures_lite::Stream::poll_next(self.0.as_mut(), context)
    }
}

/// Runs `body` and the children it spawns, and ends when all of them have ended.
///
/// If a child panics, the body and the other children are cancelled and the panic is the scope's
/// error. If the scope itself is dropped, everything in it is cancelled: tasks drop their futures
/// within a turn of the loop, threads are waited for.
///
/// # Errors
/// The first child's panic, the body's, or why a child could not be started.
///
/// ```
/// use switchboard_flow::{self as flow, Driver, Model};
///
/// let total = Model::Threads.run(Driver::best(), async {
///     flow::scope(|scope| async move {
///         let left = scope.spawn(async { 1 });
///         let right = scope.spawn(async { 2 });
///         left.await.unwrap_or(0) + right.await.unwrap_or(0)
///     })
///     .await
/// })?;
/// assert_eq!(total.unwrap(), 3);
/// # std::io::Result::Ok(())
/// ```
pub async fn scope<T, F>(body: impl FnOnce(Scope) -> F) -> Result<T, JoinError>
where
    F: Future<Output = T>,
{
    let scope = Scope(Arc::default());
    let guard = GuardAll(scope.clone());
    let body = AssertUnwindSafe(body(scope.clone())).catch_unwind();
    let failed = async {
        scope.0.failed.wait().await;
        None
    };
    let outcome = async { Some(body.await) }.or(failed).await;
    if !matches!(outcome, Some(Ok(_))) {
        scope.cancel();
    }
    scope.drain().await;
    drop(guard);
    if let Some(error) = lock(&scope.0.failure).take() {
        return Err(error);
    }
    match outcome {
        Some(Ok(value)) => Ok(value),
        Some(Err(payload)) => Err(JoinError::panicked(payload)),
        None => Err(JoinError::Cancelled),
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({} children)", lock(&self.0.children).len())
    }
}
