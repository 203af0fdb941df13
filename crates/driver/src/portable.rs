//! The `polling` crate: kqueue on macOS and BSD, event ports on illumos, epoll on Linux.
#![allow(unsafe_code)]

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use polling::{Events, PollMode};

use crate::error;
use crate::fd_table::FdTable;
use crate::notify::Notifier;
use crate::{Driver, Event, Interest, Mode, Poller, Ready, Token};

/// The capacity for events of one wait.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

pub(crate) struct Portable {
    poller: Arc<polling::Poller>,
    // The key of an event of `polling` is the descriptor; this table has its token.
    table: FdTable<(Token, Interest)>,
    buffer: Events,
}

impl Portable {
    pub(crate) fn new() -> io::Result<Portable> {
        Ok(Portable {
            poller: Arc::new(polling::Poller::new()?),
            table: FdTable::new(),
            buffer: Events::with_capacity(CAPACITY),
        })
    }

    fn mode(&self, mode: Mode) -> io::Result<PollMode> {
        match mode {
            Mode::Level if self.poller.supports_level() => Ok(PollMode::Level),
            Mode::Edge if self.poller.supports_edge() => Ok(PollMode::Edge),
            _ => Err(error::unsupported_mode(Driver::Portable, mode)),
        }
    }
}

impl Poller for Portable {
    fn driver(&self) -> Driver {
        Driver::Portable
    }

    fn has_read_closed(&self) -> bool {
        false
    }

    fn has_edge(&self) -> bool {
        self.poller.supports_edge()
    }

    fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        error::check_token(token)?;
        let mode = self.mode(mode)?;
        let request = request(fd.as_raw_fd(), interest);
        // SAFETY: `fd` is open, and by contract stays so until it is deregistered. If it does not,
        // every kernel behind `polling` forgets it without help, and no memory depends on it.
        let added = unsafe { self.poller.add_with_mode(fd.as_raw_fd(), request, mode) };
        match added {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.poller.modify_with_mode(fd, request, mode)?;
            }
            added => added?,
        }
        self.table.insert(fd.as_raw_fd(), (token, interest));
        Ok(())
    }

    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        error::check_token(token)?;
        let mode = self.mode(mode)?;
        let at = self.table.find(fd.as_raw_fd())?;
        let request = request(fd.as_raw_fd(), interest);
        self.poller.modify_with_mode(fd, request, mode)?;
        *self.table.get_mut(at) = (token, interest);
        Ok(())
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        let at = self.table.find(fd)?;
        self.table.swap_remove(at);
        // SAFETY: the number is not -1, since it was registered. It is borrowed for one system call,
        // which fails with EBADF or ENOENT if the number is closed or reused.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        // Fails for a descriptor that was closed: the kernel forgot it then.
        let _ = self.poller.delete(borrowed);
        Ok(())
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        self.buffer.clear();
        // `polling` repeats a wait that a signal interrupts, and keeps nanoseconds.
        self.poller.wait(&mut self.buffer, timeout)?;
        for event in self.buffer.iter() {
            // Not found: an event of a closed descriptor whose file a duplicate keeps open.
            if let Ok(at) = self.table.find(event.key as RawFd) {
                let &(token, interest) = self.table.get(at);
                let ready = ready(&event, interest);
                events.push(Event { token, ready });
            }
        }
        Ok(())
    }

    fn notifier(&self) -> Notifier {
        Notifier::portable(&self.poller)
    }
}

fn request(fd: RawFd, interest: Interest) -> polling::Event {
    let mut request = polling::Event::new(
        fd as usize,
        interest.contains(Interest::READ),
        interest.contains(Interest::WRITE),
    );
    request.set_interrupt(true);
    request.set_priority(interest.contains(Interest::PRIORITY));
    request
}

/// Keeps what is in the interest: `polling` reports a hang-up as readable and writable, and
/// out-of-band data as readable, whatever the interest is.
fn ready(event: &polling::Event, interest: Interest) -> Ready {
    let mut ready = Ready::NONE;
    for (is_set, meaning) in [
        (
            event.readable && interest.contains(Interest::READ),
            Ready::READ,
        ),
        (
            event.writable && interest.contains(Interest::WRITE),
            Ready::WRITE,
        ),
        (
            event.is_priority() && interest.contains(Interest::PRIORITY),
            Ready::PRIORITY,
        ),
        (event.is_interrupt(), Ready::HANG_UP),
        (event.is_err() == Some(true), Ready::ERROR),
    ] {
        if is_set {
            ready |= meaning;
        }
    }
    ready
}
