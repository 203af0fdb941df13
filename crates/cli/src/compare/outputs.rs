//! The files of a report: checked before the run, and written whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::output::{self, Failure};

/// A place of a report.
#[derive(Debug)]
pub(super) enum Output {
    Stdout,
    File {
        option: &'static str,
        path: PathBuf,
        /// Written beside it and renamed, so that a reader finds a whole report or the one before. What is no regular
        /// file, such as a pipe, is written to as it is.
        whole: bool,
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
        let refused = |error: io::Error| {
            Failure::usage(format_args!(
                "{option} {}: {error}; choose another path",
                path.display()
            ))
        };
        let found = fs::metadata(path);
        let whole = found.as_ref().map_or(true, fs::Metadata::is_file);
        if found.is_ok() {
            // A folder and a file that is read-only are refused by the system.
            OpenOptions::new()
                .append(true)
                .open(path)
                .map_err(refused)?;
        }
        if whole {
            let beside = beside(path);
            File::create(&beside).map_err(refused)?;
            fs::remove_file(&beside).map_err(refused)?;
        }
        Ok(Output::File {
            option,
            path: path.to_owned(),
            whole,
        })
    }

    /// Writes the report so far, if it replaces the one before.
    ///
    /// # Errors
    /// As [`write`](Output::write).
    pub(super) fn keep(&self, text: &str) -> Result<(), Failure> {
        match self {
            Output::File { whole: true, .. } => self.write(text),
            _ => Ok(()),
        }
    }

    /// Writes the report.
    ///
    /// # Errors
    /// A failure that names the option and the path.
    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        let (option, path, whole) = match self {
            Output::Stdout => return output::print(text),
            Output::File {
                option,
                path,
                whole,
            } => (option, path, *whole),
        };
        let written = match whole {
            true => write_whole(path, text),
            false => OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|mut file| file.write_all(text.as_bytes())),
        };
        written.map_err(|error| {
            Failure::Failed(format!(
                "{option}: cannot write to {}: {error}",
                path.display()
            ))
        })
    }
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let beside = beside(path);
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is left of it is of no use.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Returns a name beside the path that no other process has.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}
