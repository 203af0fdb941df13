//! Cancellation: a token that tells a tree of flows to stop.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use event_listener::Event;

/// A flag that tells flows of any model to stop. A clone is the same token; a
/// [child](CancellationToken::child_token) is cancelled with its parent, but not the other way around.
///
/// ```
/// use std::future::pending;
/// use switchboard_runtime::{self as runtime, Model, sync::CancellationToken};
///
/// let ended = Model::Tasks.run(async {
///     let stop = CancellationToken::new();
///     let connection = stop.child_token();
///     let flow = runtime::spawn(async move { connection.run_until_cancelled(pending::<()>()).await });
///     stop.cancel();
///     flow.await
/// })?;
/// assert_eq!(ended.unwrap(), None);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct CancellationToken(Arc<Node>);

/// A token in its tree. A node holds its parent, so that a token between two others may be dropped.
#[derive(Default)]
struct Node {
    cancelled: AtomicBool,
    listeners: Event,
    children: Mutex<Vec<Weak<Node>>>,
    parent: Option<Arc<Node>>,
}

impl CancellationToken {
    /// Returns a token that is not cancelled and has no parent.
    pub fn new() -> CancellationToken {
        CancellationToken(Arc::default())
    }

    /// Returns a token that is cancelled when this one is, or at once if this one is already.
    pub fn child_token(&self) -> CancellationToken {
        let mut children = self.0.lock_children();
        let child = Arc::new(Node {
            cancelled: AtomicBool::new(self.is_cancelled()),
            listeners: Event::new(),
            children: Mutex::default(),
            parent: Some(self.0.clone()),
        });
        if children.len() == children.capacity() {
            children.retain(|child| child.strong_count() > 0);
        }
        children.push(Arc::downgrade(&child));
        CancellationToken(child)
    }

    /// Cancels this token and its descendants, then wakes the flows that wait for them: a flow that is woken
    /// finds all of them cancelled. Never blocks. A token stays cancelled.
    pub fn cancel(&self) {
        let mut found = vec![self.0.clone()];
        let mut cancelled = 0;
        while let Some(node) = found.get(cancelled).cloned() {
            cancelled += 1;
            // A child that is added later finds the flag, which is set while the children are locked.
            let mut children = node.lock_children();
            node.cancelled.store(true, Ordering::SeqCst);
            found.extend(children.drain(..).filter_map(|child| child.upgrade()));
        }
        for node in found {
            node.listeners.notify(usize::MAX);
        }
    }

    /// Returns whether the token is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Waits until the token is cancelled. Dropping the future ends the wait.
    pub async fn cancelled(&self) {
        while !self.is_cancelled() {
            let listener = self.0.listeners.listen();
            // A `cancel` between the check and `listen` does not notify this listener.
            if !self.is_cancelled() {
                listener.await;
            }
        }
    }

    /// Runs `future` until it completes, or until the token is cancelled; then drops it and returns `None`. A
    /// future that is ready when it is polled wins.
    ///
    /// ```
    /// use switchboard_runtime::{Model, sync::CancellationToken};
    ///
    /// let token = CancellationToken::new();
    /// assert_eq!(Model::Threads.run(token.run_until_cancelled(async { 7 }))?, Some(7));
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn run_until_cancelled<F: Future>(&self, future: F) -> Option<F::Output> {
        let completed = async { Some(future.await) };
        let cancelled = async {
            self.cancelled().await;
            None
        };
        futures_lite::future::or(completed, cancelled).await
    }

    /// Returns a guard that cancels the token when it is dropped.
    pub fn drop_guard(self) -> DropGuard {
        DropGuard(Some(self))
    }
}

impl Node {
    fn lock_children(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Node>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // One after another, because a long chain of parents would exhaust the stack otherwise.
        let mut parent = self.parent.take();
        while let Some(mut node) = parent.and_then(Arc::into_inner) {
            parent = node.parent.take();
        }
    }
}

impl Default for CancellationToken {
    fn default() -> CancellationToken {
        CancellationToken::new()
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.is_cancelled() {
            true => "cancelled",
            false => "not cancelled",
        };
        write!(f, "CancellationToken({state})")
    }
}

/// A guard that cancels a token when it is dropped, also by a panic.
///
/// ```
/// use switchboard_runtime::sync::{CancellationToken, DropGuard};
///
/// let token = CancellationToken::new();
/// let guard: DropGuard = token.clone().drop_guard();
/// drop(guard);
/// assert!(token.is_cancelled());
/// ```
#[derive(Debug)]
#[must_use = "dropping the guard cancels the token"]
pub struct DropGuard(Option<CancellationToken>);

impl DropGuard {
    /// Returns the token without cancelling it.
    pub fn disarm(mut self) -> CancellationToken {
        match self.0.take() {
            Some(token) => token,
            None => unreachable!("a guard has its token until it is dropped"),
        }
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.0 {
            token.cancel();
        }
    }
}
