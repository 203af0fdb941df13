//! A page of HTML that stands for itself: no script, and nothing that is loaded from elsewhere.

use std::fmt::Write as _;

use super::{About, Broken, Findings, by_class, by_page, by_target, count, visible};
use crate::address::Address;

/// Places of one broken target that are listed; the others are counted.
const PLACES: usize = 100;

pub(super) fn write(findings: &Findings, about: &About) -> String {
    let title = escape(&super::title(findings));
    let mut page = format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<meta name=viewport content=\"width=device-width\">\n\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=referrer content=no-referrer>\n<title>{title}</title>\n<style>\n{}</style>\n<main>\n<h1>{title}</h1>\n",
        include_str!("style.css")
    );
    let mood = match (findings.broken.is_empty(), about.is_whole) {
        (true, true) => "good",
        (true, false) => "open",
        (false, _) => "bad",
    };
    let _ = write!(
        page,
        "<p class=\"sum {mood}\">{}",
        escape(&findings.to_string())
    );
    if !about.is_whole {
        page += " The check ended before it had seen all pages.";
    }
    page += "</p>\n";
    if !about.date.is_empty() {
        let _ = writeln!(page, "<p class=note>Checked {}.</p>", escape(&about.date));
    }
    if !findings.broken.is_empty() {
        page += "<nav><a href=#causes>By cause</a> <a href=#pages>By page</a></nav>\n<section id=causes>\n<h2>By cause</h2>\n";
        for (class, links) in by_class(&findings.broken) {
            write_class(class, &links, &mut page);
        }
        page += "</section>\n<section id=pages>\n<h2>By page</h2>\n";
        for (name, links) in by_page(&findings.broken) {
            write_page(name, links, &mut page);
        }
        page += "</section>\n";
    }
    if findings.unchecked() > 0 {
        page += "<section id=unchecked>\n<h2>Not checked</h2>\n<table>\n<thead><tr><th>Reason<th class=number>Links</thead>\n";
        for (why, links) in &findings.unchecked {
            let _ = writeln!(page, "<tr><td>{}<td class=number>{links}", escape(why));
        }
        page += "</table>\n</section>\n";
    }
    page += "</main>\n</html>\n";
    page
}

/// A cause: its targets, and where each is linked from.
fn write_class(class: &str, links: &[&Broken], page: &mut String) {
    let many = count(links.len() as u64, "link");
    let _ = writeln!(
        page,
        "<details open>\n<summary><b>{}</b> <span class=note>{many}</span></summary>\n<ul class=targets>",
        escape(class)
    );
    for ((target, cause), places) in by_target(links) {
        let _ = write!(page, "<li>{}", anchor(target));
        if cause != class {
            let _ = write!(page, " <span class=cause>{}</span>", escape(cause));
        }
        page.push_str("\n<ul class=places>\n");
        for link in places.iter().take(PLACES) {
            match &link.page {
                Some(from) => {
                    let (line, column) = (link.line, link.column);
                    let _ = writeln!(page, "<li>{}:{line}:{column}", anchor(from));
                }
                None => page.push_str("<li>where the check began\n"),
            }
        }
        if places.len() > PLACES {
            let _ = writeln!(page, "<li>and {} more", places.len() - PLACES);
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</ul>\n</details>\n");
}

/// A page: how it was reached, and its broken links.
fn write_page(name: Option<&str>, links: &[Broken], page: &mut String) {
    page.push_str("<article>\n");
    match name {
        Some(name) => {
            let _ = writeln!(page, "<h3>{}</h3>", anchor(name));
        }
        None => page.push_str("<h3>Where the check began</h3>\n"),
    }
    if let [before @ .., _] = &*links[0].way
        && !before.is_empty()
    {
        let _ = writeln!(page, "<p class=note>Reached by {}</p>", chain(before));
    }
    page.push_str(
        "<table class=links>\n<thead><tr><th class=number>Line<th class=number>Column<th>Target<th>Text<th>Cause</thead>\n",
    );
    for link in links {
        let number = |number: u32| match number {
            0 => String::new(),
            number => number.to_string(),
        };
        let (line, column) = (number(link.line), number(link.column));
        let _ = write!(
            page,
            "<tr><td class=number>{line}<td class=number>{column}<td>{}<td>{} <code>{}</code><td class=cause>{}",
            anchor(&link.target),
            escape(&link.text),
            escape(link.kind),
            escape(&link.cause)
        );
        if !link.redirects.is_empty() {
            let _ = write!(
                page,
                "<br><span class=note>redirected to {}</span>",
                chain(&link.redirects)
            );
        }
        page.push('\n');
    }
    page.push_str("</table>\n</article>\n");
}

fn chain(addresses: &[String]) -> String {
    let links: Vec<String> = addresses.iter().map(|address| anchor(address)).collect();
    links.join(" → ")
}

/// Returns a link to an address, or the text alone if it is none.
fn anchor(address: &str) -> String {
    let text = escape(address);
    match Address::parse(address).is_ok() {
        true => format!("<a href=\"{text}\">{text}</a>"),
        false => format!("<span class=raw>{text}</span>"),
    }
}

/// Returns a text in which nothing is markup, also within the quotes of an attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in visible(text).chars() {
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
