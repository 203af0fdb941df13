//! The file of a Unix socket: replaced if a server left it behind, removed when this one ends, or does not begin.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use switchboard_net::Listener;

use crate::{passed, registry};

/// Listens at `path`, in place of a socket file that no process listens on.
pub(crate) fn listen(path: &Path) -> io::Result<Listener> {
    match Listener::bind_unix(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            std::fs::remove_file(path)?;
            Listener::bind_unix(path)
        }
        bound => bound,
    }
}

/// Returns whether there is a socket file at `path` that no process listens on.
fn is_stale(path: &Path) -> bool {
    let socket = std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
    socket && connect(path) == Err(Errno::CONNREFUSED)
}

/// Connects, without waiting for a server whose queue is full.
fn connect(path: &Path) -> Result<(), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)
}

/// The file of a socket. Dropped, it is removed, unless another process has the socket.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode, because another server may put a file of its own there.
    identity: (u64, u64),
    /// Whether this process made it; else another one has passed the socket.
    is_new: bool,
}

impl SocketFile {
    /// Returns the file at `path`, which this process made or whose socket it was passed; `None` if it is gone.
    pub(crate) fn new(path: &Path, is_new: bool) -> Option<SocketFile> {
        Some(SocketFile {
            path: path.to_owned(),
            identity: identity(path)?,
            is_new,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_own = (self.is_new || passed::has_succeeded()) && !registry::is_handed_over();
        if is_own && identity(&self.path) == Some(self.identity) {
            // The file may have been removed meanwhile.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let data = std::fs::symlink_metadata(path).ok()?;
    Some((data.dev(), data.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use rustix::net::{bind, listen, socket};

    use super::*;

    #[test]
    fn a_server_whose_queue_is_full_is_no_stale_one() {
        let path = std::env::temp_dir().join(format!("unix-socket-{}", std::process::id()));
        let server = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        bind(&server, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        assert!(is_stale(&path), "nobody listens yet");
        listen(&server, 0).unwrap();
        let _queued = UnixStream::connect(&path).unwrap();
        assert_eq!(connect(&path), Err(Errno::AGAIN));
        assert!(!is_stale(&path));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_file_of_a_server_that_does_not_begin_is_removed() {
        let path = std::env::temp_dir().join(format!("unix-unserved-{}", std::process::id()));
        let bound = crate::Server::new().bind_unix(&path).unwrap();
        assert!(identity(&path).is_some());
        drop(bound);
        assert_eq!(identity(&path), None);
    }
}
