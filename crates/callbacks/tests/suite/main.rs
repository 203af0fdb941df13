//! Protocols, dispatchers and chats, over every driver.

mod chat;
mod dispatcher;
mod protocol;
mod trouble;

use std::cell::RefCell;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use switchboard_net::Stream;

/// A stream, and its peer outside of any loop.
pub(crate) fn pair() -> (Stream, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    (here.into(), there)
}

pub(crate) fn rest(mut peer: impl Read) -> Vec<u8> {
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap();
    rest
}

/// The calls, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

/// Stamps cases over all drivers: a module for each, a test for each case.
macro_rules! stamp {
    ($($case:ident)*) => {
        crate::stamp!(@ select Select $($case)*);
        crate::stamp!(@ poll Poll $($case)*);
        crate::stamp!(@ epoll Epoll $($case)*);
        crate::stamp!(@ uring Uring $($case)*);
        crate::stamp!(@ portable Portable $($case)*);
        crate::stamp!(@ sim Sim $($case)*);
    };
    (@ $name:ident $driver:ident $($case:ident)*) => {
        mod $name {
            use switchboard_runtime::Driver;
            $(
                #[test]
                fn $case() {
                    super::$case(Driver::$driver);
                }
            )*
        }
    };
}
pub(crate) use stamp;
