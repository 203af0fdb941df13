//! The folder of a process in a shared crawl: which crawl and which process it is, and nothing else.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::CrawlError;
use crate::locked::Locked;
use crate::store::StoreError;

/// The name of the file.
pub(crate) const FILE: &str = "shared.json";

const LOCK: &str = "lock";

/// What the file says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Member {
    /// The name of the crawl.
    pub(super) crawl: String,
    /// Its number, which another crawl of the same name has not.
    pub(super) id: String,
    pub(super) process: String,
}

/// A folder that no other process has open.
pub(super) struct Folder {
    path: PathBuf,
    /// `None` until there is a folder.
    lock: Option<Locked>,
}

impl Folder {
    /// Opens a folder, if there is one, and reads what it has. One of something else is refused.
    pub(super) fn open(path: &Path) -> Result<(Folder, Option<Member>), CrawlError> {
        let mut folder = Folder {
            path: path.to_owned(),
            lock: None,
        };
        let text = match fs::read_to_string(path.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return folder.refuse_others().map(|()| (folder, None));
            }
            Err(error) => return Err(folder.failed(&error)),
        };
        folder.lock()?;
        let member = serde_json::from_str(&text).map_err(|error| {
            folder.failed(&format!("its {FILE} is not that of a crawl: {error}"))
        })?;
        Ok((folder, Some(member)))
    }

    fn refuse_others(&self) -> Result<(), CrawlError> {
        let Ok(mut files) = fs::read_dir(&self.path) else {
            return Ok(());
        };
        let other = files.find_map(|file| {
            Some(file.ok()?.file_name())
                .filter(|name| *name != LOCK && *name != *format!("{FILE}.new"))
        });
        match other {
            None => Ok(()),
            Some(other) => {
                let other = other.display();
                Err(self.failed(&format!(
                    "holds `{other}` and no shared crawl: name an empty folder, or one that does not exist"
                )))
            }
        }
    }

    fn lock(&mut self) -> Result<(), CrawlError> {
        let lock = File::create(self.path.join(LOCK)).map_err(|error| self.failed(&error))?;
        match Locked::lock(lock) {
            Ok(lock) => {
                self.lock = Some(lock);
                Ok(())
            }
            Err(TryLockError::WouldBlock) => {
                let text = "another process crawls with it: give each process a folder by --state";
                Err(self.failed(&text))
            }
            Err(TryLockError::Error(error)) => Err(self.failed(&error)),
        }
    }

    /// Writes which process it is of, unless it says so already.
    pub(super) fn keep(&mut self, member: &Member) -> Result<(), CrawlError> {
        if self.lock.is_some() {
            return Ok(());
        }
        fs::create_dir_all(&self.path).map_err(|error| self.failed(&error))?;
        self.lock()?;
        let begun = self.path.join(format!("{FILE}.new"));
        let kept = (|| -> io::Result<()> {
            let mut file = File::create(&begun)?;
            file.write_all(&serde_json::to_vec(member)?)?;
            file.sync_all()?;
            fs::rename(&begun, self.path.join(FILE))?;
            File::open(&self.path)?.sync_all()
        })();
        kept.map_err(|error| self.failed(&error))
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> CrawlError {
        StoreError::new(&self.path, why).into()
    }
}
