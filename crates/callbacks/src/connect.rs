//! Starts protocols: on connections that are made, accepted or given.

use std::fmt::{self, Debug};
use std::io;
use std::net::ToSocketAddrs;
use std::panic::Location;
use std::rc::Rc;

use switchboard_net::{Accepted, Addr, Incoming, Listener, Stream};

use switchboard_runtime::{self as runtime, Driver, JoinHandle, Loop, Model, Name};

use crate::deferred::Deferred;
use crate::protocol::{Connection, Protocol, Transport};

/// Calls `start` on a new loop and runs the loop until [`stop`] is called or no connection, server,
/// timer or callback is left. Blocks the thread.
///
/// ```
/// use switchboard_callbacks::{run, stop};
/// use switchboard_runtime::{Driver, Loop};
///
/// run(Driver::best(), || {
///     let lp = Loop::current().unwrap();
///     lp.call_soon(stop);
///     Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of `start`, of opening the driver and of its wait; `Unsupported` on a thread where a loop runs
/// already.
#[track_caller]
pub fn run(driver: Driver, start: impl FnOnce() -> io::Result<()> + 'static) -> io::Result<()> {
    let lp = Loop::new(driver)?;
    let (sender, receiver) = std::sync::mpsc::channel();
    lp.call_soon(move || {
        let started = start();
        if started.is_err() {
            stop();
        }
        // The receiver is dropped only if the loop failed.
        let _ = sender.send(started);
    });
    Model::Callbacks.run_until_empty(&lp)?;
    receiver
        .try_recv()
        .unwrap_or_else(|_| Err(io::Error::other("the start callback panicked")))
}

/// Stops this thread's loop at the end of the turn. Outside of a loop the call does nothing.
pub fn stop() {
    Loop::with_current(|lp| lp.map(Loop::stop));
}

/// Starts `protocol` on a connection and the running loop. `connection_made` is called before this
/// function returns. If no loop runs on this thread, `connection_lost` follows.
#[track_caller]
pub fn start(stream: Stream, protocol: impl Protocol) -> Transport {
    let mut connection = Connection::new(stream, protocol);
    connection.make();
    let transport = connection.transport().clone();
    // The protocol's `connection_lost` reports the end.
    runtime::launch_local(Location::caller(), connection).detach();
    transport
}

/// Connects to `name`, a `host:port`, as [`Stream::connect`] does, and [starts](start) `protocol` on the
/// connection. Never blocks. If connecting fails or is cancelled, `protocol` is dropped and none of its
/// methods is called.
///
/// # Errors
/// The errback gets the errors of [`Stream::connect`].
#[track_caller]
pub fn create_connection(name: &str, protocol: impl Protocol) -> Deferred<Transport, io::Error> {
    let name = name.to_owned();
    Deferred::from_future(async move { Stream::connect(&name).await })
        .add_callback(|stream| Ok(start(stream, protocol)))
}

