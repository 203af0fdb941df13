//! Listening sockets that this process did not bind: systemd passed them, or the process that this one takes
//! over from.
//!
//! Between two processes they go through a socket of messages, which the new process has as its stdin:
//!
//! ```text
//!   old                                                     new
//!    ├─ starts it, with SWITCHBOARD_SUCCEEDS=PID ──────────►│
//!    ├─ STDIN, and the old one's stdin ────────────────────►│
//!    ├─ LISTENER and a name, with the sockets of a server ─►│ for each server, in the order of their binds
//!    ├─ MORE, with further sockets of the same server ─────►│ if one message cannot have all
//!    ├─ END ───────────────────────────────────────────────►│
//!    │◄───────────────────────────────────────────── READY ─┤ as soon as it accepts
//! ```

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use listenfd::ListenFd;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use switchboard_net::Listener;

/// The environment variable with the process that the new one takes over from.
pub(crate) const SUCCEEDS: &str = "SWITCHBOARD_SUCCEEDS";

/// The name of the sockets that systemd passed.
pub(crate) const BY_SYSTEMD: &str = "systemd";

/// The most descriptors of a message, which is Linux's limit.
const MOST: usize = 253;
/// The longest message: a kind and a name.
const LONGEST: usize = 4096;

const STDIN: u8 = b'I';
const LISTENER: u8 = b'L';
const MORE: u8 = b'M';
const END: u8 = b'E';
const READY: u8 = b'R';

/// What was passed to this process and not taken yet.
#[derive(Default)]
struct Passed {
    servers: Vec<PassedServer>,
    /// The process that waits until this one is ready.
    predecessor: Option<OwnedFd>,
    /// Whether it was told that.
    has_succeeded: bool,
}

/// The listening sockets of one server.
struct PassedServer {
    /// The name under which a server looks for them. Several may have the same, such as two on `127.0.0.1:0`.
    name: String,
    sockets: Vec<OwnedFd>,
}

/// Takes the sockets of the first server of a name that is left, in the order in which they were passed.
///
/// # Errors
/// The system's, of what the predecessor or systemd passed.
pub(crate) fn take(name: &str) -> io::Result<Vec<Listener>> {
    let taken = passed()?.take(name);
    taken.into_iter().map(listener).collect()
}

/// Returns whether systemd has passed sockets, to this process or to one that it takes over from, and no server
/// has taken them. A program asks before it starts threads.
///
/// ```
/// assert!(!switchboard_server::has_passed_sockets());
/// ```
pub fn has_passed_sockets() -> bool {
    passed().is_ok_and(|passed| {
        passed
            .servers
            .iter()
            .any(|server| server.name == BY_SYSTEMD)
    })
}

/// Tells the predecessor that this process accepts; returns whether there is one. Sockets that no server has
/// taken are closed.
pub(crate) fn tell_ready() -> io::Result<bool> {
    let mut passed = passed()?;
    passed.servers.clear();
    let Some(predecessor) = passed.predecessor.take() else {
        return Ok(false);
    };
    rustix::net::send(predecessor, &[READY], SendFlags::NOSIGNAL)?;
    passed.has_succeeded = true;
    Ok(true)
}

/// Returns whether this process has told its predecessor that it accepts, so that the other one ends.
pub(crate) fn has_succeeded() -> bool {
    passed().is_ok_and(|passed| passed.has_succeeded)
}

fn passed() -> io::Result<MutexGuard<'static, Passed>> {
    static PASSED: OnceLock<Result<Mutex<Passed>, String>> = OnceLock::new();
    let passed = PASSED.get_or_init(|| {
        let passed = Passed::receive().map(Mutex::new);
        passed.map_err(|error| format!("the sockets passed to this process: {error}"))
    });
    match passed {
        Ok(passed) => Ok(passed.lock().unwrap_or_else(PoisonError::into_inner)),
        Err(text) => Err(io::Error::other(text.clone())),
    }
}

impl Passed {
    fn take(&mut self, name: &str) -> Vec<OwnedFd> {
        let first = self.servers.iter().position(|server| server.name == name);
        first.map_or_else(Vec::new, |at| self.servers.remove(at).sockets)
    }

    fn receive() -> io::Result<Passed> {
        match succeeds() {
            true => Passed::by_predecessor(),
            false => Passed::by_systemd(),
        }
    }

    /// Receives what the predecessor sends, and takes its stdin for this process's.
    fn by_predecessor() -> io::Result<Passed> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let stdin = |stdin: &OwnedFd| rustix::stdio::dup2_stdin(stdin).map_err(Into::into);
        let servers = receive_servers(&socket, stdin)?;
        Ok(Passed {
            servers,
            predecessor: Some(socket),
            has_succeeded: false,
        })
    }

    fn by_systemd() -> io::Result<Passed> {
        let mut all = ListenFd::from_env();
        let mut sockets = Vec::new();
        for at in 0..all.len() {
            // Of an IP socket if it is none of a Unix socket; the error is the one of that.
            let socket = match all.take_unix_listener(at) {
                Ok(socket) => socket.map(OwnedFd::from),
                Err(_) => all.take_tcp_listener(at)?.map(OwnedFd::from),
            };
            sockets.extend(socket);
        }
        let name = BY_SYSTEMD.to_owned();
        let all = PassedServer { name, sockets };
        Ok(Passed {
            servers: Some(all)
                .filter(|all| !all.sockets.is_empty())
                .into_iter()
                .collect(),
            predecessor: None,
            has_succeeded: false,
        })
    }
}

