//! Opening files below a folder, and never outside of it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, openat};
use rustix::io::Errno;

/// How often a path is tried while folders on its way are renamed.
const TRIES: usize = 16;

/// The folder whose files are served.
#[derive(Debug)]
pub(super) struct Folder {
    root: OwnedFd,
    /// Whether the kernel keeps a path below the folder (`openat2`, Linux from 5.6).
    kept_by_kernel: bool,
}

/// A file or a folder that is open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) stat: Stat,
}

impl Opened {
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    pub(super) fn length(&self) -> u64 {
        self.stat.st_size.unsigned_abs()
    }
}

impl Folder {
    /// Opens the folder.
    ///
    /// # Errors
    /// The system's, such as `NotADirectory`.
    pub(super) fn new(path: &Path) -> io::Result<Folder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(path, flags, Mode::empty())?;
        // It is missing before Linux 5.6, and some sandboxes forbid what they do not know.
        let kept_by_kernel = beneath::open(&root, b".", OFlags::RDONLY).is_ok();
        Ok(Folder {
            root,
            kept_by_kernel,
        })
    }

    /// Opens what has this path below the folder; `EXDEV` for a symbolic link that is absolute, or
    /// leaves the folder.
    ///
    /// A pipe or a device is opened without waiting, and is the caller's to refuse.
    pub(super) fn open(&self, path: &[u8]) -> Result<Opened, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.open_with(path, flags)?);
        let stat = fstat(&file)?;
        Ok(Opened { file, stat })
    }

    /// Returns what the system knows of a path, links followed; reads nothing.
    #[cfg(target_os = "linux")]
    pub(super) fn stat(&self, path: &[u8]) -> Result<Stat, Errno> {
        fstat(self.open_with(path, OFlags::PATH)?)
    }

    /// Returns what the system knows of a path, links followed; reads nothing.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn stat(&self, path: &[u8]) -> Result<Stat, Errno> {
        fstat(self.open_with(path, OFlags::RDONLY | OFlags::NONBLOCK)?)
    }

    fn open_with(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        if !self.kept_by_kernel {
            return open_names(&self.root, path, flags);
        }
        let mut opened = beneath::open(&self.root, path, flags);
        for _ in 1..TRIES {
            if opened.as_ref().err() != Some(&Errno::AGAIN) {
                break;
            }
            opened = beneath::open(&self.root, path, flags);
        }
        opened
    }
}

/// Opens a path one name after the other, so that no link is followed: whether one leaves the folder cannot
/// be told without a race.
fn open_names(root: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut names = path.split(|byte| *byte == b'/').peekable();
    let mut folder: Option<OwnedFd> = None;
    loop {
        let name = names.next().unwrap_or(b".");
        let parent = folder.as_ref().unwrap_or(root).as_fd();
        let last = names.peek().is_none();
        let flags = match last {
            true => flags,
            false => OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        };
        let opened = openat(parent, name, flags, Mode::empty());
        let opened = opened.map_err(|error| match error {
            // What the kernel says of a link that is not to be followed.
            Errno::LOOP | Errno::MLINK => Errno::XDEV,
            error => error,
        })?;
        if last {
            return Ok(opened);
        }
        folder = Some(opened);
    }
}

#[cfg(target_os = "linux")]
mod beneath {
    use rustix::fs::{ResolveFlags, openat2};

    use super::*;

    pub(super) fn open(root: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }
}

#[cfg(not(target_os = "linux"))]
mod beneath {
    use super::*;

    pub(super) fn open(_: &OwnedFd, _: &[u8], _: OFlags) -> Result<OwnedFd, Errno> {
        Err(Errno::NOSYS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_opening_stay_below_the_folder() {
        let outside = std::env::temp_dir().join(format!("folder-{}", std::process::id()));
        let path = outside.join("inside");
        std::fs::create_dir_all(path.join("sub")).unwrap();
        std::fs::write(outside.join("secret"), "secret").unwrap();
        std::fs::write(path.join("sub/file"), "file").unwrap();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, path.join(name)).unwrap();
        link("../secret", "up");
        link("/etc/passwd", "absolute");
        link("..", "parent");
        link("sub/file", "within");
        let kernel = Folder::new(&path).unwrap();
        let names = Folder {
            kept_by_kernel: false,
            ..Folder::new(&path).unwrap()
        };
        for folder in [&kernel, &names] {
            assert_eq!(folder.open(b"sub/file").unwrap().length(), 4);
            assert!(folder.open(b"").is_ok());
            for leaving in [&b"up"[..], b"absolute"] {
                assert_eq!(folder.open(leaving).unwrap_err(), Errno::XDEV);
            }
            assert!(folder.open(b"parent/secret").is_err());
            assert_eq!(folder.open(b"none").unwrap_err(), Errno::NOENT);
            assert_eq!(folder.open(b"sub/file/x").unwrap_err(), Errno::NOTDIR);
        }
        if kernel.kept_by_kernel {
            assert_eq!(kernel.open(b"within").unwrap().length(), 4);
        }
        assert_eq!(names.open(b"within").unwrap_err(), Errno::XDEV);
        std::fs::remove_dir_all(outside).unwrap();
    }
}
