//! Green threads: functions on stacks of their own, polled like any future.
//!
//! ```text
//!   poll ── switch ──► f … block_on(future): polled with the same context; pending?
//!     ▲                                        │
//!     └──────────────── switch ────────────────┘
//! ```
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::ptr::{NonNull, null};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::overflow;
use crate::stacks::Stack;

/// The context of the poll that is under way.
type Polled = NonNull<Context<'static>>;

/// What a green thread that runs knows of itself; on its own stack.
struct Running {
    yielder: *const Yielder<Polled, ()>,
    context: Cell<Polled>,
    number: u64,
    place: &'static Location<'static>,
}

thread_local! {
    /// The green thread that runs on this thread, or null.
    static CURRENT: Cell<*const Running> = const { Cell::new(null()) };
}

/// A function on a stack of its own, which ends with `T`.
///
/// It starts with the first poll. Dropped before its end, it is unwound, so that destructors run: they
/// may not wait any more. What it panics with goes to who polls it.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Green<'a, T> {
    coroutine: Coroutine<Polled, (), T, Stack>,
    /// What the function borrows.
    borrows: PhantomData<&'a ()>,
}

/// Functions that are larger than this are put in a box.
const LARGE: usize = 512;

impl<'a, T: 'a> Green<'a, T> {
    /// Takes a stack for `f`.
    ///
    /// # Errors
    /// `OutOfMemory`, with what to do about it.
    #[track_caller]
    pub fn new(f: impl FnOnce() -> T + 'a) -> io::Result<Green<'a, T>> {
        let place = Location::caller();
        match size_of_val(&f) > LARGE {
            // More than is handed over to a stack.
            true => {
                let f = Box::new(f);
                Green::at(place, f)
            }
            false => Green::at(place, f),
        }
    }

    fn at(
        place: &'static Location<'static>,
        f: impl FnOnce() -> T + 'a,
    ) -> io::Result<Green<'a, T>> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let body = move |yielder: &Yielder<Polled, ()>, context: Polled| {
            let running = Running {
                yielder,
                context: Cell::new(context),
                number,
                place,
            };
            CURRENT.set(&raw const running);
            let result = f();
            CURRENT.set(null());
            result
        };
        let stack = Stack::new()?;
        // SAFETY: what `body` borrows outlives `'a`, and with it this value. Whoever forgets it leaves the
        // stack where it is, and it never runs again.
        let coroutine = unsafe { Coroutine::with_stack_unchecked(stack, body) };
        Ok(Green {
            coroutine,
            borrows: PhantomData,
        })
    }
}

/// While it lives, no green thread runs on this thread, but for one that is switched to: a loop that runs
/// within a green thread does not put that one's stack aside.
#[derive(Debug)]
pub struct HideCurrent(*const Running);

impl HideCurrent {
    /// Hides the green thread that runs here.
    #[expect(clippy::new_without_default, reason = "it does something")]
    pub fn new() -> HideCurrent {
        HideCurrent(CURRENT.replace(null()))
    }
}

impl Drop for HideCurrent {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

// The function's stack stays where it is, whatever becomes of this value.
impl<T> Unpin for Green<'_, T> {}

impl<T> Future for Green<'_, T> {
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        overflow::prepare_thread();
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

thread_local! {
    /// How many green threads are unwound on this thread, one within another.
    static UNWINDING: Cell<u32> = const { Cell::new(0) };
}

struct Unwinding;

impl Unwinding {
    fn new() -> Unwinding {
        UNWINDING.set(UNWINDING.get() + 1);
        Unwinding
    }
}

impl Drop for Unwinding {
    fn drop(&mut self) {
        UNWINDING.set(UNWINDING.get() - 1);
    }
}

/// Whether a green thread is unwound here, as one that was cancelled: its destructors may not wait.
pub fn is_unwinding() -> bool {
    UNWINDING.get() > 0
}

/// Whether a green thread runs here, which may wait.
#[inline]
pub fn is_current() -> bool {
    !CURRENT.get().is_null()
}

/// The number of the green thread that runs, and where it was made. Called by a signal handler.
pub(crate) fn current() -> Option<(u64, &'static Location<'static>)> {
    let running = CURRENT.get();
    // SAFETY: it is on the stack of the green thread that runs.
    (!running.is_null()).then(|| unsafe { ((*running).number, (*running).place) })
}

/// No green thread runs here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotGreen;

impl fmt::Display for NotGreen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("no green thread runs here, or one that is being unwound: it can't wait")
    }
}

impl std::error::Error for NotGreen {}

/// Waits for `future`; its stack is put aside meanwhile, and the thread goes on with others.
///
/// # Errors
/// [`NotGreen`], and the future is dropped.
#[inline]
pub fn block_on<F: Future>(future: F) -> Result<F::Output, NotGreen> {
    let current = CURRENT.get();
    if current.is_null() {
        return Err(NotGreen);
    }
    let mut future = pin!(future);
    loop {
        // SAFETY: it is on this very stack, further up. The context is that of the poll by which the
        // stack runs, which does not end before the switch.
        let polled = unsafe {
            let context = (*current).context.get().as_mut();
            future.as_mut().poll(context)
        };
        if let Poll::Ready(output) = polled {
            return Ok(output);
        }
        // SAFETY: as above; the yielder lives as long as its stack runs.
        unsafe {
            let context = (*(*current).yielder).suspend(());
            (*current).context.set(context);
        }
        CURRENT.set(current);
    }
}
