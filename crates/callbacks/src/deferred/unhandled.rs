//! The report of failures that no errback has taken.

use std::cell::RefCell;
use std::fmt::Debug;
use std::io::{self, Write};
use std::panic::Location;
use std::rc::Rc;

/// A function that gets each unhandled failure: the error, and where its Deferred was created.
pub type Unhandled = Rc<dyn Fn(&dyn Debug, &'static Location<'static>)>;

thread_local! {
    static HOOK: RefCell<Unhandled> = RefCell::new(Rc::new(print));
}

fn print(error: &dyn Debug, created_at: &'static Location<'static>) {
    // Without stderr the report is lost.
    drop(writeln!(
        io::stderr(),
        "unhandled failure in the Deferred made at {created_at}: {error:?}"
    ));
}

/// Sets the function that this thread calls for each failure that is dropped before an errback has taken it,
/// and returns the previous one. The default writes a line to stderr.
///
/// The function is called while a value is dropped, and must not panic. A failure that follows from a
/// [`cancel`](crate::Deferred::cancel) is not reported.
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
/// use switchboard_callbacks::{Deferred, set_unhandled};
///
/// let seen = Rc::new(RefCell::new(Vec::new()));
/// let reports = seen.clone();
/// set_unhandled(move |error, _| reports.borrow_mut().push(format!("{error:?}")));
/// drop(Deferred::<(), _>::fail("oh".to_owned()));
/// assert_eq!(*seen.borrow(), ["\"oh\""]);
/// ```
pub fn set_unhandled(hook: impl Fn(&dyn Debug, &'static Location<'static>) + 'static) -> Unhandled {
    HOOK.replace(Rc::new(hook))
}

pub(crate) fn report(error: &dyn Debug, created_at: &'static Location<'static>) {
    match HOOK.try_with(|hook| hook.borrow().clone()) {
        Ok(hook) => hook(error, created_at),
        // The thread ends, and its hook was dropped before this Deferred.
        Err(_) => print(error, created_at),
    }
}
