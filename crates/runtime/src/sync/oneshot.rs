//! A channel for one message.
//!
//! ```
//! use switchboard_runtime::{self as runtime, Model, sync::oneshot};
//!
//! let answer = Model::Tasks.run(async {
//!     let (sender, receiver) = oneshot::channel();
//!     runtime::spawn(async move { sender.send(42) }).detach();
//!     receiver.await
//! })?;
//! assert_eq!(answer, Ok(42));
//! # std::io::Result::Ok(())
//! ```

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Returns the two ends of a channel for one message.
///
/// ```
/// use switchboard_runtime::sync::oneshot;
///
/// let (sender, mut receiver) = oneshot::channel();
/// sender.send(7).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(7));
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared(Mutex::new(State {
        message: None,
        sender_dropped: false,
        receiver_closed: false,
        receiving: None,
        closing: None,
    })));
    (Sender(Some(shared.clone())), Receiver(shared))
}

struct Shared<T>(Mutex<State<T>>);

struct State<T> {
    message: Option<T>,
    /// Whether no message will come; also set by a send.
    sender_dropped: bool,
    receiver_closed: bool,
    receiving: Option<Waker>,
    closing: Option<Waker>,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that sends. Dropping it without a message ends the wait of the receiver.
///
/// ```
/// use switchboard_runtime::{Model, sync::oneshot};
///
/// let (sender, receiver): (oneshot::Sender<u32>, _) = oneshot::channel();
/// drop(sender);
/// assert_eq!(Model::Threads.run(receiver)?, Err(oneshot::RecvError));
/// # std::io::Result::Ok(())
/// ```
pub struct Sender<T>(Option<Arc<Shared<T>>>);

impl<T> Sender<T> {
    /// Sends the message and wakes the receiver. Never blocks.
    ///
    /// # Errors
    /// The message, if the receiver was dropped or closed.
    pub fn send(mut self, message: T) -> Result<(), T> {
        let Some(shared) = self.0.take() else {
            return Err(message);
        };
        let mut state = shared.lock();
        if state.receiver_closed {
            return Err(message);
        }
        state.message = Some(message);
        state.sender_dropped = true;
        let receiving = state.receiving.take();
        drop(state);
        receiving.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Returns whether the receiver was dropped or closed, so that a send fails.
    pub fn is_closed(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|shared| shared.lock().receiver_closed)
    }

    /// Waits until the receiver is dropped or closed, as when nobody wants the answer any more. Dropping the
    /// future ends the wait.
    ///
    /// ```
    /// use switchboard_runtime::{self as runtime, Model, race, sync::oneshot};
    ///
    /// // The work ends early if nobody waits for its answer.
    /// async fn work(mut answer: oneshot::Sender<u32>) -> &'static str {
    ///     let computed = async {
    ///         std::future::pending::<()>().await;
    ///         "done"
    ///     };
    ///     let unwanted = async {
    ///         answer.closed().await;
    ///         "unwanted"
    ///     };
    ///     race(computed, unwanted).await
    /// }
    ///
    /// let (sender, receiver) = oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(Model::Tasks.run(work(sender))?, "unwanted");
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn closed(&mut self) {
        poll_fn(|context| {
            let Some(shared) = &self.0 else {
                return Poll::Ready(());
            };
            let mut state = shared.lock();
            if state.receiver_closed {
                return Poll::Ready(());
            }
            let before = state.closing.replace(context.waker().clone());
            drop(state);
            drop(before);
            Poll::Pending
        })
        .await;
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            let mut state = shared.lock();
            state.sender_dropped = true;
            let receiving = state.receiving.take();
            drop(state);
            receiving.into_iter().for_each(Waker::wake);
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("oneshot::Sender")
    }
}

/// The end that receives: a future of the message. Polled by reference, as in `(&mut receiver).await`, it may
/// lose a race and be awaited again.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Model, sync::oneshot};
///
/// let (sender, mut receiver): (_, oneshot::Receiver<u32>) = oneshot::channel();
/// let answer = Model::Tasks.run(async {
///     let late = runtime::timeout(Duration::from_millis(1), &mut receiver).await;
///     assert!(late.is_err());
///     sender.send(7).unwrap();
///     receiver.await
/// })?;
/// assert_eq!(answer, Ok(7));
/// # std::io::Result::Ok(())
/// ```
#[must_use = "a future does nothing unless it is awaited"]
pub struct Receiver<T>(Arc<Shared<T>>);

impl<T> Receiver<T> {
    /// Returns the message if it was sent. Never blocks.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] while the sender may still send, [`TryRecvError::Closed`] once it cannot, and
    /// after the message was taken.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut state = self.0.lock();
        match state.message.take() {
            Some(message) => Ok(message),
            None if state.sender_dropped || state.receiver_closed => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Refuses a message that was not sent yet. One that was sent can still be received.
    pub fn close(&mut self) {
        let mut state = self.0.lock();
        state.receiver_closed = true;
        let closing = state.closing.take();
        drop(state);
        closing.into_iter().for_each(Waker::wake);
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        if let Some(message) = state.message.take() {
            return Poll::Ready(Ok(message));
        }
        if state.sender_dropped || state.receiver_closed {
            return Poll::Ready(Err(RecvError));
        }
        let before = state.receiving.replace(context.waker().clone());
        drop(state);
        // The drop of a waker may run code that uses the channel.
        drop(before);
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.close();
        let message = self.0.lock().message.take();
        drop(message);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("oneshot::Receiver")
    }
}

/// The error of a [`Receiver`] whose message will not come, or was taken before.
///
/// ```
/// use switchboard_runtime::sync::oneshot::RecvError;
///
/// assert_eq!(RecvError.to_string(), "the sender was dropped without a message");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender was dropped without a message")
    }
}

impl std::error::Error for RecvError {}

/// The reason why [`Receiver::try_recv`] has no message.
///
/// ```
/// use switchboard_runtime::sync::oneshot::{self, TryRecvError};
///
/// let (sender, mut receiver) = oneshot::channel::<u32>();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// The message was not sent yet.
    Empty,
    /// The message will not come, or was taken before.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryRecvError::Empty => f.write_str("the message was not sent yet"),
            TryRecvError::Closed => RecvError.fmt(f),
        }
    }
}

impl std::error::Error for TryRecvError {}
