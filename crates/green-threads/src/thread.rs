//! [`Green`], the future that runs a function on its own stack, and [`block_on`], which suspends that
//! stack. The crate's page has the picture.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::current::{self, HideCurrent, Polled, Running, Unwinding};
use crate::overflow;
use crate::stacks::Stack;

/// A green thread: a future that runs a function on a stack of its own and completes with its result.
///
/// The first poll starts the function. A panic of the function reaches whoever polls. Dropping an
/// unfinished green thread unwinds its stack, so its destructors run; they cannot wait any more.
///
/// ```
/// use futures_lite::future::{block_on, yield_now};
/// use switchboard_green_threads::{self as green, Green};
///
/// let thread = Green::new(|| {
///     green::block_on(yield_now()).unwrap();
///     42
/// })?;
/// assert_eq!(block_on(thread), 42);
/// # std::io::Result::Ok(())
/// ```
#[must_use = "a future does nothing unless it is awaited"]
pub struct Green<'a, T> {
    coroutine: Coroutine<Polled, (), T, Stack>,
    /// The lifetime of what the function borrows.
    borrows: PhantomData<&'a ()>,
}

/// Functions with more bytes of captures than this are boxed, so that they do not fill the stack's
/// first page.
const MAX_INLINE: usize = 512;

impl<'a, T: 'a> Green<'a, T> {
    /// Takes a stack for `f`, which starts with the first poll.
    ///
    /// # Errors
    /// `OutOfMemory` if there is no memory or mapping left for a stack; the text says what to change.
    /// On the first call, also the system's error of installing the signal handler for overflows.
    #[track_caller]
    pub fn new(f: impl FnOnce() -> T + 'a) -> io::Result<Green<'a, T>> {
        let created_at = Location::caller();
        match size_of_val(&f) > MAX_INLINE {
            true => {
                let f = Box::new(f);
                Green::with_location(created_at, f)
            }
            false => Green::with_location(created_at, f),
        }
    }

    fn with_location(
        created_at: &'static Location<'static>,
        f: impl FnOnce() -> T + 'a,
    ) -> io::Result<Green<'a, T>> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        // A green thread never leaves this thread, so one preparation here covers every poll.
        overflow::prepare_thread()?;
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let body = move |yielder: &Yielder<Polled, ()>, context: Polled| {
            let running = Running {
                yielder,
                context: Cell::new(context),
                resumed: Cell::new(0),
                number,
                created_at,
            };
            // The poll that resumed this stack restores the value when the function ends.
            current::set(&raw const running);
            f()
        };
        let stack = Stack::new()?;
        // SAFETY: what `body` borrows outlives `'a`, and so outlives this value. If this value is
        // forgotten, its stack stays allocated and never runs again.
        let coroutine = unsafe { Coroutine::with_stack_unchecked(stack, body) };
        Ok(Green {
            coroutine,
            borrows: PhantomData,
        })
    }
}

// The stack does not move when this value does.
impl<T> Unpin for Green<'_, T> {}

impl<T> Future for Green<'_, T> {
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let _hidden = HideCurrent::new();
        match self.coroutine.resume(NonNull::from_mut(context).cast()) {
            CoroutineResult::Yield(()) => Poll::Pending,
            CoroutineResult::Return(result) => Poll::Ready(result),
        }
    }
}

impl<T> Drop for Green<'_, T> {
    fn drop(&mut self) {
        let _hidden = HideCurrent::new();
        if self.coroutine.started() && !self.coroutine.done() {
            let _unwinding = Unwinding::new();
            self.coroutine.force_unwind();
        }
    }
}

impl<T> fmt::Debug for Green<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Green")
    }
}

/// The error of [`block_on`]: no green thread runs here, or the one that does is being unwound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotGreen;

impl fmt::Display for NotGreen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("no green thread runs here, or one that is being unwound: it can't wait")
    }
}

impl std::error::Error for NotGreen {}

/// Waits for `future`: suspends the stack of the running green thread until `future` completes, while
/// the thread runs other work.
///
/// A green thread that is cancelled while it waits is unwound from here.
///
/// # Errors
/// [`NotGreen`] outside a green thread and while one is unwound. The future is then dropped unpolled.
#[inline]
pub fn block_on<F: Future>(future: F) -> Result<F::Output, NotGreen> {
    let running = current::get();
    if running.is_null() {
        return Err(NotGreen);
    }
    let mut future = pin!(future);
    // SAFETY: `running` lies further up on the stack that runs this call. Its context is that of the poll
    // which resumed the stack last; that poll does not return before the next switch, and there is none
    // while the waker is cloned.
    let newest = || unsafe {
        let waker = (*running).context.get().as_ref().waker().clone();
        (waker, (*running).resumed.get())
    };
    // The future gets a waker that lies on this stack: where plain code within its poll waits, the poll
    // that resumed the stack returns, and what that one has lent is gone when the code goes on.
    loop {
        let (waker, before) = newest();
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(output) = polled {
            return Ok(output);
        }
        // After such a wait the future may not have the waker of the poll that runs now.
        // SAFETY: as above.
        if unsafe { (*running).resumed.get() } != before {
            continue;
        }
        // SAFETY: as above, and the yielder lives as long as its stack runs.
        unsafe {
            let context = (*(*running).yielder).suspend(());
            (*running).context.set(context);
            (*running).resumed.update(|count| count + 1);
        }
        // Other green threads ran on this thread meanwhile.
        current::set(running);
    }
}
