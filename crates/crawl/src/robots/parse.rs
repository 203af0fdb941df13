//! The lines of a robots.txt, and the groups of one crawler.

use std::collections::HashSet;
use std::time::Duration;

use super::Robots;
use super::rule::Rule;

/// What applies to the crawler.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) rules: Vec<Rule>,
    pub(super) delay: Option<Duration>,
    pub(super) sitemaps: Vec<String>,
}

/// What the lines of the crawler's own groups say, or those of `*`.
#[derive(Default)]
struct Group {
    seen: bool,
    rules: Vec<Rule>,
    delay: Option<Duration>,
}

/// Whom the `User-agent` lines name that stand before a line. The next such line adds to them, unless
/// a line that counts has come between.
#[derive(Clone, Copy, Default)]
struct Agents {
    own: bool,
    any: bool,
    closed: bool,
}

impl Agents {
    fn add(&mut self, own: bool, any: bool) {
        if self.closed {
            *self = Agents::default();
        }
        self.own |= own;
        self.any |= any;
    }
}

enum Name {
    Agent,
    Allow,
    Disallow,
    Delay,
    Sitemap,
}

/// With the misspellings that are frequent enough for Google's parser to know them.
static NAMES: [(&[u8], Name); 19] = [
    (b"user-agent", Name::Agent),
    (b"useragent", Name::Agent),
    (b"user agent", Name::Agent),
    (b"allow", Name::Allow),
    (b"disallow", Name::Disallow),
    (b"dissallow", Name::Disallow),
    (b"dissalow", Name::Disallow),
    (b"disalow", Name::Disallow),
    (b"diasllow", Name::Disallow),
    (b"disallaw", Name::Disallow),
    (b"crawl-delay", Name::Delay),
    (b"crawldelay", Name::Delay),
    (b"crawl delay", Name::Delay),
    (b"crawl_delay", Name::Delay),
    (b"sitemap", Name::Sitemap),
    (b"sitemaps", Name::Sitemap),
    (b"site-map", Name::Sitemap),
    (b"site map", Name::Sitemap),
    (b"site_map", Name::Sitemap),
];

/// Reads what applies to a crawler. `*` as the crawler's name stands for no group of its own.
pub(super) fn parse(text: &[u8], user_agent: &str) -> Parsed {
    let token = token(user_agent.as_bytes());
    let (mut own, mut any) = (Group::default(), Group::default());
    let (mut of_rules, mut of_delay) = (Agents::default(), Agents::default());
    let (mut sitemaps, mut known) = (Vec::new(), HashSet::new());
    let lines = without_mark(text).split(|&byte| matches!(byte, b'\r' | b'\n'));
    for (name, value) in lines.filter_map(line) {
        match name {
            Name::Agent => {
                let is_any = matches!(value, [b'*'] | [b'*', b' ' | b'\t', ..]);
                let is_own = !token.is_empty() && self::token(value).eq_ignore_ascii_case(token);
                of_rules.add(is_own, is_any);
                of_delay.add(is_own, is_any);
                own.seen |= is_own;
            }
            Name::Allow | Name::Disallow => {
                let rule = Rule::new(value, matches!(name, Name::Allow));
                // The own groups alone count if there are any.
                match of_rules {
                    Agents { own: true, .. } => own.rules.extend(rule),
                    Agents { any: true, .. } => any.rules.extend(rule),
                    _ => {}
                }
                (of_rules.closed, of_delay.closed) = (true, true);
            }
            Name::Delay => {
                let delay = delay(value);
                match of_delay {
                    Agents { own: true, .. } => own.delay = own.delay.max(delay),
                    Agents { any: true, .. } => any.delay = any.delay.max(delay),
                    _ => {}
                }
                of_delay.closed = true;
            }
            Name::Sitemap => {
                let sitemap = String::from_utf8_lossy(value);
                if !value.is_empty() && known.insert(value) {
                    sitemaps.push(sitemap.into_owned());
                }
            }
        }
    }
    let group = if own.seen { own } else { any };
    Parsed {
        rules: group.rules,
        delay: group.delay,
        sitemaps,
    }
}

/// Returns the product token that a text begins with.
fn token(text: &[u8]) -> &[u8] {
    let is_in = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let end = text.iter().position(|byte| !is_in(byte));
    &text[..end.unwrap_or(text.len())]
}

/// Skips a byte order mark, and a part of one.
fn without_mark(text: &[u8]) -> &[u8] {
    let mark = b"\xef\xbb\xbf";
    let same = mark
        .iter()
        .zip(text)
        .take_while(|(mark, byte)| mark == byte);
    &text[same.count()..]
}

/// Divides a line into its name and its value, if its name means something here.
fn line(line: &[u8]) -> Option<(&'static Name, &[u8])> {
    let end = line.iter().position(|&byte| byte == b'#');
    let line = line[..end.unwrap_or(line.len())].trim_ascii();
    let (name, value) = match line.iter().position(|&byte| byte == b':') {
        Some(colon) => (&line[..colon], &line[colon + 1..]),
        None => {
            let blank = line.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
            let (name, value) = (&line[..blank], line[blank..].trim_ascii());
            // With more words it is a sentence.
            let one = !value.iter().any(|byte| matches!(byte, b' ' | b'\t'));
            one.then_some((name, value))?
        }
    };
    let (name, value) = (name.trim_ascii_end(), trim(value));
    let mut names = NAMES.iter();
    let (_, name) = names.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some((name, value))
}

/// Drops the blanks around a value, also those that only Unicode knows: nobody means them, and a rule that ends with one
/// would match nothing.
fn trim(value: &[u8]) -> &[u8] {
    let text = std::str::from_utf8(value).map(|text| text.trim().as_bytes());
    text.unwrap_or(value.trim_ascii())
}

/// Reads a number of seconds; nothing for what is none.
fn delay(value: &[u8]) -> Option<Duration> {
    let seconds: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    let most = Robots::MAX_DELAY;
    match seconds >= most.as_secs_f64() {
        true => Some(most),
        false => Duration::try_from_secs_f64(seconds).ok(),
    }
}
