//! The options of `switchboard crawl`.

use std::path::PathBuf;

use clap::Args;
use switchboard_crawl::Settings;

use super::shared::Shared;
use crate::output::Failure;

/// A crawl is kept in a folder, and goes on from there with --resume, also after it was killed.
#[derive(Args)]
#[command(
    after_help = "The report adds up: discovered = fetched + failed + robots + scope + depth + budget + trap + pending. \
`--explain URL` says what became of an address, and by which pages it was found.\n\nSIGINT or SIGTERM once: what is \
under way is finished and kept; twice: at once. In both cases nothing is lost.\n\nExit status: 0 if the crawl came to \
its end or its number of pages, 1 if it was stopped, could not go on or fetched no page (with --explain: if the address \
was not discovered), 2 for wrong usage; then nothing was fetched."
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(super) shared: Shared,
    /// Files to write what is fetched to: NAME.jsonl, NAME.csv, NAME.warc or NAME.warc.gz
    #[arg(long, value_name = "FILE", num_args = 1..)]
    out: Vec<PathBuf>,
    /// Print what became of a URL in the crawl of the folder, and crawl nothing
    #[arg(long, value_name = "URL", conflicts_with_all = ["urls", "resume", "out"])]
    pub(super) explain: Option<String>,
}

impl Options {
    /// Checks the options as far as the crawl does not.
    pub(super) fn settings(self, state: PathBuf) -> Result<Settings, Failure> {
        Ok(Settings {
            out: self.out,
            ..self.shared.settings(state)?
        })
    }
}
