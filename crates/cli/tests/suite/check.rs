//! `switchboard check`: planted broken links, each found where it stands, and nothing else.

mod planted;
mod site;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::planted::{Plan, plant};
use self::site::{Answer, Site, html};
use crate::crawl::{Folder, text};
use crate::served::{BINARY, run};

const MODELS: [&str; 5] = ["blocking", "threads", "pool", "tasks", "green"];

/// Runs a check without a delay, kept in `state`.
fn check(state: &str, arguments: &[&str]) -> Output {
    run(&[&["check", "--delay", "0", "--state", state], arguments].concat())
}

/// `PAGE:LINE:COLUMN` of each line, where `PAGE` is a path.
fn places(output: &Output, site: &Site) -> Vec<String> {
    let lines = text(output).0;
    let place = |line: &str| {
        let line = line.strip_prefix(&*site.url).unwrap_or(line);
        line.split(": ").next().unwrap().to_owned()
    };
    lines.lines().map(place).collect()
}

#[test]
fn a_thousand_planted_links_are_found_where_they_stand_under_each_model() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let Plan { pages, broken } = plant(seed, 40, 1_000);
    let expected: BTreeSet<String> = broken.iter().cloned().collect();
    assert_eq!(expected.len(), 1_000);
    let site = Site::start(move |path| {
        let found = pages.iter().find(|page| page.path == path);
        found.map_or(Answer::status(404), |page| Answer {
            status: 200,
            fields: vec![("content-type", page.content_type.clone())],
            body: page.bytes.clone(),
        })
    });
    let folder = Folder::new();
    for model in MODELS {
        let url = format!("{}/", site.url);
        let output = check(
            &folder.path(model),
            &[&url, "--model", model, "--per-host", "8"],
        );
        let found = places(&output, &site);
        let set: BTreeSet<String> = found.iter().cloned().collect();
        let missed: Vec<_> = expected.difference(&set).collect();
        let wrong: Vec<_> = set.difference(&expected).collect();
        assert!(
            missed.is_empty() && wrong.is_empty(),
            "{model}, seed {seed}: missed {missed:?}, wrong {wrong:?}"
        );
        assert_eq!(found.len(), 1_000, "{model}, seed {seed}: each once");
        assert_eq!(output.status.code(), Some(1), "{model}");
    }
}

/// A small site with one fault of each kind, and much that is none.
fn faults(path: &str) -> Answer {
    match path {
        "/" => html(&format!(
            "<a href=good>g</a><a href=good#here>h</a><a href=good#TOP>t</a><a href=mailto:a@b>m</a>\n\
             <a href=missing>a <b>b</b></a>\n\
             <a href=good#nowhere>n</a>\n\
             <a href=old#here>moved, and there</a><a href=own#any>the redirect names the place</a>\n\
             <a href=old#nowhere>o</a>\n\
             <a href=circle>c</a>\n\
             <a href=gone1>chain</a>\n\
             <a href='http://['>bad</a>\n\
             <a href=private/x>excluded</a><a href=login>login</a><a href=busy>busy</a>\n\
             <form action=ask></form><form action=none></form>\n\
             <a href=good#!/route>r</a><a href=good#/x>r</a><a href=picture#any>p</a><a href=good#1-2>l</a>\n\
             <a href=#self id=me>s</a><a href=#me>s</a><a href=''>s</a>\n\
             <link rel=stylesheet href=style.css><link rel=preconnect href='http://nowhere.invalid'>\n\
             <a href=big>big</a><a href=deep>deep</a><a href='{}'>long</a>",
            "x".repeat(3_000)
        )),
        "/good" => html("<h1 id=here>x</h1><i id=1></i><i id=2></i>"),
        "/deep" => html("\n<a href=void>v</a>"),
        "/old" => Answer::moved("/good"),
        "/own" => Answer::moved("/good#here"),
        "/circle" => Answer::moved("/circle2"),
        "/circle2" => Answer::moved("/circle"),
        "/gone1" => Answer::moved("/gone2"),
        "/gone2" => Answer::moved("/gone3"),
        "/style.css" => Answer::new("text/css", "a { background: url('x.png') }"),
        "/picture" => Answer::new("image/png", "x"),
        "/big" => Answer::new("video/mp4", vec![0; 300_000]),
        "/login" => Answer::status(401),
        "/busy" => Answer::status(429),
        "/ask" => Answer::status(400),
        "/robots.txt" => Answer::new("text/plain", "User-agent: *\nDisallow: /private/\n"),
        _ => Answer::status(404),
    }
}

