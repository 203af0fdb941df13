use super::*;

fn link(page: Option<&str>, target: &str, cause: &str) -> Broken {
    Broken {
        page: page.map(str::to_owned),
        line: 3,
        column: 14,
        target: target.to_owned(),
        written: target.to_owned(),
        kind: "a",
        text: "go on".to_owned(),
        cause: cause.to_owned(),
        class: cause.split(':').next().unwrap().to_owned(),
        redirects: Vec::new(),
        way: page.iter().map(|page| (*page).to_owned()).collect(),
    }
}

fn findings(broken: Vec<Broken>) -> Findings {
    Findings {
        seeds: vec!["http://h/".to_owned()],
        broken,
        pages: 1,
        links: 1_234,
        unchecked: [("out of scope".to_owned(), 2)].into(),
    }
}

fn about() -> About {
    About {
        date: String::new(),
        is_whole: true,
    }
}

#[test]
fn a_line_says_where_what_and_why() {
    let mut moved = link(Some("http://h/a"), "http://h/b", "status 404");
    moved.redirects = vec!["http://h/c".to_owned()];
    moved.text.clear();
    let seed = link(None, "http://h/", "connect: refused");
    let first = link(Some("http://h/a"), "http://h/x#y", "no such place: `y`");
    let text = Format::Lines.write(&findings(vec![first, moved, seed]), &about());
    assert_eq!(
        text,
        "http://h/a:3:14: http://h/x#y: no such place: `y` (go on)\n\
         http://h/a:3:14: http://h/b: status 404, redirected to http://h/c\n\
         -:3:14: http://h/: connect: refused (where the check began)\n"
    );
}

#[test]
fn what_a_page_says_is_not_obeyed() {
    let hostile = "<script>`|x`\u{1b}]0;own\u{7}\u{202e}\n</td>\"'&";
    let mut bad = link(Some("http://h/a"), hostile, "status 404");
    bad.text = hostile.to_owned();
    let findings = findings(vec![bad]);
    for format in [Format::Lines, Format::Markdown, Format::Html] {
        let text = format.write(&findings, &about());
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text}");
    }
    assert_eq!(Format::Lines.write(&findings, &about()).lines().count(), 1);
    let html = Format::Html.write(&findings, &about());
    assert!(
        !html.contains("<script") && !html.contains("</td>"),
        "{html}"
    );
    let markdown = Format::Markdown.write(&findings, &about());
    assert!(markdown.contains("``<script>`|x`"), "{markdown}");
    let row = Format::Jsonl.write(&findings, &about());
    let row: serde_json::Value = serde_json::from_str(&row).unwrap();
    assert_eq!(row["target"], hostile);
}

#[test]
fn a_page_of_html_loads_nothing_and_links_only_to_the_web() {
    let links = [
        "http://h/x",
        "javascript:alert(1)",
        "//h/x",
        "http://[",
        "data:x",
    ];
    let links = links.map(|target| link(Some("http://h/a"), target, "status 404"));
    let html = Format::Html.write(&findings(links.into()), &about());
    let document = crate::links::html(&html);
    assert_eq!(document.title, "Links of http://h/");
    for found in &document.links {
        assert_eq!(found.kind, crate::LinkKind::Anchor);
        let target = &found.target;
        assert!(
            target.starts_with('#') || target.starts_with("http://h/"),
            "{target}"
        );
    }
}

#[test]
fn groups_are_whole() {
    let broken = vec![
        link(Some("http://h/a"), "http://h/x", "status 404"),
        link(Some("http://h/a"), "http://h/y", "connect: refused"),
        link(Some("http://h/b"), "http://h/x", "status 404"),
    ];
    let classes = by_class(&broken);
    let sizes: Vec<_> = classes
        .iter()
        .map(|(class, it)| (*class, it.len()))
        .collect();
    assert_eq!(sizes, [("status 404", 2), ("connect", 1)]);
    assert_eq!(by_target(&classes[0].1).len(), 1);
    let pages: Vec<_> = by_page(&broken)
        .map(|(page, it)| (page, it.len()))
        .collect();
    assert_eq!(pages, [(Some("http://h/a"), 2), (Some("http://h/b"), 1)]);
    let sum = findings(broken).to_string();
    assert_eq!(
        sum,
        "3 broken links among 1,234 on 1 page; 2 could not be checked."
    );
}

#[test]
fn letters_that_are_shown_as_nothing_are_written_out() {
    let text = "a\u{115f}\u{1160}\u{3164}\u{ffa0}b";
    assert_eq!(visible(text), "a\\u{115f}\\u{1160}\\u{3164}\\u{ffa0}b");
}

#[test]
fn addresses_are_no_markup_in_markdown() {
    let page = "http://h/![x](http://evil/p.png)";
    let mut broken = link(Some(page), "http://h/b", "status 404");
    broken.way = vec![page.to_owned(), page.to_owned()];
    let text = Format::Markdown.write(&findings(vec![broken]), &about());
    assert!(text.contains(&format!("\n### `{page}`\n")), "{text}");
    assert!(text.contains(&format!("\nReached by `{page}`\n")), "{text}");
}
