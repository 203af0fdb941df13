//! What a crawl does.

use std::path::PathBuf;
use std::time::Duration;

use switchboard_runtime::{Driver, Model};

use crate::check::Check;
use crate::shared::Shared;

/// The settings of a crawl. The default crawls nothing: it has no seeds and no folder.
///
/// ```
/// use switchboard_crawl::Settings;
///
/// let settings = Settings {
///     seeds: vec!["http://127.0.0.1:8080/".to_owned()],
///     state: "docs.crawl".into(),
///     ..Settings::default()
/// };
/// assert_eq!(settings.per_host, 2);
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the crawl begins, absolute URLs. None, together with `resume`: what the folder's crawl has.
    pub seeds: Vec<String>,
    /// What belongs to the crawl: `host`, `domain`, `prefix`, or a regular expression of addresses.
    pub scope: String,
    /// Clicks from a seed, at most.
    pub depth: Option<u32>,
    /// Pages that are fetched, at most, in all runs of the crawl together; a redirect counts as one.
    pub pages: Option<u64>,
    /// Requests at once, to all hosts together.
    pub concurrency: usize,
    /// Requests at once to one host.
    pub per_host: usize,
    /// Time from one request to a host to the next. A longer one that robots.txt asks for is kept instead.
    pub delay: Duration,
    /// Model under which pages are fetched.
    pub model: Model,
    /// Driver of the event loop, under a model that has one; `None` for the best.
    pub driver: Option<Driver>,
    /// The folder in which the crawl is kept.
    pub state: PathBuf,
    /// Where the frontier is, if processes share it; `state` is this process's folder then. `None` for a crawl of its own.
    pub shared: Option<Shared>,
    /// Files to which what was fetched is written. None, together with `resume`: those of the folder's crawl.
    pub out: Vec<PathBuf>,
    /// Goes on with the crawl of the folder, if there is one.
    pub resume: bool,
    /// Whether the links are checked, and which of them; no rows are written then. `None` for a plain crawl.
    pub check: Option<Check>,
    /// Whether robots.txt is obeyed.
    pub robots: bool,
    /// Whether the sitemaps that robots.txt names are read.
    pub sitemaps: bool,
    /// Whether links are left out that say `nofollow`.
    pub nofollow: bool,
    /// The `User-Agent` of all requests.
    pub user_agent: String,
    /// How often a request is sent again that may succeed later.
    pub retries: u8,
    /// The longest pause before a request is sent again for the first time; it doubles with each try, up to a minute.
    pub pause: Duration,
    /// Time for each of connecting, the first byte and two pieces of a body; a whole request may take 20 times as long.
    pub timeout: Duration,
    /// Bytes of a page, decoded, at most.
    pub max_size: usize,
    /// Certificates to trust in addition to Mozilla's, a PEM text.
    pub extra_roots: Option<Vec<u8>>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seeds: Vec::new(),
            scope: "host".to_owned(),
            depth: None,
            pages: None,
            concurrency: 64,
            per_host: 2,
            delay: Duration::from_secs(1),
            model: Model::Tasks,
            driver: None,
            state: PathBuf::new(),
            shared: None,
            out: Vec::new(),
            resume: false,
            check: None,
            robots: true,
            sitemaps: true,
            nofollow: false,
            user_agent: concat!("switchboard/", env!("CARGO_PKG_VERSION")).to_owned(),
            retries: 2,
            pause: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
            max_size: 16 << 20,
            extra_roots: None,
        }
    }
}
