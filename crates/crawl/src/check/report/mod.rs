//! Reports of a check: lines, Markdown, HTML, JSON lines.
//!
//! What pages say is shown, and never obeyed: control characters and those that hide or turn others are written out,
//! and markup is escaped.

mod html;
mod jsonl;
mod lines;
mod markdown;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::{Broken, Findings};

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `PAGE:LINE:COLUMN: TARGET: CAUSE (TEXT)`, a line for each broken link.
    Lines,
    /// A page of Markdown.
    Markdown,
    /// A page of HTML in one file, without scripts and without anything that is loaded from elsewhere.
    Html,
    /// An object for each broken link, with the fields of [`Broken`].
    Jsonl,
}

impl Format {
    /// Returns the format that the end of a file's name says: `.txt`, `.md`, `.html`, `.htm` or `.jsonl`.
    ///
    /// ```
    /// use switchboard_crawl::check::report::Format;
    ///
    /// assert_eq!(Format::of("links.md".as_ref()), Some(Format::Markdown));
    /// assert_eq!(Format::of("links.doc".as_ref()), None);
    /// ```
    pub fn of(file: &Path) -> Option<Format> {
        let end = file.extension()?.to_str()?.to_ascii_lowercase();
        Some(match &*end {
            "txt" => Format::Lines,
            "md" => Format::Markdown,
            "html" | "htm" => Format::Html,
            "jsonl" => Format::Jsonl,
            _ => return None,
        })
    }

    /// Writes a report.
    ///
    /// ```
    /// use switchboard_crawl::check::{Findings, report::{About, Format}};
    ///
    /// let about = About { date: "2026-11-28".into(), is_whole: true };
    /// let findings = Findings { seeds: vec!["http://h/".into()], ..Findings::default() };
    /// let text = Format::Markdown.write(&findings, &about);
    /// assert!(text.starts_with("# Links of http://h/\n\nNo broken link among 0 on 0 pages."));
    /// ```
    pub fn write(self, findings: &Findings, about: &About) -> String {
        match self {
            Format::Lines => lines::write(findings),
            Format::Markdown => markdown::write(findings, about),
            Format::Html => html::write(findings, about),
            Format::Jsonl => jsonl::write(findings),
        }
    }
}

/// What a report says of its check.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// When it was made, as it is to be shown.
    pub date: String,
    /// Whether it came to its end.
    pub is_whole: bool,
}

/// The title of a report.
fn title(findings: &Findings) -> String {
    match &*findings.seeds {
        [one] => format!("Links of {one}"),
        [first, rest @ ..] => format!("Links of {first} and {} more", rest.len()),
        [] => "Links".to_owned(),
    }
}

/// The outcome in a sentence: `No broken link among 3 on 1 page.`
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.broken.len() as u64 {
            0 => write!(f, "No broken link")?,
            many => write!(f, "{}", count(many, "broken link"))?,
        }
        write!(
            f,
            " among {} on {}",
            number(self.links),
            count(self.pages, "page")
        )?;
        match self.unchecked() {
            0 => write!(f, "."),
            many => write!(f, "; {} could not be checked.", number(many)),
        }
    }
}

/// Returns a number, and the word for what it counts.
fn count(many: u64, word: &str) -> String {
    let plural = if many == 1 { "" } else { "s" };
    format!("{} {word}{plural}", number(many))
}

/// Returns a number with its thousands apart.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns the broken links by page, each page once, in their order.
fn by_page(broken: &[Broken]) -> impl Iterator<Item = (Option<&str>, &[Broken])> {
    let pages = broken.chunk_by(|one, other| one.page == other.page);
    pages.map(|links| (links[0].page.as_deref(), links))
}

/// Returns the broken links by the kind of their cause, those with the most first.
fn by_class(broken: &[Broken]) -> Vec<(&str, Vec<&Broken>)> {
    let mut classes: BTreeMap<&str, Vec<&Broken>> = BTreeMap::new();
    for link in broken {
        classes.entry(&link.class).or_default().push(link);
    }
    let mut classes: Vec<_> = classes.into_iter().collect();
    classes.sort_by_key(|(_, links)| std::cmp::Reverse(links.len()));
    classes
}

/// Returns broken links by their target, each with its cause once.
fn by_target<'b>(broken: &[&'b Broken]) -> BTreeMap<(&'b str, &'b str), Vec<&'b Broken>> {
    let mut targets: BTreeMap<(&str, &str), Vec<&Broken>> = BTreeMap::new();
    for link in broken {
        let key = (link.target.as_str(), link.cause.as_str());
        targets.entry(key).or_default().push(link);
    }
    targets
}

/// Returns a text of one line that is harmless.
fn visible(text: &str) -> Cow<'_, str> {
    crate::visible::visible(text, false)
}

#[cfg(test)]
mod tests;
