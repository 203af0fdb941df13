//! Files, on the threads of [`run_blocking`].
//!
//! The system reports no readiness for files, so each operation here is a job for a thread. A dropped future
//! does not stop its job: a write may happen after that. Everything works [outside of any
//! flow](crate#outside-of-any-flow), too.
//!
//! A flow that reads many small files does better to read them in one job of `run_blocking`.
//!
//! ```
//! use switchboard_runtime::{Model, fs};
//!
//! let path = std::env::temp_dir().join(format!("example-{}", std::process::id()));
//! let text = Model::Tasks.run(async {
//!     fs::write(&path, "hello").await?;
//!     let text = fs::read_to_string(&path).await?;
//!     fs::remove_file(&path).await?;
//!     std::io::Result::Ok(text)
//! })??;
//! assert_eq!(text, "hello");
//! # std::io::Result::Ok(())
//! ```

use std::fs::{Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::threads::offload::run_blocking;

/// Runs `job` on a thread.
async fn offload<T: Send + 'static>(
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    run_blocking(job).await.map_err(io::Error::from)?
}

/// Runs `job` for a path on a thread.
async fn offload_path<T: Send + 'static>(
    path: &Path,
    job: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let path = path.to_owned();
    offload(move || job(&path)).await
}

/// Returns the content of a file.
///
/// # Errors
/// The system's, such as `NotFound`; that of a thread that cannot be started.
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    offload_path(path.as_ref(), |path| std::fs::read(path)).await
}

/// Returns the content of a file as text.
///
/// # Errors
/// `InvalidData` if it is not UTF-8; those of [`read`].
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    offload_path(path.as_ref(), |path| std::fs::read_to_string(path)).await
}

/// Makes a file with this content, in place of one that is there.
///
/// # Errors
/// As [`read`].
pub async fn write(path: impl AsRef<Path>, content: impl Into<Vec<u8>>) -> io::Result<()> {
    let content = content.into();
    offload_path(path.as_ref(), move |path| std::fs::write(path, content)).await
}

/// Returns what the system knows of a file: its kind, its length, its times.
///
/// # Errors
/// As [`read`].
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    offload_path(path.as_ref(), |path| std::fs::metadata(path)).await
}

/// Makes a directory, with those above it that are missing.
///
/// # Errors
/// As [`read`].
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    offload_path(path.as_ref(), |path| std::fs::create_dir_all(path)).await
}

/// Renames a file, in place of one that has the new name.
///
/// # Errors
/// As [`read`].
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let to = to.as_ref().to_owned();
    offload_path(from.as_ref(), move |from| std::fs::rename(from, to)).await
}

/// Removes a file.
///
/// # Errors
/// As [`read`].
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    offload_path(path.as_ref(), |path| std::fs::remove_file(path)).await
}

/// An open file, read and written at offsets. A clone is the same file, which several flows may use at once.
///
/// ```
/// use switchboard_runtime::{Model, fs::File};
///
/// let path = std::env::temp_dir().join(format!("file-{}", std::process::id()));
/// let middle = Model::Threads.run(async {
///     let file: File = File::create(&path).await?;
///     file.write_all_at("hello world", 0).await?;
///     let file = File::open(&path).await?;
///     file.read_at(5, 6).await
/// })??;
/// assert_eq!(middle, b"world");
/// # std::fs::remove_file(path)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct File(Arc<std::fs::File>);

impl File {
    /// Opens a file to read it.
    ///
    /// # Errors
    /// As [`read`].
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        File::open_with(OpenOptions::new().read(true).clone(), path).await
    }

    /// Makes a file, or empties the one that is there, to write it.
    ///
    /// # Errors
    /// As [`read`].
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        let options = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .clone();
        File::open_with(options, path).await
    }

    /// Opens a file as `options` say.
    ///
    /// # Errors
    /// As [`read`].
    pub async fn open_with(options: OpenOptions, path: impl AsRef<Path>) -> io::Result<File> {
        let open = move |path: &Path| options.open(path);
        Ok(File::from(offload_path(path.as_ref(), open).await?))
    }

    async fn offload<T: Send + 'static>(
        &self,
        job: impl FnOnce(&std::fs::File) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let file = self.0.clone();
        offload(move || job(&file)).await
    }

    /// Reads at most `length` bytes at `offset`; none at the end of the file.
    ///
    /// # Errors
    /// The system's; that of a thread that cannot be started.
    pub async fn read_at(&self, length: usize, offset: u64) -> io::Result<Vec<u8>> {
        self.offload(move |file| {
            let mut bytes = vec![0; length];
            let read = file.read_at(&mut bytes, offset)?;
            bytes.truncate(read);
            Ok(bytes)
        })
        .await
    }

    /// Writes some of `bytes` at `offset` and returns their number. A file that was opened to append gets
    /// them at its end.
    ///
    /// # Errors
    /// As [`read_at`](File::read_at).
    pub async fn write_at(&self, bytes: impl Into<Vec<u8>>, offset: u64) -> io::Result<usize> {
        let bytes = bytes.into();
        self.offload(move |file| file.write_at(&bytes, offset))
            .await
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// As [`read_at`](File::read_at).
    pub async fn write_all_at(&self, bytes: impl Into<Vec<u8>>, offset: u64) -> io::Result<()> {
        let bytes = bytes.into();
        self.offload(move |file| file.write_all_at(&bytes, offset))
            .await
    }

    /// Returns what the system knows of the file.
    ///
    /// # Errors
    /// As [`read_at`](File::read_at).
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.offload(std::fs::File::metadata).await
    }

    /// Cuts the file off at `length`, or extends it by zeros.
    ///
    /// # Errors
    /// As [`read_at`](File::read_at).
    pub async fn set_len(&self, length: u64) -> io::Result<()> {
        self.offload(move |file| file.set_len(length)).await
    }

    /// Waits until what was written is on the disk.
    ///
    /// # Errors
    /// As [`read_at`](File::read_at).
    pub async fn sync_all(&self) -> io::Result<()> {
        self.offload(std::fs::File::sync_all).await
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> File {
        File(Arc::new(file))
    }
}
