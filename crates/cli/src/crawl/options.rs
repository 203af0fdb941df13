//! The options of `switchboard crawl`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use switchboard_crawl::{Address, Settings};
use switchboard_runtime::{Model, Style};

use crate::driver::{DriverOption, can_run};
use crate::output::{self, Failure};

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
    /// Where to begin; none with --resume to go on with a folder's crawl
    #[arg(value_name = "URL")]
    urls: Vec<String>,
    /// Clicks from the begin, at most; then each page has its shortest way [default: no limit]
    #[arg(long, value_name = "N")]
    depth: Option<u32>,
    /// Pages to fetch, at most, over all runs of the crawl [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pages: Option<u64>,
    /// What belongs to the crawl: host, domain (with what is below it), prefix (the folders of the URLs), or a
    /// regular expression of addresses [default: host]
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// Requests at once
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    concurrency: u16,
    /// Requests at once to one host
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    per_host: u16,
    /// Time from one request to a host to the next: 1s, 500ms, 0; longer where robots.txt asks for it
    #[arg(long, default_value = "1s", value_name = "DELAY", value_parser = delay)]
    delay: Duration,
    /// How to wait: blocking (one request at a time), threads, pool, tasks or green
    #[arg(long, default_value = "tasks")]
    model: Model,
    #[command(flatten)]
    driver: DriverOption,
    /// Folder in which the crawl is kept [default: HOST.crawl]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Files to write what is fetched to: NAME.jsonl, NAME.csv, NAME.warc or NAME.warc.gz
    #[arg(long, value_name = "FILE", num_args = 1..)]
    out: Vec<PathBuf>,
    /// Go on with the crawl of the folder, if there is one
    #[arg(long)]
    resume: bool,
    /// Print what became of a URL in the crawl of the folder, and crawl nothing
    #[arg(long, value_name = "URL", conflicts_with_all = ["urls", "resume", "out"])]
    pub(super) explain: Option<String>,
    /// How to reach you, sent as part of the User-Agent: a URL or an address of mail
    #[arg(long, value_name = "TEXT")]
    contact: Option<String>,
    /// User-Agent of all requests; robots.txt is read for its first word
    #[arg(long, value_name = "TEXT", conflicts_with = "contact")]
    user_agent: Option<String>,
    /// Fetch what robots.txt excludes, too: for sites of your own
    #[arg(long)]
    no_robots: bool,
    /// Leave out the sitemaps that robots.txt names
    #[arg(long)]
    no_sitemaps: bool,
    /// Leave out the links of pages and links that say `nofollow`
    #[arg(long)]
    nofollow: bool,
    /// How often a request is sent again that may succeed later
    #[arg(long, default_value_t = 2, value_name = "N")]
    retries: u8,
    /// Seconds to wait for a connection, for the first byte, and between two pieces of a body
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    /// Bytes of a page, decompressed, at most
    #[arg(long, default_value_t = 16 << 20, value_name = "BYTES")]
    max_size: usize,
    /// Certificates to trust in addition to Mozilla's, a PEM file
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
}

impl Options {
    /// Returns the folder of the crawl: what `--state` names, or one by the first host.
    pub(super) fn folder(&self, of: Option<&Address>) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.state {
            return Ok(folder.clone());
        }
        let first = self.urls.first().and_then(|url| Address::parse(url).ok());
        match of.cloned().or(first) {
            Some(address) => {
                let host = address
                    .origin()
                    .split_once("://")
                    .map_or("", |(_, host)| host);
                Ok(format!("{}.crawl", host.replace(':', "-")).into())
            }
            None if self.urls.is_empty() => Err(Failure::usage(
                "nothing to crawl: name a URL, or a crawl to go on with by --resume --state DIR",
            )),
            // The settings say what is wrong with it.
            None => Ok("crawl".into()),
        }
    }

    /// Checks the options as far as the crawl does not.
    pub(super) fn settings(self, state: PathBuf) -> Result<Settings, Failure> {
        can_run(self.model, Style::Async)?;
        let driver = self.driver.for_model(self.model)?;
        let (driver, why_not) = driver.available()?;
        if let Some(why_not) = why_not.filter(|_| self.model.has_loop()) {
            output::complain(format_args!("{why_not}; going on with {driver}"));
        }
        let roots = self.cacert.as_ref().map(|path| {
            let read = std::fs::read(path);
            read.map_err(|error| {
                Failure::usage(format_args!("--cacert {}: {error}", path.display()))
            })
        });
        let program = concat!("switchboard/", env!("CARGO_PKG_VERSION"));
        let agent = match (self.user_agent, self.contact) {
            (Some(agent), _) => agent,
            (None, Some(contact)) => format!("{program} (+{contact})"),
            (None, None) => program.to_owned(),
        };
        if self.urls.is_empty() && !self.resume {
            return Err(Failure::usage(
                "nothing to crawl: name a URL, or --resume a crawl",
            ));
        }
        Ok(Settings {
            seeds: self.urls,
            scope: self.scope.unwrap_or_else(|| "host".to_owned()),
            depth: self.depth,
            pages: self.pages,
            concurrency: self.concurrency.into(),
            per_host: self.per_host.into(),
            delay: self.delay,
            model: self.model,
            driver: self.model.has_loop().then_some(driver),
            state,
            out: self.out,
            resume: self.resume,
            robots: !self.no_robots,
            sitemaps: !self.no_sitemaps,
            nofollow: self.nofollow,
            user_agent: agent,
            retries: self.retries,
            timeout: Duration::from_secs(self.timeout.into()),
            max_size: self.max_size,
            extra_roots: roots.transpose()?,
            ..Settings::default()
        })
    }
}

/// Reads a time: seconds with a fraction or without, with the unit `s` or `ms`, or without one.
fn delay(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.parse::<f64>().ok().map(|number| number * unit);
    let seconds = seconds.filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "use a time such as 1s, 500ms or 0, at most a day".to_owned())
}
