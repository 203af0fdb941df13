//! Files that are written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Writes a file whole or not at all: beside its place first, and then into it, with the permissions of a file that is
/// there. What a symbolic link leads to is replaced, and not the link. Pipes and devices are written as they are, and so
/// is a file in a folder where no other one can be made. Blocks on the disk.
///
/// # Errors
/// Those of the disk. A file that was there is as it was, unless it was written as it is.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let there = fs::metadata(&path).ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return fs::write(&path, bytes);
    }
    if there.is_some() {
        // One that may not be written may not be replaced either.
        OpenOptions::new().write(true).open(&path)?;
    }
    let (begun, mut file) = match beside(&path) {
        Ok(begun) => begun,
        Err(error) => match error.kind() {
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::InvalidFilename => return fs::write(&path, bytes),
            _ => return Err(error),
        },
    };
    let written = file.write_all(bytes);
    let written = written.and_then(|()| match there {
        Some(there) => file.set_permissions(there.permissions()),
        None => Ok(()),
    });
    let written = written.and_then(|()| fs::rename(&begun, &path));
    if written.is_err() {
        let _ = fs::remove_file(&begun);
    }
    written
}

/// Checks that a file that is not there can be made, by one beside it. Blocks on the disk.
///
/// # Errors
/// Those of the disk.
pub(crate) fn can_be_made(path: &Path) -> io::Result<()> {
    let (begun, _) = beside(path)?;
    fs::remove_file(begun)
}

/// Makes a file with a name of its own in the folder of another one.
fn beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut number = 0_u32;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}-{number}.new", std::process::id()));
        let begun = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).open(&begun) {
            // An earlier process with the same number may have left a file.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < 100 => number += 1,
            made => return made.map(|file| (begun, file)),
        }
    }
}
