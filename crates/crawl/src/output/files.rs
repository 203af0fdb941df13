//! The output files of a crawl: opened by their names, appended to together, cut together.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::csv::Csv;
use super::jsonl::Jsonl;
use super::stream::Stream;
use super::warc::Warc;
use super::{Fetched, Output};
use crate::locked::Locked;

/// What an archive says of the crawl that wrote it.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The program and its version, such as `switchboard/0.1.0`.
    pub software: String,
    /// The `User-Agent` of all requests.
    pub user_agent: String,
    /// Whether robots.txt was followed.
    pub robots: bool,
}

/// How much of an output file a transaction of the store has committed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recorded {
    /// The file's absolute path.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
}

/// All output files of a crawl, none by default. Locked against other crawls while they are open.
#[derive(Default)]
pub struct Outputs(Vec<Named>);

struct Named {
    name: String,
    output: Box<dyn Output>,
}

impl Outputs {
    /// Opens the files of a crawl, and cuts those that it wrote before to what its store has `recorded`, which
    /// ends with the row of number `seq`. Files that are new are created, and on the disk when this returns.
    ///
    /// The end of a name says what is written: `.jsonl`, `.csv`, `.warc`, `.warc.gz`, or `.sqlite` where the
    /// feature `sqlite` is on.
    ///
    /// # Errors
    /// In one line that begins with the file's name. [`InvalidInput`](ErrorKind::InvalidInput) for a name that
    /// says nothing or comes twice, [`Unsupported`](ErrorKind::Unsupported) for SQLite where it is off, [`AlreadyExists`](ErrorKind::AlreadyExists) for a file with bytes that this
    /// crawl has not written, [`InvalidData`](ErrorKind::InvalidData) for one that has lost bytes,
    /// [`WouldBlock`](ErrorKind::WouldBlock) for one that another crawl writes, and those of the disk.
    ///
    /// ```
    /// use switchboard_crawl::output::{About, Outputs};
    ///
    /// let folder = std::env::temp_dir().join(format!("outputs-{}", std::process::id()));
    /// std::fs::create_dir(&folder)?;
    /// let files = [folder.join("pages.jsonl"), folder.join("pages.warc.gz")];
    /// let outputs = Outputs::open(&files, &[], 0, &About::default())?;
    /// assert!(outputs.recorded().iter().all(|file| file.length == 0));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn open(
        files: &[PathBuf],
        recorded: &[Recorded],
        seq: u64,
        about: &About,
    ) -> io::Result<Outputs> {
        let mut outputs: Vec<Named> = Vec::new();
        for path in files {
            let absolute = std::path::absolute(path)?.into_os_string().into_string();
            let name = absolute.map_err(|_| {
                let error = io::Error::new(ErrorKind::InvalidInput, "its name is no UTF-8");
                named(&path.to_string_lossy(), error)
            })?;
            if outputs.iter().any(|output| output.name == name) {
                let error = io::Error::new(ErrorKind::InvalidInput, "is named twice");
                return Err(named(&name, error));
            }
            let length = recorded.iter().find(|recorded| recorded.name == name);
            let length = length.map(|recorded| recorded.length);
            let opened = open(Path::new(&name), length, seq, about);
            let output = opened.map_err(|error| named(&name, error))?;
            outputs.push(Named { name, output });
        }
        Ok(Outputs(outputs))
    }

    /// Appends rows to all files. If one fails, all are cut to what they were before.
    ///
    /// # Errors
    /// In one line that begins with the file's name: those of the disk.
    pub fn append(&mut self, rows: &[Fetched]) -> io::Result<()> {
        let Some(first) = rows.first() else {
            return Ok(());
        };
        let before: Vec<u64> = self.0.iter().map(|file| file.output.length()).collect();
        let result = self.0.iter_mut().try_for_each(|file| {
            let result = file.output.append(rows);
            result.map_err(|error| named(&file.name, error))
        });
        if result.is_err() {
            for (file, length) in self.0.iter_mut().zip(before) {
                // The error that stands is the first one; the next start cuts again.
                let _ = file.output.cut(length, first.seq.saturating_sub(1));
            }
        }
        result
    }

    /// Returns when all rows are on the disk.
    ///
    /// # Errors
    /// In one line that begins with the file's name: those of the disk. What was appended since the last call
    /// may be lost, so nothing may be committed that relies on it.
    pub fn sync(&mut self) -> io::Result<()> {
        self.0.iter_mut().try_for_each(|file| {
            let result = file.output.sync();
            result.map_err(|error| named(&file.name, error))
        })
    }

    /// Returns what a transaction has to record once [`sync`](Outputs::sync) has returned.
    pub fn recorded(&self) -> Vec<Recorded> {
        let recorded = self.0.iter().map(|file| Recorded {
            name: file.name.clone(),
            length: file.output.length(),
        });
        recorded.collect()
    }

    /// Whether there is no file at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Outputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.recorded()).finish()
    }
}

