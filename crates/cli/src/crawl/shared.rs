//! The options of `crawl` and of `check`, which is a crawl too.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use switchboard_crawl::{Address, Settings};
use switchboard_runtime::{Model, Style};

use crate::driver::{DriverOption, can_run};
use crate::output::{self, Failure};

#[derive(Args)]
pub(crate) struct Shared {
    /// Where to begin; none with --resume to go on with what a folder has
    #[arg(value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// Clicks from the begin, at most; then each page has its shortest way [default: no limit]
    #[arg(long, value_name = "N")]
    depth: Option<u32>,
    /// Pages to fetch, at most, over all runs [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pages: Option<u64>,
    /// What is followed: host, domain (with what is below it), prefix (the folders of the URLs), or a regular
    /// expression of addresses [default: host]
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// Requests at once
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    concurrency: u16,
    /// Requests at once to one host
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    per_host: u16,
    /// Time from one request to a host to the next: 1s, 500ms, 0; longer where robots.txt asks for it. Use 0 for a
    /// server of your own, such as one on this machine
    #[arg(long, default_value = "1s", value_name = "DELAY", value_parser = delay)]
    delay: Duration,
    /// How to wait: blocking (one request at a time), threads, pool, tasks or green
    #[arg(long, default_value = "tasks")]
    model: Model,
    #[command(flatten)]
    driver: DriverOption,
    /// Folder in which it is kept [default: HOST.crawl, of a check HOST.check]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Go on with what the folder has, if there is something
    #[arg(long)]
    resume: bool,
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

impl Shared {
    /// Returns the folder: what `--state` names, or one by the first host and the name of the `command`.
    pub(crate) fn folder(
        &self,
        of: Option<&Address>,
        command: &'static str,
    ) -> Result<PathBuf, Failure> {
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
                Ok(format!("{}.{command}", host.replace(':', "-")).into())
            }
            None if self.urls.is_empty() => Err(Failure::usage(format_args!(
                "nothing to {command}: name a URL, or a {command} to go on with by --resume --state DIR"
            ))),
            // The settings say what is wrong with it.
            None => Ok(command.into()),
        }
    }

    /// Reads the certificates to trust.
    pub(crate) fn roots(&self) -> Result<Option<Vec<u8>>, Failure> {
        let read = self.cacert.as_ref().map(|path| {
            let read = std::fs::read(path);
            read.map_err(|error| {
                Failure::usage(format_args!("--cacert {}: {error}", path.display()))
            })
        });
        read.transpose()
    }

    /// Checks the options as far as the crawl does not.
    pub(crate) fn settings(self, state: PathBuf) -> Result<Settings, Failure> {
        can_run(self.model, Style::Async)?;
        let driver = self.driver.for_model(self.model)?;
        let (driver, why_not) = driver.available()?;
        if let Some(why_not) = why_not.filter(|_| self.model.has_loop()) {
            output::complain(format_args!("{why_not}; going on with {driver}"));
        }
        let roots = self.roots()?;
        let program = concat!("switchboard/", env!("CARGO_PKG_VERSION"));
        let agent = match (self.user_agent, self.contact) {
            (Some(agent), _) => agent,
            (None, Some(contact)) => format!("{program} (+{contact})"),
            (None, None) => program.to_owned(),
        };
        if self.urls.is_empty() && !self.resume {
            return Err(Failure::usage(
                "nothing to crawl or check: name a URL, or --resume --state DIR",
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
            resume: self.resume,
            robots: !self.no_robots,
            sitemaps: !self.no_sitemaps,
            nofollow: self.nofollow,
            user_agent: agent,
            retries: self.retries,
            timeout: Duration::from_secs(self.timeout.into()),
            max_size: self.max_size,
            extra_roots: roots,
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