/// Listens on a TCP address and starts a protocol made by `factory` for each connection, until the server
/// is [closed](ServerHandle::close). A [`Server`] also has limits, workers and a drain.
///
/// While no descriptor is left, accepting pauses as in [`Incoming`], and the loop's hooks get one notice
/// for each pause. If the listener fails, they get a notice and accepting ends.
///
/// [`Server`]: https://docs.rs/switchboard-server
///
/// # Errors
/// - `AddrInUse` or `AddrNotAvailable`, or another error of the system.
/// - `Unsupported` if no loop runs on this thread.
#[track_caller]
pub fn create_server<P: Protocol>(
    addr: impl ToSocketAddrs + Debug,
    factory: impl Fn() -> P + 'static,
) -> io::Result<ServerHandle> {
    let listener = Listener::bind(addr)?;
    let addr = listener.local_addr()?;
    let incoming = Incoming::new(listener);
    let name = Location::caller();
    let accepting = accept(incoming, addr.clone(), name, Rc::new(factory));
    let accepting = runtime::launch_local(name, accepting);
    if accepting.is_finished() {
        // The task ended at once, because there is no loop to run it.
        accepting.join()?;
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(ServerHandle { addr, accepting })
}

/// Accepts until the listener is shut down or fails.
async fn accept<P: Protocol>(
    mut incoming: Incoming,
    addr: Addr,
    name: Name,
    factory: Rc<impl Fn() -> P + 'static>,
) {
    loop {
        match incoming.next().await {
            Accepted::Connection(stream, _) => {
                let factory = factory.clone();
                // A flow of its own contains a panic of the factory or the protocol.
                let connection = async move { Connection::new(stream, factory()).await };
                runtime::launch_local(name, connection).detach();
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

/// A handle to a server that accepts. Dropping the handle does not stop the server.
///
/// ```
/// use switchboard_callbacks::{Protocol, Transport, create_server, run};
/// use switchboard_runtime::Driver;
///
/// struct Discard;
/// impl Protocol for Discard {
///     fn data_received(&mut self, _: &Transport, _: &[u8]) {}
/// }
///
/// run(Driver::best(), || {
///     let server = create_server("127.0.0.1:0", || Discard)?;
///     println!("listening on {}", server.local_addr());
///     server.close();
///     Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct ServerHandle {
    addr: Addr,
    accepting: JoinHandle<()>,
}

impl ServerHandle {
    /// Returns the address that the server listens on.
    pub fn local_addr(&self) -> &Addr {
        &self.addr
    }

    /// Stops accepting and closes the listener. Open connections continue.
    pub fn close(mut self) {
        self.accepting.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::{Arc, Mutex};

    use switchboard_runtime::Hooks;

    use super::*;

    struct Discard;

    impl Protocol for Discard {
        fn data_received(&mut self, _: &Transport, _: &[u8]) {}
    }

    /// Hooks that record notices.
    #[derive(Default)]
    struct Notices(Mutex<Vec<String>>);

    impl Hooks for Notices {
        fn notice(&self, text: &dyn fmt::Display) {
            self.0.lock().unwrap().push(text.to_string());
        }
    }

    /// Accepts from `listener` until that ends, calls `meanwhile` once accepting waits, and returns the
    /// notices.
    fn accept_until_end(
        driver: Driver,
        listener: Listener,
        meanwhile: impl FnOnce(),
    ) -> Vec<String> {
        let lp = Loop::new(driver).unwrap();
        let notices = Arc::new(Notices::default());
        lp.set_hooks(notices.clone());
        let addr = listener.local_addr().unwrap();
        let accepting = accept(
            Incoming::new(listener),
            addr,
            Location::caller(),
            Rc::new(|| Discard),
        );
        let other = async {
            runtime::sleep(std::time::Duration::from_millis(2)).await;
            meanwhile();
        };
        let both = runtime::join(accepting, other);
        Model::Callbacks.run_on(&lp, both).unwrap();
        notices.0.lock().unwrap().clone()
    }

    #[test]
    fn a_listener_that_is_shut_down_ends_accepting_without_a_notice() {
        for driver in Driver::ALL {
            let listener = Listener::bind("127.0.0.1:0").unwrap();
            let own = listener.clone();
            let notices = accept_until_end(driver, listener, || own.shutdown().unwrap());
            assert_eq!(notices, [""; 0], "{driver}");
        }
    }

    #[test]
    fn a_listener_that_fails_ends_accepting_with_one_notice() {
        for driver in Driver::ALL {
            // A socket for datagrams accepts no connection.
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let start = format!("{}: accepting ended: ", socket.local_addr().unwrap());
            let listener = Listener::from_fd(socket.into()).unwrap();
            let notices = accept_until_end(driver, listener, || ());
            assert_eq!(notices.len(), 1, "{driver}: {notices:?}");
            assert!(notices[0].starts_with(&start), "{driver}: {notices:?}");
        }
    }
}
