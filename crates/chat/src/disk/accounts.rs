//! The accounts of a file, while no server has it open.

use std::path::Path;

use redb::Database;

use super::tables::{self, Tables};
use super::{Disk, DiskError};
use crate::Name;

impl Disk {
    /// Returns the names that have passwords in a file. Blocks.
    ///
    /// # Errors
    /// If the file is not there, is of another kind, or is open in a server.
    ///
    /// ```
    /// use switchboard_chat::{Disk, HubOptions};
    ///
    /// let path = std::env::temp_dir().join(format!("accounts-{}.redb", std::process::id()));
    /// drop(Disk::open(&path, &HubOptions::default())?);
    /// assert!(Disk::accounts_in(&path)?.is_empty());
    /// assert_eq!(Disk::remove_accounts(&path, &["ann".parse()?])?, [false]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn accounts_in(path: &Path) -> Result<Vec<Name>, DiskError> {
        // It may have to be repaired first.
        let database = Database::open(path).map_err(|error| unopened(path, error))?;
        let accounts = tables::read_accounts(&database).map_err(|error| wrong(path, &error))?;
        Ok(accounts.into_iter().map(|account| account.nick).collect())
    }

    /// Takes the passwords from names in a file, so that everybody can have the names. Returns of each whether it had one.
    /// Blocks.
    ///
    /// # Errors
    /// As [`accounts_in`](Disk::accounts_in).
    pub fn remove_accounts(path: &Path, nicks: &[Name]) -> Result<Vec<bool>, DiskError> {
        let database = Database::open(path).map_err(|error| unopened(path, error))?;
        let remove = || {
            let transaction = database.begin_write()?;
            let mut tables = Tables::open(&transaction)?;
            let removed = nicks.iter().map(|nick| tables.remove_account(nick));
            let removed = removed.collect::<Result<_, _>>()?;
            drop(tables);
            transaction.commit()?;
            Ok(removed)
        };
        remove().map_err(|error: redb::Error| wrong(path, &error))
    }
}

fn unopened(path: &Path, error: redb::DatabaseError) -> DiskError {
    DiskError {
        path: path.to_owned(),
        why: match error {
            redb::DatabaseError::DatabaseAlreadyOpen => {
                "a server has it open: stop that first".to_owned()
            }
            other => other.to_string(),
        },
    }
}

fn wrong(path: &Path, error: &redb::Error) -> DiskError {
    DiskError {
        path: path.to_owned(),
        why: error.to_string(),
    }
}
