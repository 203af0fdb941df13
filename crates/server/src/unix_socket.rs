//! The file of a Unix socket: replaced if a server left it behind, removed when this one ends.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use switchboard_net::Listener;

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
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    socket && UnixStream::connect(path).is_err_and(refused)
}

/// A socket file that this process made.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode, because another server may put a file of its own there.
    identity: (u64, u64),
}

impl SocketFile {
    /// Returns the file at `path`; `None` if it is gone.
    pub(crate) fn new(path: &Path) -> Option<SocketFile> {
        Some(SocketFile {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }

    /// Removes the file if it is still the same one.
    pub(crate) fn remove(self) {
        if identity(&self.path) == Some(self.identity) {
            // The file may have been removed meanwhile.
            let _ = std::fs::remove_file(self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let data = std::fs::symlink_metadata(path).ok()?;
    Some((data.dev(), data.ino()))
}
