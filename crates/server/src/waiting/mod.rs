//! The waiting room of the model `pool`: connections that have no thread yet.
//!
//! A thread of the pool that waits for a client's first bytes serves nobody, and a few clients that send
//! nothing would hold them all. A server whose clients speak first may say so: the accepting flow then
//! watches new connections itself, with one descriptor for all, and gives a connection to a thread once its
//! first bytes have come. They are looked at and not taken, so the handler receives them all the same.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use switchboard_net::Stream;
use switchboard_reactor::Ending;
use switchboard_runtime::{self as runtime, Direction, Event, Sender, Source, race};

use crate::accept::NewConnection;
use crate::counts::Count;
use crate::settings::FirstBytes;
use crate::shared::Shared;

/// The most first bytes that are looked at; more are enough by themselves.
const MOST: usize = 16 << 10;

/// The most events that are taken at once.
const EVENTS: usize = 64;

/// A connection that waits for a thread of the pool, and counts as busy to its end.
pub(crate) struct Queued {
    pub(crate) new: NewConnection,
    pub(crate) busy: Busy,
}

/// A count of the connections that have a thread or wait for none but a free one.
pub(crate) struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn new(count: &Arc<AtomicUsize>) -> Busy {
        count.fetch_add(1, Ordering::Relaxed);
        Busy(count.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) struct WaitingRoom {
    shared: Arc<Shared>,
    /// To the threads of the pool.
    queue: Sender<Queued>,
    /// How many threads the pool has.
    threads: usize,
    /// An epoll instance, in which each waiting connection is registered with its number; `None` if none
    /// waits.
    epoll: Option<Source>,
    state: RefCell<State>,
    /// Set when a connection enters that is the first to have a deadline.
    entered: Event,
    busy: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    waiting: HashMap<u64, NewConnection>,
    /// When the first bytes of a connection must have come, in order. Connections that left remain.
    deadlines: VecDeque<(Instant, u64)>,
    next: u64,
    /// Whether the operator knows that all threads are busy.
    noticed: bool,
}

impl WaitingRoom {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        queue: Sender<Queued>,
        threads: usize,
    ) -> io::Result<WaitingRoom> {
        let epoll = match &shared.first {
            Some(_) => Some(Source::new(epoll::create(CreateFlags::CLOEXEC)?)),
            None => None,
        };
        Ok(WaitingRoom {
            shared: shared.clone(),
            queue,
            threads,
            epoll,
            state: RefCell::default(),
            entered: Event::new(),
            busy: Arc::default(),
        })
    }

    /// Takes in a connection that was accepted just now.
    pub(crate) fn enter(&self, new: NewConnection) {
        let (Some(first), Some(epoll)) = (&self.shared.first, &self.epoll) else {
            return self.leave(new);
        };
        if first.have_come(&new.stream) {
            return self.leave(new);
        }
        let mut state = self.state.borrow_mut();
        let number = state.next;
        state.next += 1;
        // On an edge: a client that sent a part is looked at again when more has come.
        let events = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        let data = EventData::new_u64(number);
        if epoll::add(epoll, &new.stream, data, events).is_err() {
            drop(state);
            return self.leave(new);
        }
        state.waiting.insert(number, new);
        if let Some(deadline) = Instant::now().checked_add(first.limit) {
            if state.deadlines.is_empty() {
                self.entered.set();
            }
            state.deadlines.push_back((deadline, number));
        }
    }

    /// Gives connections whose first bytes come to the pool, for ever.
    ///
    /// # Errors
    /// The system's.
    pub(crate) async fn serve(&self) -> io::Result<()> {
        let (Some(first), Some(epoll)) = (&self.shared.first, &self.epoll) else {
            return std::future::pending().await;
        };
        loop {
            let expired = async {
                self.first_deadline().await;
                Ok(())
            };
            race(epoll.ready(Direction::Read), expired).await?;
            self.look(first, epoll)?;
            self.expire(epoll);
        }
    }

    async fn first_deadline(&self) {
        loop {
            self.entered.clear();
            let next = self.state.borrow().deadlines.front().map(|next| next.0);
            match next {
                Some(at) => {
                    return runtime::sleep(at.saturating_duration_since(Instant::now())).await;
                }
                None => self.entered.wait().await,
            }
        }
    }

    /// Looks at the connections of which more has come.
    fn look(&self, first: &FirstBytes, epoll: &Source) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        let room = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(epoll, room, Some(&Timespec::default())) {
            Err(Errno::INTR) => return Ok(()),
            waited => waited?,
        };
        for event in events {
            let number = event.data.u64();
            let mut state = self.state.borrow_mut();
            let Some(waiting) = state.waiting.get(&number) else {
                continue;
            };
            let flags = event.flags;
            let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
            // The handler meets the end of input, or the error.
            if (ended || first.have_come(&waiting.stream))
                && let Some(new) = state.take(epoll, number)
            {
                drop(state);
                self.leave(new);
            }
        }
        Ok(())
    }

    /// Closes the connections whose first bytes did not come in time.
    fn expire(&self, epoll: &Source) {
        let now = Instant::now();
        loop {
            let mut state = self.state.borrow_mut();
            let Some(&(at, number)) = state.deadlines.front() else {
                return;
            };
            if at > now && state.waiting.contains_key(&number) {
                return;
            }
            state.deadlines.pop_front();
            let Some(new) = state.take(epoll, number) else {
                continue;
            };
            drop(state);
            let mut permit = new.admission.start();
            let why = "the first bytes did not come in time";
            let error = io::Error::new(io::ErrorKind::TimedOut, why);
            permit.close(Ending::Failed(&error));
        }
    }

    /// Gives every connection to the pool, whose handlers end them.
    pub(crate) fn stop(&self) {
        let waiting = match &self.epoll {
            Some(epoll) => self.state.borrow_mut().stop(epoll),
            None => Vec::new(),
        };
        for new in waiting {
            self.queue(new);
        }
    }

    /// Gives a connection to the pool, and says so if no thread is free for it.
    fn leave(&self, new: NewConnection) {
        self.queue(new);
        let (busy, threads) = (self.busy.load(Ordering::Relaxed), self.threads);
        let mut state = self.state.borrow_mut();
        let noticed = state.noticed;
        state.noticed = busy > threads || (noticed && busy > threads / 2);
        let news = state.noticed && !noticed;
        drop(state);
        if news {
            let threads = Count(threads, "thread");
            let text = format_args!("the pool's {threads} are busy; further clients wait for one");
            self.shared.hooks.notice(&text);
        }
    }

    fn queue(&self, new: NewConnection) {
        let busy = Busy::new(&self.busy);
        // The queue is never full: there are no more permits than places in it.
        drop(self.queue.try_send(Queued { new, busy }));
    }
}

