//! Files that one process at a time has.

use std::fs::{File, TryLockError};
use std::ops::Deref;

/// A file that is locked against other processes, and against this one, until it is dropped.
pub(crate) struct Locked(File);

impl Locked {
    /// Locks a file. Does not wait.
    ///
    /// # Errors
    /// `WouldBlock` if it is locked; those of the system.
    pub(crate) fn lock(file: File) -> Result<Locked, TryLockError> {
        file.try_lock()?;
        Ok(Locked(file))
    }

    /// Returns a file without its lock: that of a device would be shared with other tests.
    #[cfg(test)]
    pub(crate) fn unlocked(file: File) -> Locked {
        Locked(file)
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing the file does not unlock it while a child process that was forked has a duplicate of the descriptor.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_although_a_child_has_the_file() {
        let path = std::env::temp_dir().join(format!("crawl-locked-{}", std::process::id()));
        let open = || File::create(&path).unwrap();
        let locked = Locked::lock(open()).unwrap();
        assert!(matches!(
            Locked::lock(open()),
            Err(TryLockError::WouldBlock)
        ));
        // A child process inherits a duplicate of the descriptor, and this is one too.
        let inherited = locked.try_clone().unwrap();
        drop(locked);
        assert!(Locked::lock(open()).is_ok());
        drop(inherited);
        std::fs::remove_file(path).unwrap();
    }
}
