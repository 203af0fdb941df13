//! Protocols on connections: made, accepted, or there already.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::rc::Rc;

use switchboard_net::{Accepted, Addr, Incoming, Listener, Stream};
use switchboard_runtime::{self as runtime, Driver, JoinHandle, Loop, Model};

use crate::deferred::Deferred;
use crate::protocol::{Connection, Protocol};
use crate::transport::Transport;

/// Calls `start` on a new loop and runs that until [`stop`], or until nothing is left that could
/// happen: no connection, server, timer or callback. Blocks the thread.
///
/// # Errors
/// Those of `start`, of opening the driver and of its wait.
///
/// # Panics
/// On a thread where a loop runs already.
pub fn run(driver: Driver, start: impl FnOnce() -> io::Result<()> + 'static) -> io::Result<()> {
    let lp = Loop::new(driver)?;
    let (say, said) = std::sync::mpsc::channel();
    lp.call_soon(move || {
        let started = start();
        if started.is_err() {
            stop();
        }
        // Whoever hears it is below.
        let _ = say.send(started);
    });
    Model::Callbacks.run_until_empty(&lp)?;
    said.try_recv()
        .unwrap_or_else(|_| Err(io::Error::other("what was to start it panicked")))
}

/// Ends the run of this thread's loop after its turn.
pub fn stop() {
    Loop::with_current(|lp| lp.map(Loop::stop));
}

/// Gives a connection to `protocol`, on the running loop: `connection_made` is called at once. Where no
/// loop runs, `connection_lost` follows.
pub fn start(stream: Stream, protocol: impl Protocol) -> Transport {
    let mut connection = Connection::new(stream, protocol);
    connection.make();
    let transport = connection.transport().clone();
    // Its end is told to the protocol.
    runtime::spawn_local(connection).detach();
    transport
}

/// Connects to `name`, a `host:port`, as [`Stream::connect`] does, and [starts](start) `protocol` there.
/// The protocol is dropped, and no method of it called, if that fails or is cancelled.
///
/// # Errors
/// By the errback: those of [`Stream::connect`].
#[track_caller]
pub fn create_connection(name: &str, protocol: impl Protocol) -> Deferred<Transport, io::Error> {
    let name = name.to_owned();
    Deferred::from_future(async move { Stream::connect(&name).await })
        .add_callback(|stream| Ok(start(stream, protocol)))
}

/// Listens on a TCP address, and [starts](start) a protocol of `factory`'s for each connection, until the
/// server is closed. (A [`Server`] of its own has limits, workers and a drain.)
///
/// [`Server`]: https://docs.rs/switchboard-server
///
/// # Errors
/// An address in use or not of this machine; `Unsupported` where no loop runs.
pub fn create_server<P: Protocol>(
    addr: impl ToSocketAddrs,
    factory: impl Fn() -> P + 'static,
) -> io::Result<ServerHandle> {
    let listener = Listener::bind(addr)?;
    let addr = listener.local_addr()?;
    let incoming = Incoming::new(listener);
    let accepting = runtime::spawn_local(accept(incoming, addr.clone(), Rc::new(factory)));
    if accepting.is_finished() {
        // It never began.
        accepting.join()?;
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(ServerHandle { addr, accepting })
}

/// Accepts until the listener is shut down or fails.
async fn accept<P: Protocol>(
    mut incoming: Incoming,
    addr: Addr,
    factory: Rc<impl Fn() -> P + 'static>,
) {
    loop {
        match incoming.next().await {
            Accepted::Connection(stream, _) => {
                let factory = factory.clone();
                // A flow of its own contains a panic of the factory or the protocol.
                runtime::spawn_local(async move { Connection::new(stream, factory()).await })
                    .detach();
            }
            Accepted::BackOff { error, pause } => notice(format_args!(
                "{addr}: cannot accept: {error}; next try in {pause:?}"
            )),
            Accepted::Closed => return,
            Accepted::Failed(error) => {
                return notice(format_args!("{addr}: accepting ended: {error}"));
            }
        }
    }
}

/// Gives the hooks of the running loop one line for the operator.
fn notice(text: fmt::Arguments<'_>) {
    if let Some(hooks) = Loop::with_current(|lp| lp.map(Loop::hooks)) {
        hooks.notice(&text);
    }
}

/// A server that accepts. Dropped, it goes on.
#[derive(Debug)]
pub struct ServerHandle {
    addr: Addr,
    accepting: JoinHandle<()>,
}

impl ServerHandle {
    /// Where it listens.
    pub fn local_addr(&self) -> &Addr {
        &self.addr
    }

    /// Accepts nobody any more; connections that are open go on.
    pub fn close(mut self) {
        self.accepting.cancel();
    }
}
