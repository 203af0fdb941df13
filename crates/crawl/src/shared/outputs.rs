//! The outputs of a process that joins.

use std::path::PathBuf;

use super::ask::Answer;
use crate::error::CrawlError;
use crate::output::{About, Outputs};
use crate::settings::Settings;

/// New outputs, which are gone again if nobody has joined.
pub(super) struct Begun {
    outputs: Outputs,
    created: Vec<PathBuf>,
}

impl Begun {
    pub(super) fn new(files: &[PathBuf], about: &About) -> Result<Begun, CrawlError> {
        let created = files.iter().filter(|file| !file.exists());
        let mut begun = Begun {
            outputs: Outputs::default(),
            created: created.cloned().collect(),
        };
        let outputs = Outputs::open(files, &[], 0, about);
        begun.outputs = outputs.map_err(CrawlError::Output)?;
        Ok(begun)
    }

    pub(super) fn keep(mut self) -> Outputs {
        self.created.clear();
        std::mem::take(&mut self.outputs)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        for file in &self.created {
            // One that could not be made is not there.
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Opens the outputs of a process that comes back, cut to what was acknowledged.
pub(super) fn go_on(answer: &Answer, about: &About) -> Result<Outputs, CrawlError> {
    let files = answer.recorded.iter().map(|it| it.name.clone());
    let files: Vec<PathBuf> = files.map(PathBuf::from).collect();
    let outputs = Outputs::open(&files, &answer.recorded, answer.rows, about);
    outputs.map_err(CrawlError::Output)
}

/// Returns the absolute names of the outputs.
pub(super) fn output_names(settings: &Settings) -> Result<Vec<String>, CrawlError> {
    let absolute = |file: &PathBuf| {
        let path = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        path.into_os_string().into_string().map_err(|path| {
            CrawlError::settings(format_args!("{}: its name is no UTF-8", path.display()))
        })
    };
    settings.out.iter().map(absolute).collect()
}
