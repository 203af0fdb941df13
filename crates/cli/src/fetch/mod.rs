//! `switchboard fetch`: fetches pages, many at once, and prints a line for each.

use std::io::{self, BufRead};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use regex::Regex;
use serde::{Deserialize, Serialize};
use switchboard_fetch::{Client, Limits};
use switchboard_runtime::{Driver, Model, Style, run_each};
use url::Url;

use crate::driver::{DriverOption, can_run};
use crate::output::{self, Count, Failure};

/// A page is a URL, http or https. Each page's line shows its name, which is the URL or the name in the
/// list, and what was found.
#[derive(Args)]
#[command(
    after_help = "Lines on stdout: `NAME, MATCH` or `no match at URL`; without --extract \
`NAME, STATUS, BYTES bytes, TIME`. Lines on stderr: `error for NAME (URL): PHASE: CAUSE`, where the phase \
is one of URL, resolve, connect, proxy, TLS, first byte, body, decode, status; and a summary.\n\nExit status: 0 \
if every page was fetched and matched, 1 if one was not or a line could not be written, 2 for wrong usage; \
then nothing was fetched. If the reader of stdout closes it, the fetch ends at once, with 0."
)]
pub(crate) struct Options {
    /// Pages to fetch
    #[arg(value_name = "URL")]
    urls: Vec<String>,
    /// More pages from a file, or from stdin for `-`: a line each, `URL` or `NAME URL`; # begins a comment
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Pattern to find in each page; its first group is shown, or the whole match
    #[arg(long, value_name = "REGEX")]
    extract: Option<String>,
    /// Pages at once
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    /// How to wait: blocking, threads, pool, processes, tasks or green
    #[arg(long, default_value = "tasks")]
    model: Model,
    #[command(flatten)]
    driver: DriverOption,
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

#[derive(Clone)]
struct Job {
    name: String,
    url: String,
}

#[derive(Serialize, Deserialize)]
enum Found {
    Match(String),
    NoMatch,
    Page {
        status: u16,
        bytes: usize,
        seconds: f64,
    },
    Failed(String),
}

pub(crate) fn run(options: Options) -> ExitCode {
    let fetch = match Fetch::new(options) {
        Ok(fetch) => fetch,
        Err(failure) => return output::status(Err(failure)),
    };
    // If the limit cannot be raised, the fetch runs within the present one.
    let _ = switchboard_server::raise_descriptor_limit();
    output::status(fetch.run())
}

struct Fetch {
    jobs: Vec<Job>,
    driver: Driver,
    extract: Option<Regex>,
    roots: Option<Vec<u8>>,
    options: Options,
}

impl Fetch {
    /// Checks all options, before anything is fetched.
    fn new(options: Options) -> Result<Fetch, Failure> {
        can_run(options.model, Style::Async)?;
        let driver = options.driver.for_model(options.model)?;
        Fetch::with(driver, options).map_err(Failure::Usage)
    }

    /// Reads the list of pages, the pattern and the certificates.
    fn with(driver: Driver, options: Options) -> Result<Fetch, String> {
        let extract = options.extract.as_deref().map(Regex::new).transpose();
        let extract = extract.map_err(|error| {
            let why = error.to_string();
            let why = why
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            let text = options.extract.as_deref().unwrap_or_default();
            format!("--extract `{text}` is no regular expression: {why}")
        })?;
        let roots = options.cacert.as_ref().map(|path| {
            let read = std::fs::read(path);
            read.map_err(|error| format!("--cacert {}: {error}", path.display()))
        });
        let mut jobs = Vec::new();
        for url in &options.urls {
            jobs.push(job(url, url)?);
        }
        if let Some(path) = &options.from {
            let wrong = |error: io::Error| format!("--from {}: {error}", path.display());
            let text = match path.as_os_str() == "-" {
                true => io::stdin()
                    .lock()
                    .lines()
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(wrong)?,
                false => {
                    let text = std::fs::read_to_string(path).map_err(wrong)?;
                    text.lines().map(str::to_owned).collect()
                }
            };
            for (number, line) in text.iter().enumerate() {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let (name, url) = line
                    .rsplit_once(char::is_whitespace)
                    .unwrap_or((line, line));
                let job = job(name.trim(), url);
                jobs.push(
                    job.map_err(|text| format!("{}:{}: {text}", path.display(), number + 1))?,
                );
            }
        }
        if jobs.is_empty() {
            return Err("nothing to fetch: name a URL, or a list with --from FILE".to_owned());
        }
        Ok(Fetch {
            jobs,
            driver,
            extract,
            roots: roots.transpose()?,
            options,
        })
    }

