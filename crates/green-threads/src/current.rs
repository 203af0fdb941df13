//! The green thread that runs on this thread now.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::panic::Location;
use std::ptr::{NonNull, null};
use std::task::Context;

use corosensei::Yielder;

/// The context of the poll that resumed a stack.
pub(crate) type Polled = NonNull<Context<'static>>;

/// The state of a running green thread, which lies on its own stack.
pub(crate) struct Running {
    pub(crate) yielder: *const Yielder<Polled, ()>,
    pub(crate) context: Cell<Polled>,
    /// How often the stack was resumed.
    pub(crate) resumed: Cell<u64>,
    pub(crate) number: u64,
    /// Where the program created the green thread.
    pub(crate) created_at: &'static Location<'static>,
}

thread_local! {
    /// The green thread that runs on this thread, or null.
    static CURRENT: Cell<*const Running> = const { Cell::new(null()) };
}

/// The running green thread, or null.
#[inline]
pub(crate) fn get() -> *const Running {
    CURRENT.get()
}

/// Makes `running` the current green thread until [`HideCurrent`] restores the one before.
#[inline]
pub(crate) fn set(running: *const Running) {
    CURRENT.set(running);
}

/// Returns whether a green thread runs here, so that [`block_on`](crate::block_on) can suspend it.
#[inline]
pub fn is_current() -> bool {
    !CURRENT.get().is_null()
}

/// The number of the running green thread, and where it was created. Safe in a signal handler.
pub(crate) fn name() -> Option<(u64, &'static Location<'static>)> {
    let running = CURRENT.get();
    // SAFETY: `Running` lies on the stack that runs now, below the frame of this call.
    (!running.is_null()).then(|| unsafe { ((*running).number, (*running).created_at) })
}

/// Runs `f` while the green thread that runs here, if one does, is hidden.
///
/// An event loop that runs inside a green thread is run so: code on that loop must not suspend the stack on
/// which the loop itself runs. Green threads that the loop resumes are current as usual.
///
/// ```
/// use futures_lite::future::block_on;
/// use switchboard_green_threads::{self as green, Green};
///
/// let thread = Green::new(|| (green::hide_current(green::is_current), green::is_current()))?;
/// assert_eq!(block_on(thread), (false, true));
/// # std::io::Result::Ok(())
/// ```
pub fn hide_current<T>(f: impl FnOnce() -> T) -> T {
    let _hidden = HideCurrent::new();
    f()
}

/// A guard that hides the running green thread until it is dropped. It must be dropped on the stack on which it was
/// made: it makes the green thread of that stack current again.
pub(crate) struct HideCurrent(*const Running);

impl HideCurrent {
    /// Hides the green thread that runs here, if one does.
    #[inline]
    pub(crate) fn new() -> HideCurrent {
        HideCurrent(CURRENT.replace(null()))
    }
}

impl Drop for HideCurrent {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

thread_local! {
    /// How many green threads are being unwound on this thread, one within another.
    static UNWINDING: Cell<u32> = const { Cell::new(0) };
}

/// A guard for the time in which a cancelled green thread is unwound.
pub(crate) struct Unwinding;

impl Unwinding {
    pub(crate) fn new() -> Unwinding {
        UNWINDING.set(UNWINDING.get() + 1);
        Unwinding
    }
}

impl Drop for Unwinding {
    fn drop(&mut self) {
        UNWINDING.set(UNWINDING.get() - 1);
    }
}

/// Returns whether a cancelled green thread is being unwound here. Its destructors must not wait.
pub fn is_unwinding() -> bool {
    UNWINDING.get() > 0
}
