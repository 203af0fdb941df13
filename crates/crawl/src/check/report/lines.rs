//! A line for each broken link, as compilers write them.

use std::fmt::Write as _;

use super::{Findings, visible};

pub(super) fn write(findings: &Findings) -> String {
    let mut text = String::new();
    for link in &findings.broken {
        let page = link.page.as_deref().unwrap_or("-");
        let (line, column) = (link.line, link.column);
        let (page, target) = (visible(page), visible(&link.target));
        // A string takes whatever is written to it.
        let _ = write!(
            text,
            "{page}:{line}:{column}: {target}: {}",
            visible(&link.cause)
        );
        if let Some(last) = link.redirects.last() {
            let _ = write!(text, ", redirected to {}", visible(last));
        }
        match (&link.page, &*link.text) {
            (None, _) => text += " (where the check began)",
            (_, "") => {}
            (_, words) => {
                let _ = write!(text, " ({})", visible(words));
            }
        }
        text.push('\n');
    }
    text
}
