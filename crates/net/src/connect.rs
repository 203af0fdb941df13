//! Connecting: by name, and to the first of several addresses that answers.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use switchboard_runtime::{self as runtime, Direction};

use crate::descriptor_limit::DescriptorLimit;
use crate::stream::Stream;

/// The time by which each address is tried before the next (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

impl Stream {
    /// Connects to `name`, a `host:port`. The name is looked up on another thread. Of several addresses
    /// the first that answers is taken; each is tried a quarter of a second before the next (RFC 8305).
    /// Dropping the future closes all attempts.
    ///
    /// # Errors
    /// `InvalidInput` without a port; the resolver's error with the name, or that of the last address
    /// with the address.
    pub async fn connect(name: &str) -> io::Result<Stream> {
        let addrs = resolve_name(name).await?;
        connect_any(&addrs).await
    }

    /// Connects to a Unix socket.
    ///
    /// # Errors
    /// The system's, with the path.
    pub async fn connect_unix(path: impl AsRef<std::path::Path>) -> io::Result<Stream> {
        connect_unix(path.as_ref()).await
    }
}

/// Looks `host` up on a thread of [`run_blocking`](switchboard_runtime::run_blocking), and returns its
/// addresses in the order to try them: the families alternate, beginning with that of the system's first
/// address. An IP address is returned as it is.
///
/// # Errors
/// The resolver's, with the name; `NotFound` for a name without an address.
///
/// ```
/// use switchboard_runtime::Model;
///
/// let addrs = Model::Tasks.run(switchboard_net::resolve("127.0.0.1", 80))??;
/// assert_eq!(addrs, ["127.0.0.1:80".parse().unwrap()]);
/// # std::io::Result::Ok(())
/// ```
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = literal.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let name = host.to_owned();
    let found = runtime::run_blocking(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        found.map(|addrs| addrs.collect::<Vec<_>>())
    });
    let found = found.await.map_err(io::Error::from)?;
    let found = found.map_err(|error| {
        let text = format!("cannot resolve {host}: {error}; check the name");
        Explained::error(text, error)
    })?;
    if found.is_empty() {
        let text = format!("cannot resolve {host}: it has no address");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Ok(alternate(found))
}

pub(crate) async fn resolve_name(name: &str) -> io::Result<Vec<SocketAddr>> {
    let parts = name
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let Some((host, port)) = parts else {
        let text = format!("`{name}` is no address: use HOST:PORT");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    };
    resolve(host, port).await
}

/// Returns the addresses with their families alternating, and each family in its own order.
fn alternate(addrs: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let six_first = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addrs
        .into_iter()
        .partition(|addr| addr.is_ipv6() == six_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::new();
    loop {
        let turn = [first.next(), second.next()];
        if turn == [None, None] {
            return order;
        }
        order.extend(turn.into_iter().flatten());
    }
}

/// Connects to the first of `addrs` that answers. The next is tried when one fails, or a quarter of a
/// second after the attempt began; the other attempts are closed.
///
/// # Errors
/// The error of the last address that failed, with the address; before it, that of an address for which
/// no descriptor was left.
///
/// ```
/// use switchboard_net::{Listener, connect_any};
/// use switchboard_runtime::Model;
///
/// let listener = Listener::bind("127.0.0.1:0")?;
/// let addr = listener.local_addr()?.as_tcp().unwrap();
/// let stream = Model::Threads.run(connect_any(&[addr]))??;
/// assert_eq!(stream.peer_addr()?.as_tcp(), Some(addr));
/// # std::io::Result::Ok(())
/// ```
pub async fn connect_any(addrs: &[SocketAddr]) -> io::Result<Stream> {
    if let [addr] = addrs {
        return connect_one(*addr).await;
    }
    type Attempt = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;
    let mut waiting = addrs.iter().copied();
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut head_start = Box::pin(runtime::sleep(Duration::ZERO));
    let mut last = None;
    poll_fn(move |context| {
        loop {
            let mut failed = false;
            let mut at = 0;
            while at < attempts.len() {
                match attempts[at].as_mut().poll(context) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        // An address that no descriptor was left for was not tried.
                        if last.as_ref().and_then(DescriptorLimit::of).is_none() {
                            last = Some(error);
                        }
                        failed = true;
                        drop(attempts.swap_remove(at));
                    }
                    Poll::Pending => at += 1,
                }
            }
            let due = failed || head_start.as_mut().poll(context).is_ready();
            if !due {
                return Poll::Pending;
            }
            match waiting.next() {
                Some(addr) => {
                    attempts.push(Box::pin(connect_one(addr)));
                    head_start.as_mut().reset(runtime::now() + HEAD_START);
                }
                None if attempts.is_empty() => {
                    let none =
                        || io::Error::new(io::ErrorKind::InvalidInput, "no address to connect to");
                    return Poll::Ready(Err(last.take().unwrap_or_else(none)));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

async fn connect_one(addr: SocketAddr) -> io::Result<Stream> {
    let begin = || {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        socket.set_tcp_nodelay(true)?;
        Ok(socket)
    };
    finish(begin(), &addr.into())
        .await
        .map_err(|error| Explained::error(format!("cannot connect to {addr}: {error}"), error))
}

pub(crate) async fn connect_unix(path: &Path) -> io::Result<Stream> {
    let connected = async {
        let addr = SockAddr::unix(path)?;
        finish(Socket::new(Domain::UNIX, Type::STREAM, None), &addr).await
    };
    connected.await.map_err(|error| {
        let text = format!("cannot connect to {}: {error}", path.display());
        Explained::error(text, error)
    })
}

/// Starts to connect without blocking the thread, and waits for the outcome as the flow does.
async fn finish(socket: io::Result<Socket>, addr: &SockAddr) -> io::Result<Stream> {
    let socket = socket?;
    socket.set_nonblocking(true)?;
    let begun = socket.connect(addr);
    let stream = Stream::from_fd(socket.into());
    match begun {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {
            stream.source().ready(Direction::Write).await?;
            if let Some(error) = SockRef::from(&stream).take_error()? {
                return Err(error);
            }
        }
        Err(error) => return Err(error),
    }
    // Each call says whether it may wait, and a blocking flow waits in its calls.
    SockRef::from(&stream).set_nonblocking(false)?;
    Ok(stream)
}

/// An error of the system and a text that says what failed.
#[derive(Debug)]
struct Explained {
    text: String,
    cause: io::Error,
}

impl Explained {
    fn error(text: String, cause: io::Error) -> io::Error {
        io::Error::new(cause.kind(), Explained { text, cause })
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Explained {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
