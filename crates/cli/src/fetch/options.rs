//! The options of `switchboard fetch`.

use std::path::PathBuf;

use clap::Args;
use switchboard_runtime::Model;

use super::request::RequestOptions;
use crate::driver::DriverOption;

/// A page is a URL, http or https. Each page's line shows its name, which is the URL or the name in the
/// list, and what was found.
#[derive(Args)]
#[command(
    after_help = "Lines on stdout: `NAME, MATCH` or `no match at URL`; without --extract and --select \
`NAME, STATUS, BYTES bytes, TIME`. Lines on stderr: `error for NAME (URL): PHASE: CAUSE`, where the phase \
is one of URL, resolve, connect, proxy, TLS, first byte, body, decode, status, write; and a summary. A URL that is named \
several times is fetched once, and has a line for each name. Line breaks, control characters and characters that hide \
or turn others are written out, such as \\n or \\u{1b}. Passwords of URLs are not shown.\n\n\
With --json, a line for each page on stdout, failed ones too, is an object with these fields, null where there is \
nothing to say: name, url, final_url (after redirects), status, type (Content-Type), encoding, bytes (decompressed), \
seconds, match, file, phase and error.\n\n\
A page's text is read in the encoding that its byte order mark, its head, its meta element or its XML declaration \
names, in this order, else as UTF-8. --select knows names, *, #id, .class, [attribute] with =, ~=, |=, ^=, $= and *= \
(and i), :first-child, :last-child, :nth-child(), :not(), and elements within (A B), directly within (A > B), right \
behind (A + B) and behind others (A ~ B), and several selectors with commas. Elements are those of the page's tags: \
what browsers add, such as tbody, is not there.\n\n\
In a terminal, stderr shows the progress.\n\nExit status: 0 \
if every page was fetched and matched, 1 if one was not, or a line or a file could not be written, 2 for wrong usage; \
then nothing was fetched. If the reader of stdout closes it, the fetch ends at once, with 0."
)]
pub(crate) struct Options {
    /// Pages to fetch
    #[arg(value_name = "URL")]
    pub(super) urls: Vec<String>,
    /// More pages from a file, or from stdin for `-`: a line each, `URL` or `NAME URL`; # begins a comment
    #[arg(long, value_name = "FILE")]
    pub(super) from: Option<PathBuf>,
    /// Element to find in each page, by a CSS selector; its text is shown, with one space for each run of blanks
    #[arg(long, value_name = "CSS")]
    pub(super) select: Option<String>,
    /// Show this attribute of the element, the first that has it, instead of its text
    #[arg(long, value_name = "NAME", requires = "select")]
    pub(super) attribute: Option<String>,
    /// Pattern to find in each page, or in what --select shows of it; its first group is shown, or the whole match
    #[arg(long, value_name = "REGEX")]
    pub(super) extract: Option<String>,
    /// Print an object for each page instead, in one line of JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Write the page to a file, or to stdout for `-`, and then no line; for one page
    #[arg(short, long, value_name = "FILE", conflicts_with = "remote_name")]
    pub(super) output: Option<PathBuf>,
    /// Write each page to a file in this folder, named as the last part of its URL, or index.html; replaces files
    #[arg(short = 'O', long)]
    pub(super) remote_name: bool,
    #[command(flatten)]
    pub(super) request: RequestOptions,
    /// Pages at once
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) concurrency: u16,
    /// How to wait: blocking, threads, pool, processes, tasks or green
    #[arg(long, default_value = "tasks")]
    pub(super) model: Model,
    #[command(flatten)]
    pub(super) driver: DriverOption,
    /// Seconds to wait for a connection, for the first byte, and between two pieces of a body
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) timeout: u32,
    /// Bytes of a page, decompressed, at most
    #[arg(long, default_value_t = 16 << 20, value_name = "BYTES")]
    pub(super) max_size: usize,
    /// Certificates to trust in addition to Mozilla's, a PEM file
    #[arg(long, value_name = "FILE")]
    pub(super) cacert: Option<PathBuf>,
}
