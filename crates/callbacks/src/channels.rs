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
use switchboard_net::{Listener, Stream};
use switchboard_runtime::{self as runtime, Driver, Loop, Model};

use crate::channel::{Channel, Socket, Start};
use crate::dispatcher::Dispatcher;

/// The channels of a program, as asyncore's map. A clone is the same one.
///
/// A channel that is added while a loop runs begins at once; others begin when
/// [`until_empty`](Channels::until_empty) is waited for.
#[derive(Clone, Default)]
pub struct Channels(pub(crate) Rc<Map>);

#[derive(Default)]
pub(crate) struct Map {
    all: RefCell<Slab<Channel>>,
    /// Added while no loop ran.
    fresh: RefCell<Vec<(Channel, Start)>>,
    /// They are to be asked at the end of this loop's turn.
    asking: Cell<Option<u32>>,
    /// Those too who had nothing to write when they could.
    idle_too: Cell<bool>,
    /// Who waits for the last to go.
    waiting: RefCell<Vec<Waker>>,
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
        let channel = Channel::new(
            Rc::downgrade(&self.0),
            entry.key(),
            socket,
            Box::new(dispatcher),
        );
        entry.insert(channel.clone());
        drop(all);
        channel.added();
        if runtime::is_on_loop() {
            channel.clone().begin(start, self.clone());
        } else {
            self.0.fresh.borrow_mut().push((channel.clone(), start));
        }
        channel
    }

    /// One of them has ended.
    pub(crate) fn leave(&self, key: usize) {
        let left = self.0.all.borrow_mut().try_remove(key);
        drop(left);
        if self.is_empty() {
            self.0.waiting.take().into_iter().for_each(Waker::wake);
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
            .for_each(|(channel, start)| channel.begin(start, self.clone()));
        poll_fn(|context| {
            if self.is_empty() {
                return Poll::Ready(());
            }
            let mut waiting = self.0.waiting.borrow_mut();
            if !waiting.iter().any(|one| one.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
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
        Model::Callbacks.run_with(driver, self.until_empty())
    }

    /// Has all asked in this turn what they want, as after each call of a dispatcher: for who changes
    /// from elsewhere what an answer depends on.
    pub fn update_interest(&self) {
        self.0.idle_too.set(true);
        self.update_others();
    }

    /// As [`update_interest`](Channels::update_interest), but for those who had nothing to write: a call that changed nothing would
    /// have them called again and again.
    pub(crate) fn update_others(&self) {
        let Some(lp) = Loop::current().filter(|_| runtime::is_on_loop()) else {
            // Each is asked when it begins.
            return;
        };
        // What a loop that has ended was asked to do is lost.
        if self.0.asking.replace(Some(lp.id())) == Some(lp.id()) {
            return;
        }
        let channels = self.clone();
        lp.call_soon(move || {
            channels.0.asking.set(None);
            let idle_too = channels.0.idle_too.take();
            let all = channels.all();
            all.iter().for_each(|channel| channel.ask(idle_too));
        });
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channels({})", self.len())
    }
}
