//! The options of `switchboard crawl`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use switchboard_crawl::{Settings, Shared as Frontier};
use switchboard_redis::RedisUrl;
use switchboard_tls::TlsClient;

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
    /// Share the crawl with other processes, on other machines too, by a Redis server:
    /// redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE], or rediss:// for TLS. Give each process its own --state and --out
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Name of the crawl at the Redis server [default: HOST-PORT of the first URL]
    #[arg(long, value_name = "NAME", requires = "redis")]
    name: Option<String>,
    /// Seconds without a sign of life after which the pages of a process are done by others
    #[arg(long, default_value_t = 30, value_name = "SECONDS", requires = "redis", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    lease: u32,
    /// Seconds to wait for a Redis server that is away
    #[arg(long, default_value_t = 300, value_name = "SECONDS", requires = "redis", value_parser = clap::value_parser!(u32).range(1..))]
    patience: u32,
    /// Print what became of a URL in the crawl of the folder, and crawl nothing
    #[arg(long, value_name = "URL", conflicts_with_all = ["urls", "resume", "out"])]
    pub(super) explain: Option<String>,
}

impl Options {
    /// Returns where the frontier is, if processes share it.
    pub(super) fn frontier(&self) -> Result<Option<Frontier>, Failure> {
        let Some(url) = &self.redis else {
            return Ok(None);
        };
        // Not read with the other options, of which a wrong one is shown whole: it may have a password.
        let wrong = |error: String| Failure::usage(format_args!("--redis: {error}"));
        let url: RedisUrl = url.parse().map_err(wrong)?;
        let url = match self.shared.roots()? {
            Some(roots) => url.tls(TlsClient::with_roots(&roots)?),
            None => url,
        };
        let frontier = Frontier::new(url);
        Ok(Some(Frontier {
            name: self.name.clone(),
            lease: Duration::from_secs(self.lease.into()),
            patience: Duration::from_secs(self.patience.into()),
            ..frontier
        }))
    }

    /// Checks the options as far as the crawl does not.
    pub(super) fn settings(self, state: PathBuf) -> Result<Settings, Failure> {
        let shared = self.frontier()?;
        Ok(Settings {
            shared,
            out: self.out,
            ..self.shared.settings(state)?
        })
    }
}