/// Opens one file, of which `recorded` bytes are this crawl's; `None` if it is new.
fn open(
    path: &Path,
    recorded: Option<u64>,
    seq: u64,
    about: &About,
) -> io::Result<Box<dyn Output>> {
    let kind = Kind::of(path)?;
    if matches!(kind, Kind::Sqlite) && !cfg!(feature = "sqlite") {
        let text = "this program was built without SQLite: build it with the feature `sqlite`";
        return Err(io::Error::new(ErrorKind::Unsupported, text));
    }
    // Looked at before it is opened, since opening a pipe waits for its reader.
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "is no plain file"));
    }
    let file = match recorded {
        Some(_) => OpenOptions::new().append(true).open(path),
        None => create(path),
    };
    let file = file.map_err(|error| match (error.kind(), recorded) {
        (ErrorKind::NotFound, Some(_)) => {
            let text = "this crawl has written it, and it is gone: bring it back, or begin anew";
            io::Error::new(ErrorKind::NotFound, text)
        }
        _ => error,
    })?;
    let file = match Locked::lock(file) {
        Ok(file) => file,
        Err(TryLockError::WouldBlock) => {
            let text = "another crawl writes it: give this one another name";
            return Err(io::Error::new(ErrorKind::WouldBlock, text));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    };
    if recorded.is_none() && file.metadata()?.len() > 0 {
        let text = "exists and is not this crawl's: give another name, or move it away";
        return Err(io::Error::new(ErrorKind::AlreadyExists, text));
    }
    let mut output: Box<dyn Output> = match kind {
        Kind::Jsonl => Box::new(Stream::new(file, Jsonl)),
        Kind::Csv => Box::new(Stream::new(file, Csv)),
        Kind::Warc { gzip } => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Box::new(Stream::new(file, Warc::new(gzip, &name, about)))
        }
        #[cfg(feature = "sqlite")]
        Kind::Sqlite => Box::new(super::sqlite::Sqlite::new(path, file)?),
        #[cfg(not(feature = "sqlite"))]
        Kind::Sqlite => unreachable!("refused before the file was opened"),
    };
    output.cut(recorded.unwrap_or(0), seq)?;
    Ok(output)
}

/// Creates a file whose name is on the disk when this returns. One that is there is opened.
fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

/// What an output is, by the end of its name.
enum Kind {
    Jsonl,
    Csv,
    Warc { gzip: bool },
    Sqlite,
}

impl Kind {
    fn of(path: &Path) -> io::Result<Kind> {
        let name = path.to_string_lossy().to_ascii_lowercase();
        let kinds = [
            (".jsonl", Kind::Jsonl),
            (".csv", Kind::Csv),
            (".warc", Kind::Warc { gzip: false }),
            (".warc.gz", Kind::Warc { gzip: true }),
            (".sqlite", Kind::Sqlite),
        ];
        let found = kinds.into_iter().find(|(end, _)| name.ends_with(end));
        found.map(|(_, kind)| kind).ok_or_else(|| {
            let text =
                "the name does not say what to write: end it with .jsonl, .csv, .warc or .warc.gz";
            io::Error::new(ErrorKind::InvalidInput, text)
        })
    }
}

fn named(name: &str, error: io::Error) -> io::Error {
    let full = error.kind() == ErrorKind::StorageFull;
    let advice = if full {
        ": make room, then go on with the crawl"
    } else {
        ""
    };
    io::Error::new(error.kind(), format!("`{name}`: {error}{advice}"))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::ErrorKind;
    use std::time::{Duration, SystemTime};

    use super::{Csv, Fetched, Jsonl, Locked, Named, Output as _, Outputs, Stream};
    use crate::Address;

    fn row() -> Fetched {
        Fetched {
            seq: 1,
            address: Address::parse("http://a.example/").unwrap(),
            depth: 0,
            parent: None,
            started: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
            peer: None,
            request: Default::default(),
            answer: None,
            fate: "failed",
            cause: None,
            title: String::new(),
            links: 0,
        }
    }

    #[test]
    fn a_full_disk_is_named_and_leaves_valid_files() {
        let path = std::env::temp_dir().join(format!("crawl-full-{}.jsonl", std::process::id()));
        let open = |path| {
            let file = OpenOptions::new().append(true).create(true).open(path);
            Locked::unlocked(file.unwrap())
        };
        let mut whole = Stream::new(open(path.as_path()), Jsonl);
        whole.append(&[row()]).unwrap();
        let length = whole.length();
        let full = Stream::new(open("/dev/full".as_ref()), Csv);
        let file = |name: &str, output| Named {
            name: name.to_owned(),
            output,
        };
        let mut outputs = Outputs(vec![
            file("a.jsonl", Box::new(whole)),
            file("b.csv", Box::new(full)),
        ]);
        let error = outputs.append(&[row(), row()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(
            error.to_string(),
            "`b.csv`: No space left on device (os error 28): make room, then go on with the crawl"
        );
        assert_eq!(fs::metadata(&path).unwrap().len(), length);
        fs::remove_file(path).unwrap();
    }
}
