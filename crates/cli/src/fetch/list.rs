//! Which pages to fetch: the command line's and a list's, each URL once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use switchboard_fetch::encoding::{self, ContentType};
use url::Url;

/// A URL, and the names under which it was asked for.
pub(super) struct Page {
    /// Without a fragment.
    pub(super) url: Url,
    pub(super) names: Vec<Name>,
}

/// What one reference to a page calls it.
pub(super) struct Name {
    pub(super) name: String,
    /// The URL as it was written, without a password.
    pub(super) url: String,
}

/// The pages in the order of their first references.
#[derive(Default)]
struct Pages {
    all: Vec<Page>,
    places: HashMap<Url, usize>,
}

/// Reads the pages of the command line and of a list.
///
/// # Errors
/// What is wrong, in one line, with the number of the list's line.
pub(super) fn read(urls: &[String], from: Option<&Path>) -> Result<Vec<Page>, String> {
    let mut pages = Pages::default();
    for url in urls {
        pages.add(None, url)?;
    }
    if let Some(path) = from {
        let bytes = match path.as_os_str() == "-" {
            true => {
                let mut bytes = Vec::new();
                io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
            }
            false => std::fs::read(path),
        };
        let bytes = bytes.map_err(|error| format!("--from {}: {error}", path.display()))?;
        // A byte order mark decides, UTF-16's too.
        let kind = ContentType::parse("text/plain");
        let text = encoding::decode(kind.as_ref(), &bytes);
        for (number, line) in text.lines().enumerate() {
            let Some((name, url)) = parts(line) else {
                continue;
            };
            let added = pages.add(name, url);
            added.map_err(|text| format!("{}:{}: {text}", path.display(), number + 1))?;
        }
    }
    if pages.all.is_empty() {
        return Err("nothing to fetch: name a URL, or a list with --from FILE".to_owned());
    }
    Ok(pages.all)
}

impl Pages {
    fn add(&mut self, name: Option<&str>, text: &str) -> Result<(), String> {
        let mut url = parse(text)?;
        url.set_fragment(None);
        let shown = without_secrets(text).into_owned();
        let name = Name {
            name: name.map_or_else(|| shown.clone(), str::to_owned),
            url: shown,
        };
        let next = self.all.len();
        match *self.places.entry(url.clone()).or_insert(next) {
            place if place < next => self.all[place].names.push(name),
            _ => self.all.push(Page {
                url,
                names: vec![name],
            }),
        }
        Ok(())
    }
}

/// Returns the name and the URL in a line of a list, or `None` if it has none.
fn parts(line: &str) -> Option<(Option<&str>, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    match without_comment(line).rsplit_once(char::is_whitespace) {
        Some((name, url)) => Some((Some(name.trim_end()), url)),
        None => Some((None, without_comment(line))),
    }
}

/// Returns a line without the comment behind its URL. A `#` in a name begins none.
fn without_comment(line: &str) -> &str {
    let mut begins = line.match_indices('#').map(|(at, _)| at);
    let comment = begins.find(|&at| {
        let before = &line[..at];
        let word = before.trim_end().rsplit(char::is_whitespace).next();
        before.ends_with(char::is_whitespace) && word.is_some_and(|word| word.contains("://"))
    });
    comment.map_or(line, |at| line[..at].trim_end())
}

/// Parses a URL, http or https.
fn parse(text: &str) -> Result<Url, String> {
    let shown = without_secrets(text);
    let hint = match text.contains("://") {
        true => String::new(),
        false => format!(": did you mean http://{}?", shown.trim_start_matches('/')),
    };
    let url = Url::parse(text);
    let url = url.map_err(|error| match hint.is_empty() {
        true => format!("`{shown}` is no URL: {error}"),
        false => format!("`{shown}` is no URL{hint}"),
    })?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ if hint.is_empty() => Err(format!("`{shown}` is no URL to fetch: use http or https")),
        _ => Err(format!("`{shown}` is no URL to fetch{hint}")),
    }
}

