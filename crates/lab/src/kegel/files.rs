//! The files of `kegel`, and how the kernel is made to forget them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise, statvfs, syncfs};

/// The name of the folder, before the process id of the program that made it.
const PREFIX: &str = "switchboard-kegel-";

/// Folders of files that are removed with this value.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    folders: usize,
    each: usize,
}

impl Files {
    /// Makes `folders` folders of `each` files and blocks until they are on the disk.
    ///
    /// # Errors
    /// One line that names the folder; what was made is removed.
    pub(super) fn create(folders: usize, each: usize, bytes: usize) -> io::Result<Files> {
        Files::sweep();
        let name = format!("{PREFIX}{}", std::process::id());
        let files = Files {
            root: std::env::temp_dir().join(name),
            folders,
            each,
        };
        let explain = |error: io::Error| {
            let text = format!("{}: {error}", files.root.display());
            io::Error::new(error.kind(), text)
        };
        files.fill(bytes).map_err(explain)?;
        Ok(files)
    }

    /// Removes the folders of programs that were ended before they could do it.
    fn sweep() {
        for entry in fs::read_dir(std::env::temp_dir())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            let is_number = pid.is_some_and(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()));
            if let Some(pid) = pid.filter(|_| is_number)
                && Path::new("/proc/self").exists()
                && !Path::new("/proc").join(pid).exists()
            {
                // Those of other users stay.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn fill(&self, bytes: usize) -> io::Result<()> {
        fs::create_dir(&self.root)?;
        for folder in 0..self.folders {
            let path = self.folder(folder);
            fs::create_dir(&path)?;
            for number in 0..self.each {
                let content: Vec<u8> = number
                    .to_be_bytes()
                    .into_iter()
                    .cycle()
                    .take(bytes)
                    .collect();
                File::create(path.join(number.to_string()))?.write_all(&content)?;
            }
        }
        Ok(syncfs(File::open(&self.root)?)?)
    }

    pub(super) fn folder(&self, number: usize) -> PathBuf {
        self.root.join(format!("{number}"))
    }

    /// Asks the kernel to drop the files' pages, which are written, from its cache. Names and inodes stay there.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn forget(&self) -> io::Result<()> {
        for folder in 0..self.folders {
            let path = self.folder(folder);
            for number in 0..self.each {
                let file = File::open(path.join(number.to_string()))?;
                fadvise(&file, 0, None, Advice::DontNeed)?;
            }
        }
        Ok(())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's folder for such files.
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Returns the bytes that are free where the files would be; `None` where the system does not say.
pub(super) fn free_bytes() -> Option<u64> {
    let found = statvfs(std::env::temp_dir()).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_made_forgotten_and_removed() {
        let files = Files::create(2, 3, 4096).unwrap();
        let last = files.folder(1).join("2");
        assert_eq!(fs::metadata(&last).unwrap().len(), 4096);
        files.forget().unwrap();
        let root = files.root.clone();
        drop(files);
        assert!(!root.exists());
    }
}
