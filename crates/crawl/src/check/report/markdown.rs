//! A page of Markdown.

use std::fmt::Write as _;

use super::{About, Broken, Findings, by_class, by_page, title, visible};

pub(super) fn write(findings: &Findings, about: &About) -> String {
    let mut text = format!("# {}\n\n{findings}", visible(&title(findings)));
    if !about.is_whole {
        text += " The check ended before it had seen all pages.";
    }
    if !about.date.is_empty() {
        let _ = write!(text, " Checked {}.", about.date);
    }
    text.push('\n');
    if !findings.broken.is_empty() {
        text += "\n## By cause\n\n| cause | links |\n|---|---:|\n";
        for (class, links) in by_class(&findings.broken) {
            let _ = writeln!(text, "| {} | {} |", cell(class), links.len());
        }
        text += "\n## By page\n";
    }
    for (page, links) in by_page(&findings.broken) {
        match page {
            Some(page) => {
                let _ = write!(text, "\n### {}\n\n", code(page));
                if let [before @ .., _] = &*links[0].way
                    && !before.is_empty()
                {
                    let before: Vec<String> = before.iter().map(|page| code(page)).collect();
                    let _ = write!(text, "Reached by {}\n\n", before.join(" → "));
                }
            }
            None => text += "\n### Where the check began\n\n",
        }
        links.iter().for_each(|link| item(link, &mut text));
    }
    if findings.unchecked() > 0 {
        text += "\n## Not checked\n\n| reason | links |\n|---|---:|\n";
        for (why, links) in &findings.unchecked {
            let _ = writeln!(text, "| {} | {links} |", cell(why));
        }
    }
    text
}

fn item(link: &Broken, text: &mut String) {
    text.push_str("- ");
    if link.page.is_some() {
        let _ = write!(text, "{}:{} ", link.line, link.column);
    }
    let _ = write!(text, "{}", code(&link.target));
    if !link.kind.is_empty() {
        let _ = write!(text, " ({}", code(link.kind));
        if !link.text.is_empty() {
            let _ = write!(text, ", {}", code(&link.text));
        }
        text.push(')');
    }
    let _ = writeln!(text, ": {}", code(&link.cause));
    if !link.redirects.is_empty() {
        let hops: Vec<String> = link.redirects.iter().map(|hop| code(hop)).collect();
        let _ = writeln!(text, "  redirected to {}", hops.join(" → "));
    }
}

/// Returns a text as code, in which nothing is markup.
fn code(text: &str) -> String {
    let text = visible(text);
    let runs = text.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0) + 1);
    match text.starts_with('`') || text.ends_with('`') || text.trim().is_empty() {
        true => format!("{fence} {text} {fence}"),
        false => format!("{fence}{text}{fence}"),
    }
}

/// Returns a text for a cell of a table, where a bar would end it even in code.
fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}