/// Returns a URL without what stands before its `@`, which may be a password. Also finds it in what is no URL.
pub(super) fn without_secrets(text: &str) -> Cow<'_, str> {
    if let Ok(mut url) = Url::parse(text)
        && url.has_authority()
    {
        if url.username().is_empty() && url.password().is_none() {
            return Cow::Borrowed(text);
        }
        let removed = url.set_username("").and_then(|()| url.set_password(None));
        if removed.is_ok() {
            return Cow::Owned(url.into());
        }
    }
    match secrets(text) {
        None => Cow::Borrowed(text),
        Some(range) => Cow::Owned([&text[..range.start], &text[range.end..]].concat()),
    }
}

/// Returns where a text has a user and a password, with the `@`.
fn secrets(text: &str) -> Option<Range<usize>> {
    let slash = |c: char| matches!(c, '/' | '\\');
    let scheme = text.find(':').filter(|&at| {
        let (scheme, rest) = (&text[..at], &text[at + 1..]);
        let is_http = ["http", "https"]
            .iter()
            .any(|it| it.eq_ignore_ascii_case(scheme.trim()));
        is_http || rest.starts_with(slash)
    });
    let rest = scheme.map_or(text, |at| &text[at + 1..]);
    let begin = text.len() - rest.trim_start_matches(slash).len();
    let end = text[begin..].find(['/', '\\', '?', '#']);
    let end = end.map_or(text.len(), |length| begin + length);
    let at = text[begin..end].rfind('@')?;
    Some(begin..begin + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_a_name_and_a_url_and_comments() {
        for (line, expected) in [
            ("http://a/", Some((None, "http://a/"))),
            ("  http://a/\t\r", Some((None, "http://a/"))),
            ("Oslo http://a/", Some((Some("Oslo"), "http://a/"))),
            (
                "New  York \t http://a/",
                Some((Some("New  York"), "http://a/")),
            ),
            ("Oslo\u{3000}http://a/", Some((Some("Oslo"), "http://a/"))),
            ("http://a/#top", Some((None, "http://a/#top"))),
            ("http://a/ # the first", Some((None, "http://a/"))),
            ("Oslo http://a/ #", Some((Some("Oslo"), "http://a/"))),
            ("Nr #5 http://a/ # five", Some((Some("Nr #5"), "http://a/"))),
            ("a # b", Some((Some("a #"), "b"))),
            ("# http://a/", None),
            ("#", None),
            (" ", None),
        ] {
            assert_eq!(parts(line), expected, "{line:?}");
        }
    }

    #[test]
    fn what_stands_before_the_at_is_not_shown() {
        for (text, shown) in [
            ("http://127.0.0.1/@", "http://127.0.0.1/@"),
            ("http://user:pw@127.0.0.1/", "http://127.0.0.1/"),
            ("http://token@127.0.0.1/a?b@c", "http://127.0.0.1/a?b@c"),
            ("http://user:p@w@127.0.0.1/", "http://127.0.0.1/"),
            ("http:user:pw@host/a", "http://host/a"),
            ("HTTP:\\\\user:pw@host\\a", "http://host/a"),
            ("http://user:pw@host:99999/", "http://host:99999/"),
            ("http://user:pw@[::1/", "http://[::1/"),
            ("http://user:pw@", "http://"),
            ("user:pw@host/a@b", "host/a@b"),
            ("//user:pw@host/", "//host/"),
            ("ftp://user:pw@host/", "ftp://host/"),
            ("localhost:80/a@b", "localhost:80/a@b"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(text), shown, "{text:?}");
        }
    }

    #[test]
    fn a_url_is_one_page_however_often_it_is_named() {
        let mut pages = Pages::default();
        for (name, url) in [
            (Some("a"), "http://host/"),
            (None, "http://host/b"),
            (Some("c"), "HTTP://HOST:80#top"),
            (Some("d"), "http://me@host/"),
        ] {
            pages.add(name, url).unwrap();
        }
        let names = |page: &Page| -> Vec<String> {
            page.names.iter().map(|name| name.name.clone()).collect()
        };
        let names: Vec<_> = pages.all.iter().map(names).collect();
        assert_eq!(names, [vec!["a", "c"], vec!["http://host/b"], vec!["d"]]);
    }
}
