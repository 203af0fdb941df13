//! Connecting: by name, and to the first of several addresses that answers.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use switchboard_runtime::{self as runtime, Direction, Wait};

use crate::descriptor_limit::DescriptorLimit;
use crate::explained::Explained;
use crate::resolve::look_up;
use crate::stream::Stream;
use crate::target::{Target, ToTarget};

/// The time by which each address is tried before the next (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);
/// The first pause while the queue of a Unix listener is full; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

impl Stream {
    /// Connects to `peer`: a `"host:port"`, an address, several addresses of one host, or the path of a
    /// Unix socket; see [`ToTarget`]. A name is looked up on another thread. Of several addresses the first
    /// that answers is taken; each is tried a quarter of a second before the next (RFC 8305). Dropping the
    /// future closes all attempts.
    ///
    /// # Errors
    /// `InvalidInput` for a text that is no address with a port; the resolver's error with the name, or that
    /// of the last address with the address.
    pub async fn connect(peer: impl ToTarget) -> io::Result<Stream> {
        match peer.to_target()? {
            Target::Name(host, port) => connect_any(&look_up(host, port).await?).await,
            Target::Addrs(addrs) => connect_any(&addrs).await,
            Target::Path(path) => connect_unix(&path).await,
        }
    }

    /// Connects to a Unix socket. While the queue of its listener is full, waits as a blocking connect does,
    /// with pauses of 1 to 100 ms, because the system reports no event. Dropping the future gives up.
    ///
    /// # Errors
    /// The system's, with the path.
    pub async fn connect_unix(path: impl AsRef<Path>) -> io::Result<Stream> {
        connect_unix(path.as_ref()).await
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
        let mut pause = FIRST_PAUSE;
        loop {
            match finish(Socket::new(Domain::UNIX, Type::STREAM, None), &addr).await {
                // Linux says so while the listener's queue is full, and has no event for its end.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    runtime::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                connected => return connected,
            }
        }
    };
    connected.await.map_err(|error| {
        let text = format!("cannot connect to {}: {error}", path.display());
        Explained::error(text, error)
    })
}

/// Starts to connect without blocking the thread, and waits for the outcome as the flow does.
async fn finish(socket: io::Result<Socket>, addr: &SockAddr) -> io::Result<Stream> {
    // A Unix socket connects at once, but is refused outside of a flow like every other.
    Wait::required()?;
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