const FOUND: &[&str] = &[
    "/:2:9: URL/missing: status 404 (a b)",
    "/:3:9: URL/good#nowhere: no such place in the page: `nowhere` (n)",
    "/:5:9: URL/old#nowhere: no such place in the page: `nowhere`, redirected to URL/good (o)",
    "/:6:9: URL/circle: redirects in a circle: to URL/circle again, redirected to URL/circle2 (c)",
    "/:7:9: URL/gone1: status 404, redirected to URL/gone3 (chain)",
    "/:8:10: http://[: it is no URL: invalid IPv6 address (bad)",
    "/:10:38: URL/none: status 404",
    "/:12:9: URL/#self: no such place in the page: `self` (s)",
    "/deep:2:9: URL/void: status 404 (v)",
    "/style.css:1:22: URL/x.png: status 404",
];

#[test]
fn each_kind_of_fault_is_told_and_nothing_else() {
    let site = Site::start(faults);
    let url = format!("{}/", site.url);
    let folder = Folder::new();
    let names =
        ["links.html", "links.md", "links.jsonl", "links.txt"].map(|name| folder.path(name));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let output = check(
        &folder.path("state"),
        &[&[&*url, "--retries", "0", "--out"], &*names].concat(),
    );
    let (lines, errors) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let lines = lines.replace(&site.url, "URL");
    let found: Vec<&str> = lines
        .lines()
        .map(|line| line.strip_prefix("URL").unwrap())
        .collect();
    assert_eq!(found, FOUND);
    assert!(
        errors.contains("10 broken links among 29 on 4 pages; 5 could not be checked."),
        "{errors}"
    );
    assert!(
        errors.contains("1 not checked: status 401: a password is needed\n"),
        "{errors}"
    );
    assert_eq!(site.count("/private/x"), 0);
    let read = |name: &str| std::fs::read_to_string(folder.path(name)).unwrap();
    assert_eq!(read("links.txt").lines().count(), 10);
    let rows: Vec<serde_json::Value> = read("links.jsonl")
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    assert_eq!(
        rows[4]["redirects"],
        serde_json::json!([format!("{url}gone2"), format!("{url}gone3")])
    );
    assert_eq!(
        rows[8]["way"],
        serde_json::json!([url, format!("{url}deep")])
    );
    assert_eq!(
        (&rows[8]["kind"], &rows[8]["written"]),
        (&"a".into(), &"void".into())
    );
    assert!(read("links.md").contains(&format!("Reached by `{url}`\n")));
    let page = read("links.html");
    assert!(
        page.starts_with("<!doctype html>")
            && !page.contains("<script")
            && !page.contains("@import")
    );
    assert!(!Path::new(&folder.path("links.md.new")).exists());
}

#[test]
fn links_out_of_scope_are_asked_for_once_and_not_followed() {
    let other = Site::start(|path| match path {
        "/there" => html("<a href=/next>next</a><a href=/robots-too>x</a>"),
        _ => Answer::status(404),
    });
    let there = format!("{}/there", other.url);
    let gone = format!("{}/gone", other.url);
    let text_of = format!(
        "<a href={there}>a</a><a href={there}#any>b</a><a href={gone}>c</a> <a href=http://127.0.0.1:1/>d</a><a href=/2>e</a>"
    );
    let site = Site::start(move |path| match path {
        "/" | "/2" => html(&text_of),
        _ => Answer::status(404),
    });
    let url = format!("{}/", site.url);
    let folder = Folder::new();
    let output = check(&folder.path("all"), &[&url, "--retries", "0"]);
    let lines = text(&output).0;
    let dead = "http://127.0.0.1:1/: connect: ";
    assert_eq!(
        lines.matches(&format!("{gone}: status 404")).count(),
        2,
        "{lines}"
    );
    assert_eq!(lines.matches(dead).count(), 2, "{lines}");
    assert_eq!(lines.lines().count(), 4, "{lines}");
    let asked = ["/robots.txt", "/there", "/gone", "/next"].map(|path| other.count(path));
    assert_eq!(asked, [1, 1, 1, 0]);
    let output = check(&folder.path("internal"), &[&url, "--internal"]);
    let (lines, errors) = text(&output);
    assert_eq!(
        (lines.as_str(), output.status.code()),
        ("", Some(0)),
        "{errors}"
    );
    assert!(errors.contains("8 not checked: out of scope\n"), "{errors}");
    assert_eq!(other.count("/there"), 1);
}

