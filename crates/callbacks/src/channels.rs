//! The channels of a program, and the loop over all of them.
//!
//! ```text
//!   ask all: readable? writable? ──► wait ──► handle_expt, handle_read, handle_write of who is ready
//!        ▲                                                          │
//!        └──────────────────────────────────────────────────────────┘
//! ```

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::ToSocketAddrs;
use std::rc::Rc;
use std::task::{Poll, Waker};

use slab::Slab;
use switchboard_flow::{Driver, Loop, Model};
use switchboard_net::{Listener, Stream};

use crate::channel::{Channel, Socket, Start};
use crate::dispatcher::Dispatcher;

/// The channels of a program, as asyncore's map. A clone is the same one.
#[derive(Clone, Default)]
pub struct Channels(Rc<Map>);

#[derive(Default)]
struct Map {
    all: RefCell<Slab<Channel>>,
    /// Added while no loop ran.
    fresh: RefCell<Vec<(Channel, Start)>>,
    /// They are to be asked at the end of this turn.
    asking: Cell<bool>,
    /// Who waits for the last to go.
    waiting: RefCell<Option<Waker>>,
}

impl Channels {
    /// None yet.
    pub fn new() -> Channels {
        Channels::default()
    }

    /// Listens on a TCP address; who comes is handed to
    /// [`handle_accepted`](Dispatcher::handle_accepted).
    ///
    /// # Errors
    /// An address in use or not of this machine.
    pub fn listen(
        &self,
        addr: impl ToSocketAddrs,
        dispatcher: impl Dispatcher,
    ) -> io::Result<Channel> {
        let listener = Listener::bind(addr)?;
        Ok(self.insert(Socket::Listener(listener), dispatcher, Start::Ready))
    }

    /// Connects to `name`, a `host:port`, as [`Stream::connect`] does, and calls
    /// [`handle_connect`](Dispatcher::handle_connect), or
    /// [`handle_error`](Dispatcher::handle_error) if that can't be.
    pub fn connect(&self, name: &str, dispatcher: impl Dispatcher) -> Channel {
        self.insert(
            Socket::Connecting,
            dispatcher,
            Start::Connect(name.to_owned()),
        )
    }

    /// Takes over a connection.
    pub fn add(&self, stream: Stream, dispatcher: impl Dispatcher) -> Channel {
        self.insert(Socket::Stream(stream), dispatcher, Start::Ready)
    }

    fn insert(&self, socket: Socket, dispatcher: impl Dispatcher, start: Start) -> Channel {
        let mut all = self.0.all.borrow_mut();
        let entry = all.vacant_entry();
        let channel = Channel::new(self.clone(), entry.key(), socket, Box::new(dispatcher));
        entry.insert(channel.clone());
        drop(all);
        if Loop::with_current(|lp| lp.is_some()) {
            channel.clone().begin(start);
        } else {
            self.0.fresh.borrow_mut().push((channel.clone(), start));
        }
        channel
    }

    /// One of them has ended.
    pub(crate) fn leave(&self, key: usize) {
        let left = self.0.all.borrow_mut().try_remove(key);
        drop(left);
        if self.is_empty()
            && let Some(waker) = self.0.waiting.take()
        {
            waker.wake();
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.all.borrow().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn all(&self) -> Vec<Channel> {
        let all = self.0.all.borrow();
        all.iter().map(|(_, channel)| channel.clone()).collect()
    }

    /// Closes them all, without a word to their dispatchers.
    pub fn close_all(&self) {
        self.all().iter().for_each(Channel::close);
    }

    /// Waits until no channel is left. It goes on by itself beside whatever else the loop does, so
    /// dropping this stops nothing.
    pub async fn until_empty(&self) {
        let fresh = self.0.fresh.take();
        fresh
            .into_iter()
            .for_each(|(channel, start)| channel.begin(start));
        poll_fn(|context| {
            if self.is_empty() {
                return Poll::Ready(());
            }
            let old = self.0.waiting.replace(Some(context.waker().clone()));
            drop(old);
            Poll::Pending
        })
        .await;
    }

    /// Runs a loop until no channel is left. Blocks the thread.
    ///
    /// # Errors
    /// Those of opening the driver and of its wait.
    ///
    /// # Panics
    /// On a thread where a loop runs already.
    pub fn run_until_empty(&self, driver: Driver) -> io::Result<()> {
        Model::Callbacks.run(driver, self.until_empty())
    }

    /// Has all asked in this turn what they want, as after each call of a dispatcher: for who changes
    /// from elsewhere what an answer depends on.
    pub fn ask(&self) {
        if self.0.asking.replace(true) {
            return;
        }
        let channels = self.clone();
        let ask = move || {
            channels.0.asking.set(false);
            channels.all().iter().for_each(Channel::ask);
        };
        match Loop::current() {
            Some(lp) => drop(lp.call_soon(ask)),
            // Each is asked when it begins.
            None => self.0.asking.set(false),
        }
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channels({})", self.len())
    }
}
