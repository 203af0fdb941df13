//! JSON lines: an object for each broken link.

use serde::Serialize;

use super::{Broken, Findings};

#[derive(Serialize)]
struct Row<'b> {
    page: Option<&'b str>,
    line: u32,
    column: u32,
    target: &'b str,
    written: &'b str,
    kind: &'b str,
    text: &'b str,
    cause: &'b str,
    class: &'b str,
    redirects: &'b [String],
    way: &'b [String],
}

pub(super) fn write(findings: &Findings) -> String {
    let mut text = String::new();
    for link in &findings.broken {
        let Broken {
            page,
            line,
            column,
            target,
            written,
            kind,
            text: words,
            cause,
            class,
            redirects,
            way,
        } = link;
        let row = Row {
            page: page.as_deref(),
            line: *line,
            column: *column,
            target,
            written,
            kind,
            text: words,
            cause,
            class,
            redirects,
            way,
        };
        let row = serde_json::to_string(&row);
        text += &row.expect("texts and numbers are JSON");
        text.push('\n');
    }
    text
}
