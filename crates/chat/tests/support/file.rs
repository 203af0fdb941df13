//! The file of a chat's history, for one test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard_chat::{Disk, Hub, HubOptions};

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

    /// Opens it, or makes it.
    pub(crate) fn hub(&self, options: HubOptions) -> Hub {
        let disk = Disk::open(&self.0, &options).unwrap();
        Hub::new(options, disk)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
