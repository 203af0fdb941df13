//! Failures that nobody took.

use std::cell::RefCell;
use std::fmt::Debug;
use std::io::{self, Write};
use std::panic::Location;
use std::rc::Rc;

/// Who is told of a failure that nobody took: the error, and where its Deferred was made.
pub type Unhandled = Rc<dyn Fn(&dyn Debug, &'static Location<'static>)>;

thread_local! {
    static HOOK: RefCell<Unhandled> = RefCell::new(Rc::new(print));
}

fn print(error: &dyn Debug, made: &'static Location<'static>) {
    // With no stderr there is nobody to tell.
    drop(writeln!(
        io::stderr(),
        "unhandled failure in the Deferred made at {made}: {error:?}"
    ));
}

/// Sets who is told, on this thread, of each failure that is dropped with no errback having taken
/// it; gives back who was. At first that is a line on stderr.
///
/// The hook is called while something is dropped, so it had better not panic. A failure that
/// follows from a [`cancel`](crate::Deferred::cancel) is not told, since somebody asked for it.
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
/// use switchboard_callbacks::{Deferred, set_unhandled};
///
/// let seen = Rc::new(RefCell::new(Vec::new()));
/// let told = seen.clone();
/// set_unhandled(move |error, _| told.borrow_mut().push(format!("{error:?}")));
/// drop(Deferred::<(), _>::fail("oh".to_owned()));
/// assert_eq!(*seen.borrow(), ["\"oh\""]);
/// ```
pub fn set_unhandled(hook: impl Fn(&dyn Debug, &'static Location<'static>) + 'static) -> Unhandled {
    HOOK.replace(Rc::new(hook))
}

pub(crate) fn report(error: &dyn Debug, made: &'static Location<'static>) {
    match HOOK.try_with(|hook| hook.borrow().clone()) {
        Ok(hook) => hook(error, made),
        // The thread ends, and its hook is gone before this Deferred.
        Err(_) => print(error, made),
    }
}