    fn run(&self) -> Result<bool, Failure> {
        let started = Instant::now();
        let limit = Duration::from_secs(self.options.timeout.into());
        let limits = Limits {
            resolve: limit,
            connect: limit,
            tls: limit,
            first_byte: limit,
            body: limit,
            ..Limits::default()
        };
        let client = Client::with(limits, self.roots.clone());
        let (jobs, extract) = (self.jobs.clone(), self.extract.clone());
        let max_size = self.options.max_size;
        let work = move |at: usize| {
            let (client, job, extract) = (client.clone(), jobs[at].clone(), extract.clone());
            async move { fetch(&client, &job.url, extract.as_ref(), max_size).await }
        };
        let (mut good, mut unmatched, mut failed) = (0, 0, 0);
        let Options {
            model, concurrency, ..
        } = self.options;
        let (driver, why_not) = self.driver.available()?;
        if let Some(why_not) = why_not.filter(|_| model.has_loop()) {
            output::complain(format_args!("{why_not}; going on with {driver}"));
        }
        run_each(
            model,
            model.has_loop().then_some(driver),
            self.jobs.len(),
            concurrency.into(),
            work,
            |at, found| {
                let found = found.unwrap_or_else(|error| Found::Failed(error.to_string()));
                match &found {
                    Found::Match(_) | Found::Page { .. } => good += 1,
                    Found::NoMatch => unmatched += 1,
                    Found::Failed(_) => failed += 1,
                }
                // Nothing more is fetched of which the line could not be written.
                print(&self.jobs[at], &found).unwrap_or_else(|failure| failure.exit());
            },
        )?;
        output::remark(format_args!(
            "{}: {good} ok, {unmatched} without match, {failed} failed, {:.2} s",
            Count(self.jobs.len() as u64, "page"),
            started.elapsed().as_secs_f64()
        ));
        Ok(unmatched + failed == 0)
    }
}

fn job(name: &str, text: &str) -> Result<Job, String> {
    let guess = || match text.contains("://") {
        true => String::new(),
        false => format!(": did you mean http://{text}?"),
    };
    let url = Url::parse(text).map_err(|_| format!("`{text}` is no URL{}", guess()))?;
    if !matches!(url.scheme(), "http" | "https") {
        let hint = match guess() {
            hint if hint.is_empty() => ": use http or https".to_owned(),
            hint => hint,
        };
        return Err(format!("`{text}` is no URL to fetch{hint}"));
    }
    Ok(Job {
        name: name.to_owned(),
        url: text.to_owned(),
    })
}

async fn fetch(client: &Client, url: &str, extract: Option<&Regex>, max_size: usize) -> Found {
    let started = Instant::now();
    let fetched = async {
        let response = client.get(url).await?;
        let status = response.status();
        Ok::<_, switchboard_fetch::Error>(match extract {
            None => (status, response.bytes(max_size).await?.len(), None),
            Some(_) => (status, 0, Some(response.text(max_size).await?)),
        })
    };
    let (status, bytes, text) = match fetched.await {
        Ok(fetched) => fetched,
        Err(error) => return Found::Failed(error.to_string()),
    };
    if !status.is_success() {
        return Found::Failed(format!("status: {status}"));
    }
    let (Some(regex), Some(text)) = (extract, text) else {
        return Found::Page {
            status: status.as_u16(),
            bytes,
            seconds: started.elapsed().as_secs_f64(),
        };
    };
    match regex.captures(&text) {
        None => Found::NoMatch,
        Some(found) => {
            let shown = found.get(1).or_else(|| found.get(0));
            Found::Match(shown.map_or("", |shown| shown.as_str()).to_owned())
        }
    }
}

fn print(job: &Job, found: &Found) -> Result<(), Failure> {
    let Job { name, url } = job;
    match found {
        Found::Match(text) => output::print(format_args!("{name}, {text}\n")),
        Found::NoMatch => output::print(format_args!("no match at {url}\n")),
        Found::Page {
            status,
            bytes,
            seconds,
        } => {
            let bytes = Count(*bytes as u64, "byte");
            output::print(format_args!("{name}, {status}, {bytes}, {seconds:.2} s\n"))
        }
        Found::Failed(cause) => {
            output::remark(format_args!("error for {name} ({url}): {cause}"));
            Ok(())
        }
    }
}
