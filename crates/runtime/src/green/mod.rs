//! Plain code that waits: functions over `std::io::{Read, Write}` instead of futures.
//!
//! In a green thread a wait suspends the stack and the loop continues; in a thread it blocks the thread.
//! So one function serves both. [`set_stack_size`] sets how large the stacks are.
//!
//! ```text
//!   block_on ─┬─ in a green thread:  the stack is suspended, the loop continues
//!             ├─ in a thread:        the thread blocks
//!             └─ in a task:          refused, because it would block the loop
//! ```

mod pool;

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use switchboard_green_threads as green;

pub use switchboard_green_threads::{
    Green, NotGreen, Stats, is_current, is_unwinding, set_stack_size, stats,
};

pub use self::pool::Pool;
use crate::blocking;
use crate::model::{Model, Need, Refusal};
use crate::spawn::join::{JoinError, JoinHandle};
use crate::spawn::{launch, on_loop};

/// Returns whether a wait in plain code suspends a green thread here. Within a blocking flow that runs on
/// a green thread's stack, it does not.
pub(crate) fn can_suspend() -> bool {
    green::is_current() && !blocking::is_blocking()
}

/// Checks that `operation` may block this thread; it may not where that would block a loop.
///
/// # Errors
/// The refusal, on a thread whose flows run on a loop, and while a green thread is unwound.
pub(crate) fn check_may_block(operation: &'static str) -> Result<(), Refusal> {
    match blocking::current_loop() {
        None if !green::is_unwinding() => Ok(()),
        _ => Err(Need::PlainWait(operation).refuse(Model::current().unwrap_or(Model::Tasks))),
    }
}

/// Waits for `future` in plain code: suspends the green thread, or blocks the thread.
///
/// So a plain function can wait for whatever a flow can: `block_on(receiver.recv())`,
/// `block_on(event.wait())`, `block_on(timeout(limit, stream.recv()))`.
///
/// If the green thread is cancelled, this call unwinds its stack. A thread is not interrupted.
///
/// # Errors
/// The refusal in a task, and in a destructor while a green thread is unwound, because the loop would
/// block; the future is dropped.
///
/// ```
/// use switchboard_runtime::{self as runtime, Model, green};
///
/// // A plain function, for green threads and for threads.
/// fn double(numbers: runtime::Receiver<u32>, doubled: runtime::Sender<u32>) -> std::io::Result<()> {
///     while let Ok(number) = green::block_on(numbers.recv())? {
///         let _ = green::block_on(doubled.send(number * 2))?;
///     }
///     Ok(())
/// }
///
/// for model in [Model::Green, Model::Threads] {
///     let last = model.run(async {
///         let ((numbers, numbers_end), (doubled_end, doubled)) =
///             (runtime::channel(1), runtime::channel(1));
///         let doubling = green::spawn(move || double(numbers_end, doubled_end));
///         numbers.send(21).await.unwrap();
///         drop(numbers);
///         doubling.await.unwrap().unwrap();
///         doubled.recv().await
///     })?;
///     assert_eq!(last, Ok(42));
/// }
/// # std::io::Result::Ok(())
/// ```
#[inline]
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Refusal> {
    if !can_suspend() {
        return block_thread(future);
    }
    match green::block_on(future) {
        Ok(output) => Ok(output),
        Err(_) => unreachable!("a green thread runs here"),
    }
}

/// Blocks the thread until `future` completes.
// Not inlined, so that `block_on` is small enough to be inlined. Each waiting function then has a switch
// of stacks of its own, and the processor predicts where it returns to.
#[inline(never)]
fn block_thread<F: Future>(future: F) -> Result<F::Output, Refusal> {
    check_may_block("wait in plain code")?;
    let model = Model::current().unwrap_or(Model::Threads);
    Ok(blocking::run(model, future))
}

/// Waits as [`block_on`] does until `duration` has passed.
///
/// # Errors
/// Those of [`block_on`].
///
/// ```
/// use std::time::{Duration, Instant};
/// use switchboard_runtime::{Model, green};
///
/// let begin = Instant::now();
/// Model::Threads.run(async { green::sleep(Duration::from_millis(1)) })??;
/// assert!(begin.elapsed() >= Duration::from_millis(1));
/// # std::io::Result::Ok(())
/// ```
pub fn sleep(duration: Duration) -> Result<(), Refusal> {
    block_on(crate::sleep(duration))
}

/// Starts a plain function as a flow beside this one: in a green thread where a loop runs, in a thread
/// elsewhere.
///
/// A task, which may not wait in plain code itself, uses it to call a plain function that waits.
///
/// Never blocks. The handle returns what goes wrong, as with [`spawn`](crate::spawn). Cancelling the
/// handle unwinds a green thread, so that destructors run; a thread runs the function to its end.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{Model, green};
///
/// let answer = Model::Tasks.run(async {
///     green::spawn(|| green::sleep(Duration::from_millis(1)).map(|()| 42)).await
/// })?;
/// assert_eq!(answer.unwrap(), Ok(42));
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let name = Location::caller();
    let Some(lp) = blocking::current_loop() else {
        return launch(name, move || async move { f() });
    };
    match Green::new(f) {
        Ok(green) => on_loop(&lp, name, green),
        Err(error) => JoinHandle::failed(JoinError::Thread(error)),
    }
}

impl<T> JoinHandle<T> {
    /// Waits for the flow's result in plain code, as [`block_on`](crate::green::block_on) does.
    ///
    /// # Errors
    /// Those of the flow; [`JoinError::Refused`] in a task.
    pub fn join(self) -> Result<T, JoinError> {
        block_on(self).unwrap_or_else(|refusal| Err(JoinError::Refused(refusal)))
    }
}

/// Waits in plain code for all flows, and returns their results in the order of the handles.
///
/// ```
/// use switchboard_runtime::{Model, green};
///
/// let squares = Model::Green.run(async {
///     green::joinall((1..=3).map(|n| green::spawn(move || n * n)))
/// })?;
/// let squares: Result<Vec<_>, _> = squares.into_iter().collect();
/// assert_eq!(squares.unwrap(), [1, 4, 9]);
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "gather")]
pub fn joinall<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<Result<T, JoinError>> {
    // Collected first, so that an iterator that spawns starts every flow before the first wait.
    let handles: Vec<_> = handles.into_iter().collect();
    handles.into_iter().map(JoinHandle::join).collect()
}
