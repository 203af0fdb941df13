//! Where pages are written: a file, stdout, or a file for each.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::list::Page;
use crate::output::{Failure, unwritten};
use crate::replace::replace;

pub(super) enum Target {
    Nowhere,
    Stdout,
    /// A file for each page.
    Files(Vec<PathBuf>),
}

impl Target {
    /// Returns the target of `-o` or `-O`.
    ///
    /// # Errors
    /// In one line, what is wrong with `-o`.
    pub(super) fn new(
        output: Option<&Path>,
        by_url: bool,
        pages: &[Page],
    ) -> Result<Target, String> {
        let Some(path) = output else {
            return Ok(match by_url {
                true => Target::Files(names(pages)),
                false => Target::Nowhere,
            });
        };
        if pages.len() > 1 {
            let text = "names a file for one page, and there are";
            return Err(format!(
                "--output {} {text} {}: use -O",
                path.display(),
                pages.len()
            ));
        }
        if path.as_os_str() == "-" {
            return Ok(Target::Stdout);
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let text = format!("{} is no folder", folder.display());
            return Err(format!("--output {}: {text}", path.display()));
        }
        Ok(Target::Files(vec![path.to_owned()]))
    }

    /// Returns whether pages are written at all.
    pub(super) fn is_wanted(&self) -> bool {
        !matches!(self, Target::Nowhere)
    }

    pub(super) fn is_stdout(&self) -> bool {
        matches!(self, Target::Stdout)
    }

    /// Writes a page, and returns the name of its file, or why the page was not written.
    ///
    /// # Errors
    /// Those of stdout, which end the command.
    pub(super) fn write(
        &self,
        at: usize,
        body: &[u8],
    ) -> Result<Result<Option<String>, String>, Failure> {
        match self {
            Target::Nowhere => Ok(Ok(None)),
            Target::Stdout => {
                let mut out = io::stdout().lock();
                let written = out.write_all(body).and_then(|()| out.flush());
                written.map_err(unwritten).map(|()| Ok(None))
            }
            Target::Files(paths) => {
                let path = paths[at].display();
                // A page that fails, or that there is no room for, leaves an earlier one alone.
                let written = replace(&paths[at], body);
                let written = written.map_err(|error| format!("cannot write {path}: {error}"));
                Ok(written.map(|()| Some(path.to_string())))
            }
        }
    }
}

/// Returns the last part of each page's URL, with a number where an earlier page has the same.
fn names(pages: &[Page]) -> Vec<PathBuf> {
    let mut taken = HashSet::new();
    let name = |page: &Page| {
        let parts = page.url.path_segments();
        let last = parts.and_then(|mut parts| parts.next_back());
        let name = last.filter(|name| !name.is_empty()).unwrap_or("index.html");
        let mut free = name.to_owned();
        let mut number = 0_u32;
        while !taken.insert(free.clone()) {
            number += 1;
            free = format!("{name}.{number}");
        }
        PathBuf::from(free)
    };
    pages.iter().map(name).collect()
}
