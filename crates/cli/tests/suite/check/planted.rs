//! Pages with broken links at known places, from a seed.

use encoding_rs::{EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_8, UTF_16LE, WINDOWS_1252};
use fastrand::Rng;

pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) content_type: String,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Plan {
    pub(crate) pages: Vec<Page>,
    /// `PATH:LINE:COLUMN` of each broken link.
    pub(crate) broken: Vec<String>,
}

/// What stands before a target and behind it, by the kinds of elements. A target is written where the bar is.
const HTML: &[&str] = &[
    "<a href=\"|\">text</a>",
    "<a title='>' href='|'>text <b>of</b> it</a>",
    "<A HREF=|>text</A>",
    "<a\n  class=x\n  href = \"|\"\n>text</a>",
    "<area href=\"|\" alt=x>",
    "<img alt=\"a > b\" src=\"|\">",
    "<img srcset=\"/good.png 1x, | 2x\">",
    "<img srcset='|'>",
    "<picture><source srcset=\"|, /good.png 2x\"></picture>",
    "<script src=\"|\"></script>",
    "<link rel=stylesheet href=|>",
    "<link rel=\"shortcut icon\" href='|'>",
    "<iframe src=\"|\"></iframe>",
    "<video poster=\"|\"></video>",
    "<audio src=\"|\"></audio>",
    "<object data=\"|\"></object>",
    "<embed src=\"|\">",
    "<form action=\"|\"></form>",
    "<input type=image src=\"|\">",
    "<blockquote cite=\"|\">q</blockquote>",
    "<p style=\"background: url(|)\">x</p>",
    "<p style='background: url(&quot;|&quot;)'>x</p>",
    "<style>b { background: url( '|' ) }</style>",
    "<style>@import \"|\";</style>",
    "<svg><a xlink:href=\"|\">x</a><image href=\"/good.png\"/></svg>",
    "<a href=\" \n\t|  \">blanks around it</a>",
    "<a href=\"|\"><img src=/good.png alt=picture></a>",
];

/// What is no broken link, though it looks like one.
const HARMLESS: &[&str] = &[
    "<!-- <a href=\"missing-comment\"> -->",
    "<script>var a = '<a href=\"missing-script\">';</script>",
    "<textarea><a href=missing-text></textarea>",
    "<template><a href=missing-template>x</a></template>",
    "<a href=\"/page1#place\">good place</a>",
    "<a href=\"#place\">here</a>",
    "<a href='mailto:nobody@example.org'>mail</a>",
    "<a href=\"javascript:void(0)\">script</a>",
    "<img src=\"data:image/gif;base64,R0lGODlhAQABAAAAACw=\">",
    "<a href=/good.png>good</a>",
    "<p title=\"<a href='missing-title'>\">x</p>",
    "<style>/* url(missing-css) */</style>",
    "&lt;a href=missing-reference&gt;",
];

const LINE_ENDS: &[&str] = &["\n", "\r\n", "\r"];

/// An encoding, how the page tells it, and characters that it has.
type Row = (&'static Encoding, &'static str, &'static str);

const ENCODINGS: &[Row] = &[
    (UTF_8, "header", "äöü€漢字𝄞👩‍🚀 "),
    (UTF_8, "mark", "ñé漢🎈"),
    (UTF_8, "meta", "Ωж漢e\u{301}"),
    (WINDOWS_1252, "meta", "äöüÃ©€ß"),
    (WINDOWS_1252, "header", "éèÂ£"),
    (GBK, "meta", "汉字中文"),
    (SHIFT_JIS, "header", "日本語ソ表"),
    (EUC_KR, "meta", "한국어"),
    (UTF_16LE, "mark", "äж漢𝄞"),
];

/// Makes `pages` pages with `links` broken links among good ones. All pages are linked with each other in a chain.
pub(crate) fn plant(seed: u64, pages: usize, links: usize) -> Plan {
    let mut random = Rng::with_seed(seed);
    let mut plan = Plan {
        pages: vec![Page {
            path: "/good.png".to_owned(),
            content_type: "image/png".to_owned(),
            bytes: vec![0x89],
        }],
        broken: Vec::new(),
    };
    for number in 0..pages {
        let first = number * links / pages;
        let targets = first..(number + 1) * links / pages;
        let path = match number {
            0 => "/".to_owned(),
            number => format!("/page{number}"),
        };
        let row = ENCODINGS[number % ENCODINGS.len()];
        let page = write(&path, number + 1 < pages, number, targets, row, &mut random);
        plan.broken.extend(page.1);
        plan.pages.push(page.0);
    }
    plan
}

fn write(
    path: &str,
    has_next: bool,
    number: usize,
    targets: std::ops::Range<usize>,
    (encoding, told, characters): Row,
    random: &mut Rng,
) -> (Page, Vec<String>) {
    let mut text = "<!doctype html>".to_owned();
    if told == "meta" {
        text += &format!("<meta charset={}>", encoding.name());
    }
    text += "<title>Planted</title><i id=place></i>";
    if has_next {
        text += &format!("<a href=/page{}>next</a>", number + 1);
    }
    let characters: Vec<char> = characters.chars().collect();
    let mut broken = Vec::new();
    for target in targets {
        for _ in 0..random.usize(..4) {
            text += LINE_ENDS[random.usize(..LINE_ENDS.len())];
            text.extend(
                (0..random.usize(..8)).map(|_| characters[random.usize(..characters.len())]),
            );
        }
        if random.bool() {
            text += HARMLESS[random.usize(..HARMLESS.len())];
        }
        let html = HTML[random.usize(..HTML.len())];
        let (before, behind) = html.split_once('|').unwrap();
        text += before;
        broken.push(format!("{path}:{}", place(&text)));
        text += &written(target, html, random);
        text += behind;
    }
    let bytes = match (encoding == UTF_16LE, told) {
        (true, _) => text
            .encode_utf16()
            .fold(vec![0xff, 0xfe], |mut bytes, unit| {
                bytes.extend(unit.to_le_bytes());
                bytes
            }),
        (_, "mark") => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        _ => {
            let (bytes, _, has_failed) = encoding.encode(&text);
            assert!(!has_failed, "{encoding:?} has all characters of the page");
            bytes.into_owned()
        }
    };
    let charset = match told {
        "header" => format!("; charset={}", encoding.name()),
        _ => String::new(),
    };
    let page = Page {
        path: path.to_owned(),
        content_type: format!("text/html{charset}"),
        bytes,
    };
    (page, broken)
}

/// `LINE:COLUMN` of what comes behind a text, counted as plainly as can be.
fn place(text: &str) -> String {
    let (mut line, mut column) = (1, 1);
    for c in text.chars() {
        match c {
            '\n' => (line, column) = (line + 1, 1),
            _ => column += 1,
        }
    }
    format!("{line}:{column}")
}

/// A target that no page has, in one of the ways to write it.
fn written(target: usize, html: &str, random: &mut Rng) -> String {
    let is_css = html.contains("style");
    let ways = if is_css { 3 } else { 6 };
    match random.usize(..ways) {
        0 => format!("/missing/{target}"),
        1 => format!("missing{target}.html?a=b"),
        2 => format!("./x/../missing{target}"),
        3 => format!("/missing/{target}?a=1&amp;b=2"),
        4 => format!("&#47;missing&#x2f;{target}"),
        // In a fragment of a page that is there.
        _ => match html.starts_with("<a ") || html.starts_with("<A ") {
            true => format!("/page1#none{target}"),
            false => format!("/missing/{target}#x"),
        },
    }
}
