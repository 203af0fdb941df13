//! `switchboard fetch`: fetches pages, many at once, and prints a line for each.

mod list;
mod options;
mod page;
mod progress;
mod request;
mod save;
mod select;
mod show;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use regex::Regex;
use switchboard_fetch::Client;
use switchboard_runtime::{Driver, Model, Style, run_each};

use self::list::Page;
pub(crate) use self::options::Options;
use self::page::{Found, Outcome, Wanted};
use self::progress::Progress;
use self::save::Target;
use self::select::Selector;
use self::show::Show;
use crate::driver::can_run;
use crate::output::{self, Count, Failure};

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
    pages: Arc<[Page]>,
    driver: Driver,
    wanted: Wanted,
    target: Target,
    client: Client,
    options: Options,
}

/// How many names of pages had which end.
#[derive(Default)]
struct Ends {
    good: u64,
    unmatched: u64,
    failed: u64,
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
        let extract = options.extract.as_deref().map(pattern).transpose()?;
        let select = options.select.as_deref().map(selector).transpose()?;
        let roots = options.cacert.as_ref().map(|path| {
            let read = std::fs::read(path);
            read.map_err(|error| format!("--cacert {}: {error}", path.display()))
        });
        let limit = Duration::from_secs(options.timeout.into());
        let client = options.request.client(limit, roots.transpose()?)?;
        let pages = list::read(&options.urls, options.from.as_deref())?;
        let target = Target::new(options.output.as_deref(), options.remote_name, &pages)?;
        let wanted = Wanted {
            request: options.request.template()?,
            select: select.map(Arc::new),
            attribute: options.attribute.clone(),
            extract,
            max_size: options.max_size,
            keeps_body: target.is_wanted(),
        };
        Ok(Fetch {
            pages: pages.into(),
            driver,
            wanted,
            target,
            client,
            options,
        })
    }

    fn run(&self) -> Result<bool, Failure> {
        let started = Instant::now();
        let client = self.client.clone();
        let (model, concurrency) = (self.options.model, self.options.concurrency);
        let (driver, why_not) = self.driver.available()?;
        if let Some(why_not) = why_not.filter(|_| model.has_loop()) {
            output::complain(format_args!("{why_not}; going on with {driver}"));
        }
        let progress = Progress::new(self.pages.len());
        // A process of its own cannot tell this one's.
        let is_shared = model != Model::Processes;
        let told = is_shared.then(|| progress.clone());
        let (pages, wanted) = (self.pages.clone(), self.wanted.clone());
        let work = move |at: usize| {
            let (client, pages, wanted) = (client.clone(), pages.clone(), wanted.clone());
            let told = told.clone();
            async move { page::fetch(&client, &pages[at], &wanted, told).await }
        };
        let mut ends = Ends::default();
        run_each(
            model,
            model.has_loop().then_some(driver),
            self.pages.len(),
            concurrency.into(),
            work,
            |at, found| {
                let found = found.unwrap_or_else(|error| Found::failed("job", error.to_string()));
                if !is_shared {
                    progress.bytes(found.bytes.unwrap_or_default());
                }
                progress.page();
                // Nothing more is fetched of which the line could not be written.
                let finished = progress.suspended(|| self.finish(at, found, &mut ends));
                if let Err(failure) = finished {
                    progress.end();
                    failure.exit();
                }
            },
        )?;
        progress.end();
        let names: u64 = self.pages.iter().map(|page| page.names.len() as u64).sum();
        let Ends {
            good,
            unmatched,
            failed,
        } = ends;
        output::remark(format_args!(
            "{}: {good} ok, {unmatched} without match, {failed} failed, {:.2} s",
            Count(names, "page"),
            started.elapsed().as_secs_f64()
        ));
        Ok(unmatched + failed == 0)
    }

    /// Writes the page to its file, and its lines.
    fn finish(&self, at: usize, mut found: Found, ends: &mut Ends) -> Result<(), Failure> {
        let page = &self.pages[at];
        let mut file = None;
        if !matches!(found.outcome, Outcome::Failed { .. }) {
            match self.target.write(at, &found.body)? {
                Ok(written) => file = written,
                Err(cause) => found.fail("write", cause),
            }
        }
        let show = Show {
            json: self.options.json,
            quiet: self.target.is_stdout(),
            found: &found,
            file: file.as_deref(),
        };
        for name in &page.names {
            match found.outcome {
                Outcome::Match(_) | Outcome::Page => ends.good += 1,
                Outcome::NoMatch => ends.unmatched += 1,
                Outcome::Failed { .. } => ends.failed += 1,
            }
            show.print(name)?;
        }
        Ok(())
    }
}

/// Compiles the pattern of `--extract`.
fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default();
        let why = why.trim_start_matches("error: ");
        format!("--extract `{text}` is no regular expression: {why}")
    })
}

/// Parses the selector of `--select`.
fn selector(text: &str) -> Result<Selector, String> {
    let wrong = |why| format!("--select `{text}` is no selector that is known: {why}");
    Selector::parse(text).map_err(wrong)
}
