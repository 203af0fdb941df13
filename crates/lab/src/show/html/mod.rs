//! A report as one page, which asks nothing of any server and needs no script.

mod data;
mod head;
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

/// Writes a list of sentences; nothing if there are none.
fn list(page: &mut String, class: &str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    let _ = writeln!(page, "<ul class=\"{class}\">");
    for sentence in sentences {
        let _ = writeln!(page, "<li>{}</li>", escape(sentence));
    }
    page.push_str("</ul>\n");
}
