//! Opening the folder of a crawl, or refusing it.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError};

use super::tables::{META, Tables};
use super::{CACHE, FILE, Identity, Store, Totals};

/// The version of the tables. It changes with what they mean.
const FORMAT: u32 = 1;

/// The error for a folder whose crawl cannot be opened or kept. The message names the folder and says what to do.
#[derive(Debug)]
pub struct StoreError {
    folder: PathBuf,
    why: String,
}

impl StoreError {
    pub(crate) fn new(folder: &Path, why: impl fmt::Display) -> StoreError {
        StoreError {
            folder: folder.to_owned(),
            why: why.to_string(),
        }
    }

    /// Says that the store cannot be written or read.
    pub(crate) fn broken(folder: &Path, error: &redb::Error) -> StoreError {
        failed(folder, error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.folder.display(), self.why)
    }
}

impl std::error::Error for StoreError {}

/// What a folder says of its crawl.
pub(super) struct Meta {
    pub(super) identity: Identity,
    pub(super) totals: Totals,
}

impl Store {
    /// Returns whether a folder holds a crawl.
    pub(crate) fn exists(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Makes the folder of a new crawl. Its file appears with what the crawl is, or not at all.
    pub(crate) fn create(folder: &Path, identity: &Identity) -> Result<Store, StoreError> {
        let wrong = |why: String| StoreError::new(folder, why);
        fs::create_dir_all(folder).map_err(|error| wrong(error.to_string()))?;
        let begun = format!("{FILE}.new");
        let listed = fs::read_dir(folder).map_err(|error| wrong(error.to_string()))?;
        let others = listed.filter_map(|it| Some(it.ok()?.file_name()));
        if let Some(other) = others.into_iter().find(|name| *name != *begun) {
            let other = other.display();
            return Err(wrong(format!(
                "holds `{other}` and no crawl: name an empty folder, or one that does not exist"
            )));
        }
        let path = folder.join(&begun);
        // What a process left that was killed here holds nothing.
        let _ = fs::remove_file(&path);
        let database = builder().create(&path);
        let database = database.map_err(|error| refused(folder, error))?;
        let made = (|| -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            let mut tables = Tables::open(&transaction)?;
            tables.put_meta("format", &FORMAT.to_string())?;
            tables.put_meta("identity", &to_json(identity)?)?;
            tables.put_totals(&Totals::default())?;
            drop(tables);
            transaction.commit()?;
            fs::rename(&path, folder.join(FILE))?;
            // The name has to be on disk before anything relies on it.
            File::open(folder)?.sync_all()?;
            Ok(())
        })();
        made.map_err(|error| failed(folder, &error))?;
        Ok(Store::new(folder, database))
    }

    /// Has a crawl that has not begun be another one.
    pub(crate) fn redefine(&mut self, identity: &Identity) -> Result<(), redb::Error> {
        let text = to_json(identity)?;
        self.write(|tables| tables.put_meta("identity", &text))
    }

    /// Opens the folder of a crawl, and reads what it is and how far it is.
    pub(crate) fn open(folder: &Path) -> Result<(Store, Identity, Totals), StoreError> {
        let database = builder().open(folder.join(FILE));
        let database = database.map_err(|error| refused(folder, error))?;
        let meta = read_meta(folder, &database)?;
        let store = Store::new(folder, database);
        Ok((store, meta.identity, meta.totals))
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}

/// Reads what a crawl is; refuses what is no crawl, or one of a newer version.
pub(super) fn read_meta(
    folder: &Path,
    database: &impl ReadableDatabase,
) -> Result<Meta, StoreError> {
    let foreign = || StoreError::new(folder, format!("its {FILE} is not that of a crawl"));
    let read = |name: &str| -> Result<Option<String>, redb::Error> {
        let table = database.begin_read()?.open_table(META)?;
        let text = table.get(name)?;
        Ok(text.map(|text| text.value().to_owned()))
    };
    let format = match read("format") {
        Ok(Some(format)) => format.parse::<u32>().map_err(|_| foreign())?,
        Ok(None)
        | Err(redb::Error::TableDoesNotExist(_) | redb::Error::TableTypeMismatch { .. }) => {
            return Err(foreign());
        }
        Err(error) => return Err(failed(folder, &error)),
    };
    if format > FORMAT {
        return Err(StoreError::new(
            folder,
            format!(
                "written by a newer version of switchboard (format {format}, this one knows {FORMAT}): go on with that"
            ),
        ));
    }
    let text = |name| {
        let text = read(name).map_err(|error| failed(folder, &error))?;
        text.ok_or_else(foreign)
    };
    let damaged = |error: serde_json::Error| StoreError::new(folder, format!("damaged: {error}"));
    Ok(Meta {
        identity: serde_json::from_str(&text("identity")?).map_err(damaged)?,
        totals: serde_json::from_str(&text("totals")?).map_err(damaged)?,
    })
}

fn to_json(identity: &Identity) -> Result<String, redb::Error> {
    serde_json::to_string(identity).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

/// Says why redb does not open the file.
pub(super) fn refused(folder: &Path, error: DatabaseError) -> StoreError {
    let why = match error {
        DatabaseError::DatabaseAlreadyOpen => {
            "another process crawls with it: wait for its end, or stop it".to_owned()
        }
        DatabaseError::UpgradeRequired(version) => {
            format!("its {FILE} has a format of redb that this version does not read ({version})")
        }
        DatabaseError::Storage(StorageError::Io(error)) => match error.kind() {
            io::ErrorKind::NotFound => "holds no crawl".to_owned(),
            io::ErrorKind::InvalidData => format!("its {FILE} is not that of a crawl"),
            _ => error.to_string(),
        },
        other => format!("its {FILE} cannot be read: {other}"),
    };
    StoreError::new(folder, why)
}

/// Says why redb does not write or read.
pub(super) fn failed(folder: &Path, error: &redb::Error) -> StoreError {
    let why = match error {
        redb::Error::Io(error) if error.kind() == io::ErrorKind::StorageFull => {
            format!("{error}: make room, then go on with --resume")
        }
        redb::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    StoreError::new(folder, why)
}
