//! The file of a chat's history, for one test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use switchboard_chat::{Disk, DiskError, Hub, HubOptions};

/// Numbers the files of this process.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The path of a file of this test's own, which is removed at the end.
pub(crate) struct File(pub(crate) PathBuf);

impl File {
    pub(crate) fn new() -> File {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("switchboard-chat-{}-{number}.redb", std::process::id());
        File(std::env::temp_dir().join(name))
    }

    /// Opens it, or makes it. A hub that had it before may still be on its way to the end.
    pub(crate) fn hub(&self, options: HubOptions) -> Hub {
        let disk = self.free(|path| Disk::open(path, &options));
        Hub::new(options, disk)
    }

    /// Opens it once the hub that had it is gone. A thread that keeps a password holds the hub a moment longer than
    /// until the client is told.
    pub(crate) fn free<T>(&self, open: impl Fn(&Path) -> Result<T, DiskError>) -> T {
        let late = Instant::now() + Duration::from_secs(60);
        loop {
            match open(&self.0) {
                Err(error) if error.to_string().contains("has it open") => {
                    assert!(Instant::now() < late, "{error}");
                    std::thread::yield_now();
                }
                opened => return opened.unwrap(),
            }
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
