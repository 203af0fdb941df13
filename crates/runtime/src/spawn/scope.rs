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
use crate::spawn::join::{JoinError, JoinHandle};
use crate::spawn::launch;

struct Inner {
    /// None once the scope has ended: nothing is started any more.
    children: Mutex<Option<Vec<JoinHandle<()>>>>,
    /// Set with the first child's failure.
    failed: Event,
    failure: Mutex<Option<JoinError>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn fail(&self, error: JoinError) {
        lock(&self.failure).get_or_insert(error);
        self.failed.set();
    }
}

/// Where [`scope`]'s children are spawned.
#[derive(Clone)]
pub struct Scope(Arc<Inner>);

impl Scope {
    /// Starts a child: it ends before the scope does. In a scope that has ended nothing is started,
    /// and the handle gives `None`.
    #[track_caller]
    pub fn spawn<T, F>(&self, future: F) -> ScopeHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let name = Location::caller();
        let (sender, receiver) = async_channel::bounded(1);
        let inner = Arc::downgrade(&self.0);
        let child = async move {
            match AssertUnwindSafe(future).catch_unwind().await {
                // Nobody may be there to take it.
                Ok(value) => drop(sender.try_send(value)),
                Err(payload) => {
                    if let Some(inner) = inner.upgrade() {
                        inner.fail(JoinError::panicked(payload));
                    }
                }
            }
        };
        if let Some(children) = &mut *lock(&self.0.children) {
            children.push(launch(name, move || child));
        }
        ScopeHandle(Box::pin(receiver))
    }

    /// Cancels every child that is there now; the scope waits for them still.
    pub fn cancel(&self) {
        let mut children = lock(&self.0.children);
        children.iter_mut().flatten().for_each(JoinHandle::cancel);
    }

    /// Waits for all children, those they spawn included. After a failure it cancels them first.
    async fn drain(&self) {
        while let Some(child) = self.next() {
            let mut child = Guard(child);
            let failed = async {
                self.0.failed.wait().await;
                None
            };
            let result = match async { Some((&mut child.0).await) }.or(failed).await {
                Some(result) => result,
                None => {
                    child.0.cancel();
                    self.cancel();
                    (&mut child.0).await
                }
            };
            if let Err(error @ (JoinError::Refused(_) | JoinError::Thread(_))) = result {
                self.0.fail(error);
            }
        }
    }

    /// A child to wait for; after the last the scope takes no more.
    fn next(&self) -> Option<JoinHandle<()>> {
        let mut children = lock(&self.0.children);
        let child = children.as_mut().and_then(Vec::pop);
        if child.is_none() {
            *children = None;
        }
        child
    }
}

/// Cancels what it holds when it is dropped, and waits for threads: nothing outlives the scope.
struct Guard(JoinHandle<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.cancel();
        self.0.wait_on_thread();
    }
}

struct GuardAll(Scope);

impl Drop for GuardAll {
    fn drop(&mut self) {
        self.0.cancel();
        let children = lock(&self.0.0.children).take();
        children
            .into_iter()
            .flatten()
            .for_each(|child| drop(Guard(child)));
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
/// If a child panics, or could not be started, the body and the other children are cancelled and
/// that is the scope's error. If the scope itself is dropped, everything in it is cancelled: tasks drop their futures
/// within a turn of the loop, threads are waited for.
///
/// # Errors
/// The first child's panic, the body's, or why a child could not be started.
///
/// ```
/// use switchboard_runtime::{self as runtime, Model};
///
/// let total = Model::Threads.run(async {
///     runtime::scope(|scope| async move {
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
    let scope = Scope(Arc::new(Inner {
        children: Mutex::new(Some(Vec::new())),
        failed: Event::new(),
        failure: Mutex::default(),
    }));
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
        let children = lock(&self.0.children).as_ref().map_or(0, Vec::len);
        write!(f, "Scope({children} children)")
    }
}
