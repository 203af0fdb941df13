//! A report as one page, which asks nothing of any server and needs no script.

mod data;
mod head;
mod numbers;
mod plot;
mod section;
mod svg;
mod table;

use std::fmt::Write;

use super::harmless::harmless;
use crate::report::Report;

/// Bytes that a page should not exceed.
const LIMIT: usize = 1_000_000;

/// What a page may load: nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// Formats a report as an HTML page: one file that loads nothing, runs no script, follows the reader's light or dark
/// scheme, and can be printed.
///
/// The page has the report's JSON in it, as an element `<script type="application/json" id="data">` and as a link that
/// saves it. If the page would be over 1 MB with all samples, only some of each figure's are kept there, those by which
/// its distribution is seen best; the page says so, and what it shows follows from all of them all the same.
///
/// ```
/// let page = switchboard_lab::show::html(&switchboard_lab::Report::default());
/// assert!(page.starts_with("<!doctype html>"));
/// ```
pub fn html(report: &Report) -> String {
    let mut body = String::new();
    head::write(&mut body, report);
    body.push_str("<main id=\"main\">\n");
    for (nth, section) in report.sections.iter().enumerate() {
        section::write(&mut body, section, nth);
    }
    body.push_str("</main>\n");
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the results</a>\n",
        escape(&head::title(report)),
        include_str!("style.css"),
    );
    page.push_str(&body);
    data::write(&mut page, report, LIMIT);
    page.push_str("</body>\n</html>\n");
    page
}

/// Returns a text as it is written in an element or an attribute.
fn escape(text: &str) -> String {
    let text = harmless(text);
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Returns a sentence as it is written in an element: what is in backticks is code, and a number stays with its unit.
fn prose(sentence: &str) -> String {
    let mut written = String::with_capacity(sentence.len() + 16);
    let parts: Vec<&str> = sentence.split('`').collect();
    let whole = parts.len() % 2 == 1;
    for (nth, part) in parts.into_iter().enumerate() {
        match nth % 2 {
            1 if whole => written.push_str(&format!("<code>{}</code>", escape(part))),
            0 if whole || nth == 0 => written.push_str(&kept_together(&escape(part))),
            _ => written.push_str(&format!("`{}", kept_together(&escape(part)))),
        }
    }
    written
}

/// Replaces the space between a number and its unit by one at which no line ends.
fn kept_together(text: &str) -> String {
    const UNITS: [&str; 13] = [
        "s", "ms", "µs", "us", "ns", "%", "B", "kB", "KB", "KiB", "MiB", "GiB", "bytes",
    ];
    let mut written = String::with_capacity(text.len());
    for (nth, word) in text.split(' ').enumerate() {
        let unit = word.split(|c: char| !c.is_alphabetic() && c != '%').next();
        let after_number = written.ends_with(|c: char| c.is_ascii_digit());
        match unit {
            _ if nth == 0 => {}
            Some(unit) if after_number && UNITS.contains(&unit) => written.push('\u{a0}'),
            _ => written.push(' '),
        }
        written.push_str(word);
    }
    written
}

/// Writes a list of sentences; nothing if there are none.
fn list(page: &mut String, class: &str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    let _ = writeln!(page, "<ul class=\"{class}\">");
    for sentence in sentences {
        let _ = writeln!(page, "<li>{}</li>", prose(sentence));
    }
    page.push_str("</ul>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_has_code_and_keeps_numbers_with_their_units() {
        let written = prose("`a<b` takes 12 ms (10 ms–13 ms), 4 % and 7 sockets");
        let expected =
            "<code>a&lt;b</code> takes 12\u{a0}ms (10\u{a0}ms–13\u{a0}ms), 4\u{a0}% and 7 sockets";
        assert_eq!(written, expected);
        assert_eq!(prose("one ` alone"), "one ` alone");
    }
}
