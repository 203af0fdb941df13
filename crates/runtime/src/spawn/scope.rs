//! Scopes: flows that end before the flow that started them continues (structured concurrency).

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use async_channel::Receiver;
use futures_lite::FutureExt;
use futures_lite::future::CatchUnwind;
use pin_project_lite::pin_project;
use switchboard_green_threads::is_unwinding;

use crate::event::Event;
use crate::spawn::join::{JoinError, JoinHandle};
use crate::spawn::launch;

struct Inner {
    /// `None` once the scope has ended; it starts no more children.
    children: Mutex<Option<Vec<JoinHandle<()>>>>,
    /// Set when a child fails.
    failed: Event,
    first_failure: Mutex<Option<JoinError>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pin_project! {
    /// Completes with the result of a future or its panic. The unwinding of a green thread that was cancelled while
    /// plain code within the future waited is none, and goes on.
    // An async function would hold the future twice.
    struct Caught<F> {
        #[pin]
        future: CatchUnwind<AssertUnwindSafe<F>>,
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = std::thread::Result<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().future.poll(context)) {
            Err(payload) if is_unwinding() => resume_unwind(payload),
            result => result,
        })
    }
}

fn caught<F: Future>(future: F) -> Caught<F> {
    Caught {
        future: AssertUnwindSafe(future).catch_unwind(),
    }
}

impl Inner {
    fn fail(&self, error: JoinError) {
        lock(&self.first_failure).get_or_insert(error);
        self.failed.set();
    }
}

/// A handle that spawns children of a [`scope`]. A clone is the same scope.
///
/// ```
/// use switchboard_runtime::{self as runtime, Model, Scope};
///
/// let sum = Model::Tasks.run(runtime::scope(|scope: Scope| async move {
///     let child = scope.clone();
///     let grandchild = scope.spawn(async move { child.spawn(async { 1 }).await });
///     grandchild.await.flatten()
/// }))?;
/// assert_eq!(sum.unwrap(), Some(1));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Scope(Arc<Inner>);

impl Scope {
    /// Starts a child, as [`spawn`](crate::spawn) does; it ends before the scope ends. Never blocks.
    ///
    /// After the scope has ended nothing is started, and the handle returns `None`.
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
            match caught(future).await {
                // The send fails if the handle was dropped.
                Ok(value) => drop(sender.try_send(value)),
                Err(payload) => {
                    if let Some(inner) = inner.upgrade() {
                        inner.fail(JoinError::panicked(payload));
                    }
                }
            }
        };
        // A child that cannot be started is dropped by the second owner, once the lock is released, because what it
        // drops may use the scope.
        let child = Arc::new(Mutex::new(Some(child)));
        let taken = child.clone();
        if let Some(children) = &mut *lock(&self.0.children) {
            children.push(launch(name, move || match lock(&taken).take() {
                Some(child) => child,
                None => unreachable!("a child is started once"),
            }));
        }
        drop(child);
        ScopeHandle(Box::pin(receiver))
    }

    /// Cancels every child started so far. The scope still waits until they have ended.
    pub fn cancel(&self) {
        let mut children = lock(&self.0.children);
        children.iter_mut().flatten().for_each(JoinHandle::cancel);
    }

    /// Waits for all children, including those that children spawn. Cancels them after a failure.
    async fn drain(&self) {
        while let Some(child) = self.next_child() {
            let mut child = CancelOnDrop(child);
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

    /// Returns a child to wait for. If there is none, the scope has ended and starts no more.
    fn next_child(&self) -> Option<JoinHandle<()>> {
        let mut children = lock(&self.0.children);
        let child = children.as_mut().and_then(Vec::pop);
        if child.is_none() {
            *children = None;
        }
        child
    }
}

/// A guard that cancels a child when it is dropped, and blocks until it has ended if it runs in a thread.
struct CancelOnDrop(JoinHandle<()>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
        self.0.wait_on_thread();
    }
}

/// A guard that cancels every child when the scope is dropped.
struct CancelAllOnDrop(Scope);

impl Drop for CancelAllOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
        let children = lock(&self.0.0.children).take();
        children
            .into_iter()
            .flatten()
            .for_each(|child| drop(CancelOnDrop(child)));
    }
}

/// A handle to a child of a [`Scope`]: a future of its result, which is `None` if the child panicked, was
/// cancelled or could not be started. Dropping it leaves the child running.
///
/// ```
/// use switchboard_runtime::{self as runtime, Model, ScopeHandle};
///
/// let total = Model::Tasks.run(runtime::scope(|scope| async move {
///     let handle: ScopeHandle<i32> = scope.spawn(async { 42 });
///     handle.await
/// }))?;
/// assert_eq!(total.unwrap(), Some(42));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct ScopeHandle<T>(Pin<Box<Receiver<T>>>);

impl<T> Future for ScopeHandle<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        futures_lite::Stream::poll_next(self.0.as_mut(), context)
    }
}

/// Runs `body` and the children that it spawns, and completes when all of them have ended.
///
/// If a child panics or could not be started, the body and the other children are cancelled, and the
/// scope returns that child's error. Dropping the scope's future cancels the children: tasks drop their
/// futures within a turn of the loop; for threads the drop blocks until they have ended.
///
/// # Errors
/// [`JoinError::Panicked`] for the first panic of a child or the body; [`JoinError::Refused`] or
/// [`JoinError::Thread`] if a child could not be started.
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
        first_failure: Mutex::default(),
    }));
    let guard = CancelAllOnDrop(scope.clone());
    let body = caught(body(scope.clone()));
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
    if let Some(error) = lock(&scope.0.first_failure).take() {
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
