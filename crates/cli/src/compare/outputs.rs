//! The files of a report: checked before the run, and written whole.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::output::{self, Failure};
use crate::replace::{can_be_made, replace};

/// A place of a report.
#[derive(Debug)]
pub(super) enum Output {
    Stdout,
    File {
        option: &'static str,
        path: PathBuf,
        /// Whether a report replaces the one before. To a pipe or a device only the last one is written.
        replaces: bool,
    },
}

impl Output {
    /// Checks that the place can be written; `-` is stdout.
    ///
    /// # Errors
    /// A failure of usage that names the option.
    pub(super) fn check(option: &'static str, path: &Path) -> Result<Output, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Output::Stdout);
        }
        let there = fs::metadata(path);
        let checked = match &there {
            // A folder and a file that is read-only are refused by the system.
            Ok(_) => OpenOptions::new().append(true).open(path).map(drop),
            Err(_) => can_be_made(path),
        };
        checked.map_err(|error: io::Error| {
            Failure::usage(format_args!(
                "{option} {}: {error}; choose another path",
                path.display()
            ))
        })?;
        Ok(Output::File {
            option,
            path: path.to_owned(),
            replaces: there.map_or(true, |there| there.is_file()),
        })
    }

    /// Writes the report so far, if it replaces the one before.
    ///
    /// # Errors
    /// As [`write`](Output::write).
    pub(super) fn keep(&self, text: &str) -> Result<(), Failure> {
        match self {
            Output::File { replaces: true, .. } => self.write(text),
            _ => Ok(()),
        }
    }

    /// Writes the report.
    ///
    /// # Errors
    /// A failure that names the option and the path.
    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        match self {
            Output::Stdout => output::print(text),
            Output::File { option, path, .. } => replace(path, text.as_bytes()).map_err(|error| {
                Failure::Failed(format!(
                    "{option}: cannot write to {}: {error}",
                    path.display()
                ))
            }),
        }
    }
}
