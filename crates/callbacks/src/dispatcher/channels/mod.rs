//! The channels of a program and the loop over all of them.
//!
//! ```text
//!   readable()? writable()? of each ──► wait ──► handle_read, handle_write, handle_expt of those ready
//!        ▲                                                          │
//!        └──────────────────────────────────────────────────────────┘
//! ```

mod channel;
mod state;
mod task;

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::future::poll_fn;
use std::io;
use std::net::ToSocketAddrs;
use std::rc::Rc;
use std::task::{Poll, Waker};

use slab::Slab;
use switchboard_net::{Incoming, Listener, Stream};
use switchboard_runtime::{self as runtime, Driver, Loop, Model};

pub use channel::Channel;
use state::{Socket, Start};

use super::Dispatcher;

/// The channels of a program, like asyncore's map. A clone is a handle to the same channels.
///
/// A channel that is added while a loop runs starts at once; others start when
/// [`until_empty`](Channels::until_empty) is awaited.
///
/// ```
/// use switchboard_callbacks::{Channels, Dispatcher};
/// use switchboard_net::Stream;
/// use switchboard_runtime::Driver;
///
/// struct Ignore;
/// impl Dispatcher for Ignore {}
///
/// let channels = Channels::new();
/// let (here, _there) = Stream::pair()?;
/// channels.add(here, Ignore);
/// assert_eq!(channels.len(), 1);
/// channels.close_all();
/// channels.run_until_empty(Driver::best())?;
/// assert!(channels.is_empty());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Default)]
pub struct Channels(Rc<Map>);

#[derive(Default)]
struct Map {
    channels: RefCell<Slab<Channel>>,
    /// The channels that were added while no loop ran.
    not_started: RefCell<Vec<(Channel, Start)>>,
    /// The loop that updates the interest of all channels in its next turn.
    updating_loop: Cell<Option<u32>>,
    /// Whether that update lets idle writers try again.
    retry_idle: Cell<bool>,
    /// The wakers of those that wait until no channel is left.
    until_empty: RefCell<Vec<Waker>>,
}

impl Channels {
    /// Returns an empty set.
    pub fn new() -> Channels {
        Channels::default()
    }

    /// Listens on a TCP address and calls [`handle_accepted`](Dispatcher::handle_accepted) for each
    /// connection.
    ///
    /// While no descriptor is left, accepting pauses as in [`Incoming`], and the dispatcher's
    /// [`log`](Dispatcher::log) gets one line for each pause. If the listener fails,
    /// [`handle_error`](Dispatcher::handle_error) is called and the channel closes; if it is shut down,
    /// [`handle_close`](Dispatcher::handle_close) is called and the channel closes.
    ///
    /// # Errors
    /// `AddrInUse` or `AddrNotAvailable`, or another error of the system.
    pub fn listen(
        &self,
        addr: impl ToSocketAddrs + Debug,
        dispatcher: impl Dispatcher,
    ) -> io::Result<Channel> {
        let listener = Listener::bind(addr)?;
        Ok(self.insert_listener(listener, dispatcher))
    }

    fn insert_listener(&self, listener: Listener, dispatcher: impl Dispatcher) -> Channel {
        let socket = Socket::Listener(Box::new(Incoming::new(listener)));
        self.insert(socket, dispatcher, Start::Ready)
    }

    /// Connects to `name`, a `host:port`, as [`Stream::connect`] does, and calls
    /// [`handle_connect`](Dispatcher::handle_connect), or
    /// [`handle_error`](Dispatcher::handle_error) if connecting fails. Never blocks.
    pub fn connect(&self, name: &str, dispatcher: impl Dispatcher) -> Channel {
        let start = Start::Connect(name.to_owned());
        self.insert(Socket::Connecting, dispatcher, start)
    }

    /// Adds a connection.
    pub fn add(&self, stream: Stream, dispatcher: impl Dispatcher) -> Channel {
        self.insert(Socket::Stream(stream), dispatcher, Start::Ready)
    }

    fn insert(&self, socket: Socket, dispatcher: impl Dispatcher, start: Start) -> Channel {
        let mut channels = self.0.channels.borrow_mut();
        let entry = channels.vacant_entry();
        let map = Rc::downgrade(&self.0);
        let channel = Channel::new(map, entry.key(), socket, Box::new(dispatcher));
        entry.insert(channel.clone());
        drop(channels);
        channel.0.dispatcher.borrow_mut().handle_added(&channel);
        if runtime::is_on_loop() {
            task::spawn(channel.clone(), start, self.clone());
        } else {
            let mut not_started = self.0.not_started.borrow_mut();
            not_started.push((channel.clone(), start));
        }
        channel
    }

    /// Removes a channel whose task has ended.
    fn remove(&self, key: usize) {
        let removed = self.0.channels.borrow_mut().try_remove(key);
        drop(removed);
        if self.is_empty() {
            let wakers = self.0.until_empty.take();
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Returns the number of channels.
    pub fn len(&self) -> usize {
        self.0.channels.borrow().len()
    }

    /// Returns whether there is no channel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn snapshot(&self) -> Vec<Channel> {
        let channels = self.0.channels.borrow();
        channels
            .iter()
            .map(|(_, channel)| channel.clone())
            .collect()
    }

    /// [Closes](Channel::close) all channels.
    pub fn close_all(&self) {
        self.snapshot().iter().for_each(Channel::close);
    }

    /// Starts the channels that were added before a loop ran, and waits until no channel is left.
    /// Dropping the future stops no channel.
    pub async fn until_empty(&self) {
        for (channel, start) in self.0.not_started.take() {
            task::spawn(channel, start, self.clone());
        }
        poll_fn(|context| {
            if self.is_empty() {
                return Poll::Ready(());
            }
            let mut wakers = self.0.until_empty.borrow_mut();
            if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                wakers.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Runs a loop until no channel is left. Blocks the thread.
    ///
    /// # Errors
    /// Those of opening the driver and of its wait; `Unsupported` on a thread where a loop runs already.
    pub fn run_until_empty(&self, driver: Driver) -> io::Result<()> {
        Model::Callbacks.run_with(driver, self.until_empty())
    }

    /// Calls [`readable`](Dispatcher::readable) and [`writable`](Dispatcher::writable) of all channels
    /// before the next turn, as after each method of a dispatcher.
    ///
    /// Code outside of a dispatcher calls this when it changes what those methods return. Outside of a
    /// loop the call does nothing.
    pub fn update_interest(&self) {
        self.0.retry_idle.set(true);
        self.update_interest_of_others();
    }

    /// Updates the interest of all channels, but lets no idle writer try again: after a `handle_write`
    /// that sent nothing, idle writers would otherwise call each other without end.
    fn update_interest_of_others(&self) {
        let Some(lp) = Loop::current().filter(|_| runtime::is_on_loop()) else {
            // Each channel's task asks when it starts.
            return;
        };
        // The loop's number is compared because a loop that has ended dropped its callback.
        if self.0.updating_loop.replace(Some(lp.id())) == Some(lp.id()) {
            return;
        }
        let channels = self.clone();
        lp.call_soon(move || {
            channels.0.updating_loop.set(None);
            let retry = channels.0.retry_idle.take();
            for channel in channels.snapshot() {
                channel.update_interest(retry);
            }
        });
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channels({})", self.len())
    }
}
