//! `switchboard check`: finds the broken links of a site, by a crawl.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use switchboard_crawl::check::report::{About, Format};
use switchboard_crawl::check::{Check, findings};
use switchboard_crawl::{Ended, Settings};
use time::OffsetDateTime;

use crate::crawl::{self, Shared};
use crate::output::{self, Failure};
use crate::replace::replace;

/// Prints a line for each broken link: PAGE:LINE:COLUMN: TARGET: CAUSE (TEXT).
///
/// Pages within the scope are read for links: to pages, images, scripts, style sheets, also those of srcset and of CSS.
/// Fragments have to be in the page. Links that lead out of the scope are asked for too, once each.
#[derive(Args)]
#[command(
    after_help = "A check is a crawl, with the same manners: robots.txt is obeyed, and a second is left between two \
requests to a host; `--delay 0` is for servers of your own. It is kept in a folder while it runs, so that it goes on with \
--resume after it was stopped or killed; that folder is removed at the end unless --state names it. Links that \
robots.txt excludes, or that ask for a password, are counted and no fault.\n\nWith --depth N, the links of pages \
at most N clicks away are checked.\n\nExample:\n  switchboard check http://127.0.0.1:8080/ --delay 0 --out links.html\n\n\
Exit status: 0 if no link is broken, 1 if some are or the check was stopped, 2 for wrong usage."
)]
pub(crate) struct Options {
    #[command(flatten)]
    shared: Shared,
    /// Do not ask for links that lead out of the scope
    #[arg(long)]
    internal: bool,
    /// Files to write a report to, in place of one that is there: NAME.html, NAME.md, NAME.jsonl or NAME.txt
    #[arg(long, value_name = "FILE", num_args = 1..)]
    out: Vec<PathBuf>,
}

pub(crate) fn run(options: Options) -> ExitCode {
    output::status(check(options))
}

fn check(options: Options) -> Result<bool, Failure> {
    let reports = options.out.into_iter().map(Report::new);
    let reports = reports.collect::<Result<Vec<_>, _>>()?;
    let folder = options.shared.folder(None, "check")?;
    let is_named = options.shared.state.is_some();
    let settings = Settings {
        check: Some(match options.internal {
            true => Check::Internal,
            false => Check::All,
        }),
        ..options.shared.settings(folder.clone())?
    };
    let crawled = crawl::drive(settings)?;
    let failed = |error: switchboard_crawl::StoreError| Failure::Failed(error.to_string());
    let found = findings(&folder).map_err(failed)?;
    let about = About {
        date: today(),
        is_whole: crawled.ended == Ended::Complete,
    };
    for report in &reports {
        report.write(&report.format.write(&found, &about))?;
    }
    output::print(Format::Lines.write(&found, &about))?;
    output::remark(&found);
    for (why, links) in &found.unchecked {
        output::remark(format_args!("  {links} not checked: {why}"));
    }
    let state = folder.display();
    match crawled.ended {
        Ended::Complete if !is_named => remove(&folder)?,
        Ended::Complete => {}
        Ended::Budget => {
            output::complain(format_args!(
                "as many pages as asked for; more: --resume --state {state} --pages N"
            ));
        }
        Ended::Stopped => output::complain(format_args!(
            "stopped, nothing is lost; go on: --resume --state {state}"
        )),
    }
    Ok(found.broken.is_empty() && crawled.ended != Ended::Stopped)
}

/// Removes the folder of a check that has come to its end.
fn remove(folder: &Path) -> Result<(), Failure> {
    std::fs::remove_dir_all(folder)
        .map_err(|error| Failure::Failed(format!("{}: {error}", folder.display())))
}

/// A report that is written to a file once the check has ended.
struct Report {
    path: PathBuf,
    format: Format,
}

impl Report {
    /// Refuses a name that does not say what to write, or that cannot be written.
    fn new(path: PathBuf) -> Result<Report, Failure> {
        let name = path.display();
        let format = Format::of(&path).ok_or_else(|| {
            Failure::usage(format_args!(
                "--out {name}: the name does not say what to write: end it with .html, .md, .jsonl or .txt"
            ))
        })?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() || path.is_dir() {
            return Err(Failure::usage(format_args!(
                "--out {name}: no such folder, or a folder"
            )));
        }
        Ok(Report { path, format })
    }

    /// Writes the report whole or not at all.
    fn write(&self, text: &str) -> Result<(), Failure> {
        replace(&self.path, text.as_bytes())
            .map_err(|error| Failure::Failed(format!("{}: {error}", self.path.display())))
    }
}

/// Returns the date and time, in UTC.
fn today() -> String {
    let now = OffsetDateTime::now_utc();
    let (hour, minute) = (now.hour(), now.minute());
    format!("{} {hour:02}:{minute:02} UTC", now.date())
}