#[test]
fn a_limit_of_depth_checks_the_links_of_the_last_pages_too() {
    let site = Site::start(|path| match path {
        "/" => html("<a href=1>1</a><a href=none0>0</a>"),
        "/1" => html("<a href=2>2</a><a href=none1>1</a><a href=2#x>x</a><a href=2#y>y</a>"),
        "/2" => html("<i id=y></i><a href=none2>2</a>"),
        _ => Answer::status(404),
    });
    let folder = Folder::new();
    let url = format!("{}/", site.url);
    let output = check(&folder.path("state"), &[&url, "--depth", "1"]);
    assert_eq!(places(&output, &site), ["/:1:24", "/1:1:24", "/1:1:43"]);
    assert_eq!(site.count("/none2"), 0);
}

#[test]
fn the_folders_of_crawls_and_checks_refuse_each_other_and_wrong_usage_is_told() {
    let site = Site::start(|path| match path {
        "/" => html("fine"),
        _ => Answer::status(404),
    });
    let url = format!("{}/", site.url);
    let folder = Folder::new();
    let (crawled, checked) = (folder.path("crawled"), folder.path("checked"));
    let crawl = ["crawl", &url, "--delay", "0", "--state", &crawled];
    assert_eq!(run(&crawl).status.code(), Some(0));
    assert_eq!(check(&checked, &[&url]).status.code(), Some(0));
    let refusals = [
        (
            check(&crawled, &[&url, "--resume"]),
            "holds a crawl and no check of links: name another folder\n",
        ),
        (
            check(&crawled, &["--resume"]),
            "holds a crawl and no check of links: name another folder\n",
        ),
        (
            run(&["crawl", "--resume", "--state", &checked]),
            "holds a check of links and no crawl: name another folder\n",
        ),
        (
            check(&checked, &[&url, "--internal", "--resume"]),
            "its links out of scope: asked for; asked for: left alone",
        ),
        (
            check(&checked, &[&url, "--out", "links.pdf"]),
            "end it with .html, .md, .jsonl or .txt\n",
        ),
        (
            check(&checked, &[&url, "--out", "/nowhere/links.md"]),
            "no such folder",
        ),
        (
            check(&checked, &["127.0.0.1/x"]),
            "did you mean http://127.0.0.1/x?",
        ),
        (
            check(&checked, &[&url, "--model", "callbacks"]),
            "callbacks",
        ),
    ];
    for (output, why) in refusals {
        let (lines, errors) = text(&output);
        assert_eq!((output.status.code(), &*lines), (Some(2), ""), "{errors}");
        assert!(
            errors.contains(why) && errors.lines().count() == 1,
            "{why}: {errors}"
        );
    }
}

#[test]
fn a_check_that_is_killed_goes_on_and_tells_the_same() {
    let Plan { pages, broken } = plant(7, 10, 100);
    let is_killed = Arc::new(AtomicBool::new(false));
    let killed = is_killed.clone();
    let site = Site::start(move |path| {
        // The check that is killed never has all pages.
        while path == "/page6" && !killed.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let found = pages.iter().find(|page| page.path == path);
        found.map_or(Answer::status(404), |page| {
            Answer::new(&page.content_type, page.bytes.clone())
        })
    });
    let url = format!("{}/", site.url);
    let folder = Folder::new();
    let state = folder.path("state");
    let mut child = Command::new(BINARY)
        .args(["check", &url, "--delay", "5ms", "--state", &state])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while site.count("/page5") == 0 {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    is_killed.store(true, Ordering::SeqCst);
    let output = check(&state, &[&url]);
    let errors = text(&output).1;
    assert!(errors.contains("go on with --resume"), "{errors}");
    let output = check(&state, &["--resume"]);
    let found: BTreeSet<String> = places(&output, &site).into_iter().collect();
    assert_eq!(found, broken.into_iter().collect());
}

#[test]
fn where_the_check_begins_may_be_broken_itself() {
    let folder = Folder::new();
    let output = check(
        &folder.path("state"),
        &["http://127.0.0.1:1/", "--retries", "0"],
    );
    let lines = text(&output).0;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        lines.starts_with("-:0:0: http://127.0.0.1:1/: connect: "),
        "{lines}"
    );
    assert!(lines.ends_with(" (where the check began)\n"), "{lines}");
}
