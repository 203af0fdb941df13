//! robots.txt: what a host lets a crawler fetch, by RFC 9309.
//!
//! - The groups of the crawler's product token apply, all of them together; if there are none, those of `*`.
//! - The rule with the longest pattern decides; of two that are as long, the one that allows. `*` is any bytes, `$` at the
//!   end is the end. Percent-encoding is compared in one form, so `%7e` is `~`, and `%2A` is a star that is meant.
//! - Names of lines have no case; the misspellings that Google's parser knows count, and so does a line of two words
//!   without a colon. Lines end at CR, LF or both, and a byte order mark is skipped.
//! - Only rules end a list of `User-agent` lines, so that `Crawl-delay` or an unknown line between does not.
//! - A status of 400 to 499 allows everything, and so do redirects that lead nowhere; another status that is no
//!   success, or no answer at all, allows nothing.

mod parse;
mod rule;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use parse::Parsed;
use rule::{Rule, normal};

/// What a host lets one crawler fetch.
///
/// ```
/// use std::time::Duration;
/// use switchboard_crawl::robots::Robots;
///
/// let text = b"User-agent: *\nDisallow: /private/\nAllow: /private/news\nCrawl-delay: 2\n";
/// let robots = Robots::of_answer(200, text, "switchboard/0.1 (+https://crawler.example)");
/// assert!(robots.allows("/"));
/// assert!(!robots.allows("/private/diary"));
/// assert!(robots.allows("/private/news?page=2"));
/// assert_eq!(robots.delay(), Some(Duration::from_secs(2)));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Robots {
    /// The longest pattern first; of those as long, what allows first.
    rules: Vec<Rule>,
    delay: Option<Duration>,
    sitemaps: Vec<String>,
    /// No answer said what is allowed, so nothing is.
    unreachable: bool,
}

impl Robots {
    /// The most redirects of robots.txt in a row that are followed, to other hosts too.
    pub const REDIRECTS: u32 = 5;

    /// The bytes of a robots.txt that are read. A line that goes on behind them does not count.
    pub const MAX_BYTES: usize = 500 * 1024;

    /// How long an answer counts. Then robots.txt is fetched again before the host's next page.
    pub const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

    /// The longest `Crawl-delay` that is followed; a longer one counts as this.
    pub const MAX_DELAY: Duration = Duration::from_secs(300);

    /// Reads the answer for robots.txt, after at most [`Robots::REDIRECTS`] redirects. A status 300 to 399 here means
    /// that there were more. The body is that of the answer with its codings undone; what is behind the first
    /// [`Robots::MAX_BYTES`] of it need not be there.
    ///
    /// Groups are chosen by the product token of `user_agent`, which is what it has before the first byte
    /// that is no letter, digit, `-` or `_`.
    pub fn of_answer(status: u16, body: &[u8], user_agent: &str) -> Robots {
        match status {
            200..=299 => Robots::of(parse::parse(limited(body), user_agent)),
            300..=499 => Robots::of(Parsed::default()),
            _ => Robots::unreachable(),
        }
    }

    /// Returns what counts while there is no answer for robots.txt: nothing is allowed.
    ///
    /// ```
    /// # use switchboard_crawl::robots::Robots;
    /// assert!(!Robots::unreachable().allows("/"));
    /// ```
    pub fn unreachable() -> Robots {
        Robots {
            rules: Vec::new(),
            delay: None,
            sitemaps: Vec::new(),
            unreachable: true,
        }
    }

    fn of(parsed: Parsed) -> Robots {
        let mut rules = parsed.rules;
        rules.sort_by_key(Rule::rank);
        Robots {
            rules,
            delay: parsed.delay,
            sitemaps: parsed.sitemaps,
            unreachable: false,
        }
    }

    /// Whether a page may be fetched, by its path with its query. `/robots.txt` always may.
    pub fn allows(&self, path_and_query: &str) -> bool {
        self.refusal(path_and_query).is_none()
    }

    /// Says in a few words why a page may not be fetched; `None` if it may.
    ///
    /// ```
    /// # use switchboard_crawl::robots::Robots;
    /// let robots = Robots::of_answer(200, b"User-agent: *\nDisallow: /*.pdf$", "switchboard");
    /// assert_eq!(robots.refusal("/a.pdf").as_deref(), Some("robots.txt says `Disallow: /*.pdf$`"));
    /// assert_eq!(robots.refusal("/a.pdf?raw"), None);
    /// ```
    pub fn refusal(&self, path_and_query: &str) -> Option<Cow<'static, str>> {
        if path_and_query == "/robots.txt" {
            return None;
        }
        if self.unreachable {
            return Some("robots.txt cannot be fetched".into());
        }
        if self.rules.is_empty() {
            return None;
        }
        let path = normal(path_and_query.as_bytes());
        let rule = self.rules.iter().find(|rule| rule.matches(&path))?;
        let refused = !rule.allow;
        refused.then(|| format!("robots.txt says `{rule}`").into())
    }

    /// How many rules there are.
    pub(crate) fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns the time that has to be between two requests, if the host asks for one: at most
    /// [`Robots::MAX_DELAY`].
    pub fn delay(&self) -> Option<Duration> {
        self.delay
    }

    /// Returns what the file says after `Sitemap`, each once: URLs as they were written, some relative to the
    /// file perhaps.
    pub fn sitemaps(&self) -> &[String] {
        &self.sitemaps
    }

    /// Reads what `to_string` has written.
    ///
    /// ```
    /// # use switchboard_crawl::robots::Robots;
    /// let text = b"User-agent: a\nDisallow: /a\n\nUser-agent: *\nDisallow: /*.pdf$\nSitemap: /map.xml";
    /// let robots = Robots::of_answer(200, text, "switchboard");
    /// assert_eq!(Robots::stored(&robots.to_string()), robots);
    /// ```
    pub fn stored(text: &str) -> Robots {
        match text.starts_with(UNREACHABLE) {
            true => Robots::unreachable(),
            false => Robots::of(parse::parse(text.as_bytes(), "*")),
        }
    }
}

const UNREACHABLE: &str = "# unreachable\n";

/// A robots.txt that has what applies to this crawler, and nothing of others. [`Robots::stored`] reads it.
impl fmt::Display for Robots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unreachable {
            return write!(f, "{UNREACHABLE}User-agent: *\nDisallow: /\n");
        }
        writeln!(f, "User-agent: *")?;
        self.rules
            .iter()
            .try_for_each(|rule| writeln!(f, "{rule}"))?;
        if let Some(delay) = self.delay {
            writeln!(f, "Crawl-delay: {}", delay.as_secs_f64())?;
        }
        let mut sitemaps = self.sitemaps.iter();
        sitemaps.try_for_each(|sitemap| writeln!(f, "Sitemap: {sitemap}"))
    }
}

/// Returns the whole lines within the limit.
fn limited(body: &[u8]) -> &[u8] {
    let Some(start) = body.get(..=Robots::MAX_BYTES) else {
        return body;
    };
    let end = start.iter().rposition(|byte| matches!(byte, b'\r' | b'\n'));
    &body[..end.unwrap_or(0)]
}
