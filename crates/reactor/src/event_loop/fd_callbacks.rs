//! Callbacks of descriptors, for readable, writable and out-of-band data.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::rc::Rc;

use switchboard_driver::Ready;

use crate::event_loop::Loop;
use crate::event_loop::registry::{CallbackKey, Direction, FdCallback, gone};
use crate::event_loop::sockets::Sockets;

/// Callbacks of descriptors. They are level-triggered: a callback runs in every turn in which its descriptor
/// is ready, until the callback is removed. The descriptor must stay open until then. A turn that a callback runs itself
/// passes it over, and does not wait while its descriptor is ready.
///
/// Each direction of a descriptor has its own callback and registration. The second and third direction
/// are registered with the driver by a duplicate of the descriptor, which is closed with its registration.
impl Loop {
    /// Runs `f` whenever `fd` is readable, at the end of its input or has an error. A second reader of one
    /// descriptor replaces the first.
    ///
    /// # Errors
    /// Those of [`Poller::register`](switchboard_driver::Poller::register).
    ///
    /// ```
    /// use std::{io::{Read, Write}, os::unix::net::UnixStream};
    /// use switchboard_reactor::{Driver, Loop};
    ///
    /// let (mut here, mut there) = UnixStream::pair()?;
    /// let lp = Loop::new(Driver::best())?;
    /// let watched = there.try_clone()?;
    /// let stop = lp.clone();
    /// let reader = lp.add_reader(&watched, move |_ready| {
    ///     let mut line = [0; 5];
    ///     there.read_exact(&mut line).unwrap();
    ///     assert_eq!(&line, b"hello");
    ///     stop.stop();
    /// })?;
    /// here.write_all(b"hello")?;
    /// lp.run_forever()?;
    /// lp.remove(reader)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn add_reader(
        &self,
        fd: impl AsFd,
        f: impl FnMut(Ready) + 'static,
    ) -> io::Result<CallbackKey> {
        self.add(fd.as_fd(), Direction::Read, Rc::new(RefCell::new(f)))
    }

    /// Runs `f` whenever `fd` is writable or has an error.
    ///
    /// # Errors
    /// Those of [`Poller::register`](switchboard_driver::Poller::register).
    #[track_caller]
    pub fn add_writer(
        &self,
        fd: impl AsFd,
        f: impl FnMut(Ready) + 'static,
    ) -> io::Result<CallbackKey> {
        self.add(fd.as_fd(), Direction::Write, Rc::new(RefCell::new(f)))
    }

    /// Runs `f` whenever `fd` has out-of-band data or an error.
    ///
    /// # Errors
    /// Those of [`Poller::register`](switchboard_driver::Poller::register).
    #[track_caller]
    pub fn add_priority(
        &self,
        fd: impl AsFd,
        f: impl FnMut(Ready) + 'static,
    ) -> io::Result<CallbackKey> {
        self.add(fd.as_fd(), Direction::Priority, Rc::new(RefCell::new(f)))
    }

    #[track_caller]
    fn add(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        f: FdCallback,
    ) -> io::Result<CallbackKey> {
        let name = Location::caller();
        let mut poller = self.0.poller.borrow_mut();
        let mut registry = self.0.registry.borrow_mut();
        let (added, old) = registry.set_callback(fd, direction, (f, name), &mut **poller);
        // Dropped after the borrows end, because the destructor of the old callback may use the loop.
        drop((registry, poller));
        drop(old);
        added
    }

    /// Removes a callback and drops it. The callback does not run again, even if its event was already
    /// reported in this turn.
    ///
    /// # Errors
    /// `NotFound` if the callback was removed or replaced before. No other callback is affected then.
    pub fn remove(&self, callback: CallbackKey) -> io::Result<()> {
        let registration = self.0.registry.borrow().registration(callback.0);
        self.deregister(registration.ok_or_else(gone)?);
        Ok(())
    }
}
