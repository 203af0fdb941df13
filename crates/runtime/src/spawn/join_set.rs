//! Sets of flows whose results come in the order in which the flows end.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::join::{JoinError, JoinHandle};
use super::spawn;

/// Flows whose results are taken in the order in which the flows end. Dropping the set cancels the flows that
/// run.
///
/// [`scope`](crate::scope) is for flows that must all have ended before the caller goes on; this is for a
/// flow that starts others as it goes, such as one for each request.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Driver, JoinSet, Model};
///
/// // Simulated time, in which the delays are exact however busy the machine is.
/// for model in [Model::Tasks, Model::Green] {
///     let ended = model.run_with(Driver::Sim, async {
///         let mut set = JoinSet::new();
///         for delay in [40, 1, 20] {
///             set.spawn(async move {
///                 runtime::sleep(Duration::from_millis(delay)).await;
///                 delay
///             });
///         }
///         let mut ended = Vec::new();
///         while let Some(delay) = set.join_next().await {
///             ended.push(delay.unwrap());
///         }
///         ended
///     })?;
///     assert_eq!(ended, [1, 20, 40]);
/// }
/// # std::io::Result::Ok(())
/// ```
pub struct JoinSet<T: Send + 'static> {
    flows: HashMap<u64, Flow<T>>,
    next_id: u64,
    /// Results that were there when their flow was added.
    results: VecDeque<Result<T, JoinError>>,
    ended: Arc<Ended>,
}

struct Flow<T> {
    handle: JoinHandle<T>,
    waker: Waker,
}

/// The flows that have ended and were not joined, in this order, and the waker of the flow that joins.
#[derive(Default)]
struct Ended(Mutex<(VecDeque<u64>, Option<Waker>)>);

impl Ended {
    fn lock(&self) -> MutexGuard<'_, (VecDeque<u64>, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waker with which one handle is polled.
struct FlowWaker {
    id: u64,
    ended: Arc<Ended>,
}

impl Wake for FlowWaker {
    fn wake(self: Arc<Self>) {
        let mut ended = self.ended.lock();
        ended.0.push_back(self.id);
        let joining = ended.1.take();
        drop(ended);
        joining.into_iter().for_each(Waker::wake);
    }
}

impl<T: Send + 'static> JoinSet<T> {
    /// Returns a set without flows.
    pub fn new() -> JoinSet<T> {
        JoinSet {
            flows: HashMap::new(),
            next_id: 0,
            results: VecDeque::new(),
            ended: Arc::default(),
        }
    }

    /// Starts a flow as [`spawn`](crate::spawn()) does, and adds it. Never blocks. A flow that cannot be
    /// started has its error as its result.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F)
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.insert(spawn(future));
    }

    /// Adds a flow that runs already, or a job of [`run_blocking`](crate::run_blocking).
    ///
    /// ```
    /// use switchboard_runtime::{self as runtime, JoinSet, Model};
    ///
    /// let sum = Model::Tasks.run(async {
    ///     let mut set = JoinSet::new();
    ///     set.insert(runtime::run_blocking(|| 1));
    ///     set.insert(runtime::spawn_local(async { 2 }));
    ///     set.join_all().await.into_iter().map(Result::unwrap).sum::<i32>()
    /// })?;
    /// assert_eq!(sum, 3);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn insert(&mut self, mut handle: JoinHandle<T>) {
        let id = self.next_id;
        self.next_id += 1;
        let ended = self.ended.clone();
        let waker = Waker::from(Arc::new(FlowWaker { id, ended }));
        // Polled now, so that the flow's end is noted when it comes.
        match Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => {
                self.flows.insert(id, Flow { handle, waker });
            }
            Poll::Ready(result) => {
                self.results.push_back(result);
                let joining = self.ended.lock().1.take();
                joining.into_iter().for_each(Waker::wake);
            }
        }
    }

    /// Returns the number of flows that were not joined.
    pub fn len(&self) -> usize {
        self.flows.len() + self.results.len()
    }

    /// Returns whether every flow was joined.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until a flow ends and returns its result; `None` if the set is empty. Dropping the future
    /// loses no result.
    ///
    /// The result is an error if the flow panicked, was cancelled or could not be started.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|context| self.poll_join_next(context)).await
    }

    /// Polls for the next result, as [`join_next`](JoinSet::join_next) does.
    pub fn poll_join_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, JoinError>>> {
        loop {
            if let Some(result) = self.try_join_next() {
                return Poll::Ready(Some(result));
            }
            if self.flows.is_empty() {
                return Poll::Ready(None);
            }
            let mut ended = self.ended.lock();
            if !ended.0.is_empty() {
                continue;
            }
            let before = ended.1.replace(context.waker().clone());
            drop(ended);
            // The drop of a waker may run code that uses the set.
            drop(before);
            return Poll::Pending;
        }
    }

    /// Returns the result of a flow that has ended; `None` if there is none now. Never blocks.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        if let Some(result) = self.results.pop_front() {
            return Some(result);
        }
        loop {
            let id = self.ended.lock().0.pop_front()?;
            let Some(flow) = self.flows.get_mut(&id) else {
                continue;
            };
            let mut own = Context::from_waker(&flow.waker);
            if let Poll::Ready(result) = Pin::new(&mut flow.handle).poll(&mut own) {
                self.flows.remove(&id);
                return Some(result);
            }
        }
    }

    /// Waits for all flows and returns their results in the order in which they ended. Dropping the future
    /// cancels the flows.
    pub async fn join_all(mut self) -> Vec<Result<T, JoinError>> {
        let mut results = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            results.push(result);
        }
        results
    }

    /// Cancels all flows, as [`JoinHandle::cancel`] does. Never blocks. They stay in the set:
    /// [`join_next`](JoinSet::join_next) returns [`JoinError::Cancelled`] once each has dropped its future,
    /// and the result of one that had ended.
    ///
    /// ```
    /// use std::future::pending;
    /// use switchboard_runtime::{JoinError, JoinSet, Model};
    ///
    /// Model::Tasks.run(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(pending::<()>());
    ///     set.abort_all();
    ///     assert!(matches!(set.join_next().await, Some(Err(JoinError::Cancelled))));
    ///     assert!(set.join_next().await.is_none());
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn abort_all(&mut self) {
        for flow in self.flows.values_mut() {
            flow.handle.cancel();
        }
    }

    /// Cancels all flows and waits until each has dropped its future. Their results are dropped.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while let Some(result) = self.join_next().await {
            drop(result);
        }
    }

    /// Removes all flows from the set and leaves them running.
    pub fn detach_all(&mut self) {
        self.results.clear();
        self.flows.clear();
    }
}

impl<T: Send + 'static> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T: Send + 'static> Default for JoinSet<T> {
    fn default() -> JoinSet<T> {
        JoinSet::new()
    }
}

impl<T: Send + 'static> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinSet({} flows)", self.len())
    }
}