/// Receives what a predecessor sends, and hands its stdin to `stdin`.
fn receive_servers(
    from: &OwnedFd,
    stdin: impl Fn(&OwnedFd) -> io::Result<()>,
) -> io::Result<Vec<PassedServer>> {
    let mut servers: Vec<PassedServer> = Vec::new();
    loop {
        let (kind, name, sockets) = receive(from)?;
        match kind {
            LISTENER => servers.push(PassedServer { name, sockets }),
            MORE => {
                if let Some(last) = servers.last_mut() {
                    last.sockets.extend(sockets);
                }
            }
            STDIN => sockets.iter().try_for_each(&stdin)?,
            _ => return Ok(servers),
        }
    }
}

/// Returns whether the parent of this process has started it to take over. A process that this one starts has
/// another parent.
fn succeeds() -> bool {
    let Ok(predecessor) = std::env::var(SUCCEEDS) else {
        return false;
    };
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    predecessor.parse().ok() == parent
}

/// Makes a listener from a socket that must listen.
fn listener(socket: OwnedFd) -> io::Result<Listener> {
    if !rustix::net::sockopt::socket_acceptconn(&socket)? {
        let text = "a socket passed to this process does not listen (systemd: Accept=no)";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    // Accepted sockets inherit it. Unix sockets have no such option.
    let _ = rustix::net::sockopt::set_tcp_nodelay(&socket, true);
    Listener::from_fd(socket)
}

/// Sends the stdin of this process, and the sockets of servers with their names. Does not wait.
///
/// # Errors
/// The system's; `WouldBlock` for more servers than the socket has room for.
pub(crate) fn send_all<'a>(
    to: impl AsFd,
    servers: impl Iterator<Item = (&'a str, Vec<BorrowedFd<'a>>)>,
) -> io::Result<()> {
    let to = to.as_fd();
    send(to, STDIN, "", &[io::stdin().as_fd()])?;
    for (name, sockets) in servers {
        let mut parts = sockets.chunks(MOST);
        send(to, LISTENER, name, parts.next().unwrap_or_default())?;
        parts.try_for_each(|more| send(to, MORE, "", more))?;
    }
    send(to, END, "", &[])
}

/// Returns whether the new process has said that it is ready; `false` if it has ended instead.
///
/// # Errors
/// The system's; `WouldBlock` before either.
pub(crate) fn is_ready(socket: impl AsFd) -> io::Result<bool> {
    let mut byte = [0];
    match rustix::net::recv(socket, &mut byte, RecvFlags::DONTWAIT) {
        Ok((_, length)) => Ok(length == 1 && byte[0] == READY),
        // It has ended before it read what was sent.
        Err(Errno::CONNRESET) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn send(to: BorrowedFd<'_>, kind: u8, name: &str, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    let kind = [kind];
    let bytes = [IoSlice::new(&kind), IoSlice::new(name.as_bytes())];
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(to, &bytes, &mut control, flags)?;
    Ok(())
}

fn receive(socket: &OwnedFd) -> io::Result<(u8, String, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; LONGEST];
    let mut buffers = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(socket, &mut buffers, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    let Some((&kind, name)) = bytes[..received.bytes].split_first() else {
        let text = "the process to take over from has ended";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
    };
    Ok((kind, String::from_utf8_lossy(name).into_owned(), fds))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    #[test]
    fn each_bind_takes_the_sockets_of_one_server() {
        let kind = SocketType::SEQPACKET;
        let (from, to) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
        let sockets = [0; 4].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let addr = |socket: &OwnedFd| rustix::net::getsockname(socket).unwrap();
        let servers = [
            ("127.0.0.1:0", vec![sockets[0].as_fd()]),
            ("other", vec![sockets[1].as_fd(); MOST + 2]),
            ("127.0.0.1:0", vec![sockets[2].as_fd(), sockets[3].as_fd()]),
        ];
        send_all(from, servers.into_iter()).unwrap();
        let mut passed = Passed {
            servers: receive_servers(&to, |_| Ok(())).unwrap(),
            predecessor: None,
            has_succeeded: false,
        };
        let mut ports = |name: &str| -> Vec<_> { passed.take(name).iter().map(addr).collect() };
        let expected = sockets.map(|socket| addr(&socket.into()));
        assert_eq!(ports("127.0.0.1:0"), expected[..1]);
        assert_eq!(ports("127.0.0.1:0"), expected[2..]);
        assert!(ports("127.0.0.1:0").is_empty());
        assert_eq!(ports("other"), vec![expected[1].clone(); MOST + 2]);
    }
}