impl FirstBytes {
    /// Returns whether enough has come of a connection, or an end. Takes no bytes.
    fn have_come(&self, stream: &Stream) -> bool {
        let mut bytes = [0; MOST];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match rustix::net::recv(stream.as_fd(), &mut bytes, flags) {
            Err(Errno::AGAIN | Errno::INTR) => false,
            Ok((_, length)) if (1..MOST).contains(&length) => {
                // A panic would end the server, and its handler may know what to do with the bytes.
                let enough = AssertUnwindSafe(|| (self.enough)(&bytes[..length]));
                catch_unwind(enough).unwrap_or(true)
            }
            // All that fits, the end of input, or an error.
            Ok(_) | Err(_) => true,
        }
    }
}

impl State {
    fn take(&mut self, epoll: &Source, number: u64) -> Option<NewConnection> {
        let new = self.waiting.remove(&number)?;
        // A socket that cannot be removed has no events either.
        let _ = epoll::delete(epoll, &new.stream);
        Some(new)
    }

    /// Takes all connections, in the order in which they were accepted.
    fn stop(&mut self, epoll: &Source) -> Vec<NewConnection> {
        let mut numbers: Vec<u64> = self.waiting.keys().copied().collect();
        numbers.sort_unstable();
        let taken = numbers.iter().map(|number| self.take(epoll, *number));
        taken.flatten().collect()
    }
}

#[cfg(test)]
mod tests;
