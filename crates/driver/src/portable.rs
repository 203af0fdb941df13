//! The `polling` crate: kqueue on macOS and BSD, event ports on illumos, epoll on Linux.
#![allow(unsafe_code)]

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use polling::{Events, PollMode};

use crate::notify::Notifier;
use crate::refuse;
use crate::slots::Slots;
use crate::{Driver, Event, Interest, Mode, Poller, Ready, Token};

/// Room for the events taken from the kernel at once.
const MANY: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

pub(crate) struct Portable {
    poller: Arc<polling::Poller>,
    // The key of polling's events is the descriptor; what it stands for is kept here.
    slots: Slots<(Token, Interest)>,
    buffer: Events,
}

impl Portable {
    pub(crate) fn new() -> io::Result<Portable> {
        Ok(Portable {
            poller: Arc::new(polling::Poller::new()?),
            slots: Slots::new(),
            buffer: Events::with_capacity(MANY),
        })
    }

    fn mode(&self, mode: Mode) -> io::Result<PollMode> {
        match mode {
            Mode::Level if self.poller.supports_level() => Ok(PollMode::Level),
            Mode::Edge if self.poller.supports_edge() => Ok(PollMode::Edge),
            _ => Err(refuse::no_mode(Driver::Portable, mode)),
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
        refuse::reserved(token)?;
        let mode = self.mode(mode)?;
        let wish = wish(fd.as_raw_fd(), interest);
        // SAFETY: `fd` is open, and by contract stays so until it is deregistered. Should it not,
        // every kernel behind `polling` forgets it of itself and no memory depends on it.
        let added = unsafe { self.poller.add_with_mode(fd.as_raw_fd(), wish, mode) };
        match added {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.poller.modify_with_mode(fd, wish, mode)?;
            }
            added => added?,
        }
        self.slots.put(fd.as_raw_fd(), (token, interest));
        Ok(())
    }

    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        refuse::reserved(token)?;
        let mode = self.mode(mode)?;
        let slot = self.slots.find(fd.as_raw_fd())?;
        let wish = wish(fd.as_raw_fd(), interest);
        self.poller.modify_with_mode(fd, wish, mode)?;
        *self.slots.get_mut(slot) = (token, interest);
        Ok(())
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        let slot = self.slots.find(fd)?;
        self.slots.swap_remove(slot);
        // SAFETY: the number is not -1, for it was registered. It is lent for one system call, which
        // answers EBADF or ENOENT if it is not what it was.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        // It fails for a descriptor that was closed: the kernel forgot it then.
        let _ = self.poller.delete(borrowed);
        Ok(())
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        self.buffer.clear();
        // It repeats a wait that a signal interrupts, and keeps to nanoseconds.
        self.poller.wait(&mut self.buffer, timeout)?;
        for event in self.buffer.iter() {
            // None: an event of a closed file that a duplicate keeps open.
            if let Ok(slot) = self.slots.find(event.key as RawFd) {
                let &(token, interest) = self.slots.get(slot);
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

fn wish(fd: RawFd, interest: Interest) -> polling::Event {
    let mut wish = polling::Event::new(
        fd as usize,
        interest.contains(Interest::READ),
        interest.contains(Interest::WRITE),
    );
    wish.set_interrupt(true);
    wish.set_priority(interest.contains(Interest::PRIORITY));
    wish
}

/// `polling` calls a hang-up readable and writable, and out-of-band data readable, whatever was
/// asked for.
fn ready(event: &polling::Event, interest: Interest) -> Ready {
    let mut ready = Ready::NONE;
    for (is, meaning) in [
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
        if is {
            ready |= meaning;
        }
    }
    ready
}
