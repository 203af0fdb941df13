//! The lines about a page. Whatever the page says, each is one line that no terminal obeys.

use std::fmt::Write;

use serde::Serialize;
use switchboard_crawl::visible::{is_harmful, visible};

use super::list::{Name, without_secrets};
use super::page::{Found, Outcome};
use crate::output::{self, Count, Failure};

pub(super) struct Show<'a> {
    pub(super) json: bool,
    /// Stdout has the page itself.
    pub(super) quiet: bool,
    pub(super) found: &'a Found,
    pub(super) file: Option<&'a str>,
}

/// An object of `--json`. Its fields are described in the help, and stay.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    url: &'a str,
    final_url: Option<&'a str>,
    status: Option<u16>,
    r#type: Option<&'a str>,
    encoding: Option<&'a str>,
    bytes: Option<u64>,
    seconds: f64,
    r#match: Option<&'a str>,
    file: Option<&'a str>,
    phase: Option<&'a str>,
    error: Option<&'a str>,
}

impl Show<'_> {
    /// Prints the line for one name of the page.
    pub(super) fn print(&self, name: &Name) -> Result<(), Failure> {
        let line = match self.json {
            true => self.json(name),
            false => self.line(name),
        };
        match self.found.outcome {
            Outcome::Failed { .. } if !self.json || self.quiet => output::remark(line),
            _ if self.quiet => {}
            _ => output::print(format_args!("{line}\n"))?,
        }
        Ok(())
    }

    fn line(&self, Name { name, url }: &Name) -> String {
        let found = self.found;
        let text = match &found.outcome {
            Outcome::Match(text) => format!("{name}, {text}"),
            Outcome::NoMatch => format!("no match at {url}"),
            Outcome::Page => {
                let status = found.status.unwrap_or_default();
                let bytes = Count(found.bytes.unwrap_or_default(), "byte");
                let file = self.file.map_or(String::new(), |file| format!(", {file}"));
                format!("{name}, {status}, {bytes}, {:.2} s{file}", found.seconds)
            }
            Outcome::Failed { phase, cause } => {
                format!("error for {name} ({url}): {phase}: {cause}")
            }
        };
        visible(&text, false).into_owned()
    }

    fn json(&self, Name { name, url }: &Name) -> String {
        let found = self.found;
        let final_url = found.final_url.as_deref().map(without_secrets);
        let (mut matched, mut phase, mut error) = (None, None, None);
        match &found.outcome {
            Outcome::Match(text) => matched = Some(&**text),
            Outcome::Failed { phase: at, cause } => (phase, error) = (Some(&**at), Some(&**cause)),
            Outcome::Page | Outcome::NoMatch => {}
        }
        let row = Row {
            name,
            url,
            final_url: final_url.as_deref(),
            status: found.status,
            r#type: found.kind.as_deref(),
            encoding: found.encoding.as_deref(),
            bytes: found.bytes,
            seconds: (found.seconds * 1000.0).round() / 1000.0,
            r#match: matched,
            file: self.file,
            phase,
            error,
        };
        // Neither a text nor a number can fail.
        escaped(&serde_json::to_string(&row).unwrap_or_default())
    }
}

/// Returns a JSON text in which what a terminal would obey is escaped. Outside of strings there is none of that.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match is_harmful(c) {
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(text, "\\u{unit:04x}");
            }),
            false => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_harmless_and_exact() {
        let text = "a\u{1b}[2J\n\u{7f}\u{9b}\u{202e}\u{e0041}\"\\ünï 👩‍🚀";
        let json = escaped(&serde_json::to_string(text).unwrap());
        assert!(!json.contains(is_harmful), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
