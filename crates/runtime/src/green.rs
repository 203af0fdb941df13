//! Plain code that waits: functions over `std::io::{Read, Write}` instead of futures.
//!
//! In a green thread a wait suspends the stack and the loop goes on; in a thread it blocks the thread. So
//! one function serves both. [`set_stack_size`] sets how large the stacks are.
//!
//! ```text
//!   block_on ─┬─ in a green thread:  the stack is suspended, the loop goes on
//!             ├─ in a thread:        the thread blocks
//!             └─ in a task:          refused, because it would block the loop
//! ```

use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::{Event as Bell, IntoNotification};
use switchboard_green_threads as green;

pub use switchboard_green_threads::{Green, NotGreen, Stats, is_current, set_stack_size, stats};

use crate::blocking;
use crate::model::{Model, Need, Refusal};
use crate::spawn::join::{JoinError, JoinHandle};
use crate::spawn::{launch, on_loop};

/// Returns whether a wait in plain code suspends a green thread here; not within a blocking flow that
/// runs on the green thread's stack.
pub(crate) fn can_suspend() -> bool {
    green::is_current() && !blocking::is_blocking()
}

/// Checks that `operation` may block this thread; it may not where that would hold a loop.
///
/// # Errors
/// The refusal, on a thread whose flows run on a loop and while a green thread is unwound.
pub(crate) fn check_may_block(operation: &'static str) -> Result<(), Refusal> {
    match blocking::current_loop() {
        None if !green::is_unwinding() => Ok(()),
        _ => Err(Need::PlainWait(operation).refuse(Model::current().unwrap_or(Model::Tasks))),
    }
}

/// Waits for `future` in plain code: puts the green thread aside, or blocks the thread.
///
/// With it, whatever a flow can wait for a function can: `block_on(receiver.recv())`,
/// `block_on(event.wait())`, `block_on(timeout(limit, stream.recv()))`.
///
/// A green thread that is cancelled is unwound from here. A thread is not interrupted.
///
/// # Errors
/// In a task, and in a destructor while a green thread is unwound: the loop would wait. The future is
/// dropped then.
///
/// ```
/// use switchboard_runtime::{self as runtime, Model, green};
///
/// // No `async` in it, and it runs on stacks and in threads.
/// fn double(numbers: runtime::Receiver<u32>, doubled: runtime::Sender<u32>) -> std::io::Result<()> {
///     while let Ok(number) = green::block_on(numbers.recv())? {
///         let _ = green::block_on(doubled.send(number * 2))?;
///     }
///     Ok(())
/// }
///
/// for model in [Model::Green, Model::Threads] {
///     let last = model.run(async {
///         let ((ask, asked), (answer, answers)) = (runtime::channel(1), runtime::channel(1));
///         let doubling = green::spawn(move || double(asked, answer));
///         ask.send(21).await.unwrap();
///         drop(ask);
///         doubling.await.unwrap().unwrap();
///         answers.recv().await
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

/// Apart, so that the switch of stacks has its place in who waits: a processor that is to return from where
/// it did not come from has guessed wrong.
#[inline(never)]
fn block_thread<F: Future>(future: F) -> Result<F::Output, Refusal> {
    check_may_block("wait in plain code")?;
    let model = Model::current().unwrap_or(Model::Threads);
    Ok(blocking::run(model, future))
}

/// Waits until `duration` has passed, as [`block_on`].
///
/// # Errors
/// As [`block_on`].
pub fn sleep(duration: Duration) -> Result<(), Refusal> {
    block_on(crate::sleep(duration))
}

/// Starts a function beside this one: a green thread where a loop runs, a thread elsewhere.
///
/// In a task too: there it is how plain code is called that waits.
///
/// Never blocks. What goes wrong is the handle's to tell, as for [`spawn`](crate::spawn). Cancelled, a
/// green thread is unwound, so that destructors run; a thread runs on to the function's end.
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
    /// Waits in plain code for the flow's result, as [`block_on`].
    ///
    /// # Errors
    /// The flow's; [`JoinError::Refused`] in a task.
    pub fn join(self) -> Result<T, JoinError> {
        block_on(self).unwrap_or_else(|refusal| Err(JoinError::Refused(refusal)))
    }
}

/// Waits in plain code for all flows, and gives their results in the order of the handles.
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
    // All are started before the first is waited for.
    let handles: Vec<_> = handles.into_iter().collect();
    handles.into_iter().map(JoinHandle::join).collect()
}

/// At most so many functions at a time. A clone is the same pool.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{Model, green};
///
/// let most = Model::Green.run(async {
///     let pool = green::Pool::new(2);
///     let counts: Vec<_> = (0..6)
///         .map(|_| {
///             let own = pool.clone();
///             pool.spawn(move || {
///                 green::sleep(Duration::from_millis(1))?;
///                 std::io::Result::Ok(own.busy())
///             })
///         })
///         .collect();
///     pool.join()?;
///     let counts = green::joinall(counts).into_iter().map(|count| count.unwrap().unwrap());
///     std::io::Result::Ok(counts.max())
/// })??;
/// assert_eq!(most, Some(2));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Pool(Arc<Places>);

#[derive(Debug)]
struct Places {
    size: usize,
    busy: Mutex<usize>,
    freed: Bell,
    emptied: Bell,
}

impl Pool {
    /// Room for `size` functions at a time, and for one at least.
    pub fn new(size: usize) -> Pool {
        Pool(Arc::new(Places {
            size: size.max(1),
            busy: Mutex::new(0),
            freed: Bell::new(),
            emptied: Bell::new(),
        }))
    }

    /// Waits for a place, as [`block_on`], and starts `f` in it, as [`spawn`]. Of several who wait, whoever
    /// looks first has it.
    #[track_caller]
    pub fn spawn<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        match block_on(self.0.clone().take()) {
            Ok(place) => spawn(move || {
                let _place = place;
                f()
            }),
            Err(refusal) => JoinHandle::failed(JoinError::Refused(refusal)),
        }
    }

    /// Waits, as [`block_on`], until nothing runs in it.
    ///
    /// # Errors
    /// As [`block_on`].
    pub fn join(&self) -> Result<(), Refusal> {
        block_on(until(&self.0.emptied, || *self.0.lock() == 0))
    }

    /// How many places there are.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// In how many of them something runs.
    pub fn busy(&self) -> usize {
        *self.0.lock()
    }
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(self: Arc<Places>) -> Place {
        let free = || {
            let mut busy = self.lock();
            let free = *busy < self.size;
            *busy += usize::from(free);
            free
        };
        until(&self.freed, free).await;
        Place(self)
    }
}

/// Waits for `done`, which may become true whenever `bell` rings.
async fn until(bell: &Bell, mut done: impl FnMut() -> bool) {
    while !done() {
        let rung = bell.listen();
        // Between the two nobody would have heard it.
        if done() {
            return;
        }
        rung.await;
    }
}

/// A place that is taken.
struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut busy = self.0.lock();
        *busy -= 1;
        let empty = *busy == 0;
        drop(busy);
        self.0.freed.notify(1.additional());
        if empty {
            self.0.emptied.notify(usize::MAX);
        }
    }
}
